#!/usr/bin/env python3
"""A second verifier of updates, written from spec/docs alone, on Python 3.11 and the package `cryptography` (48: Ed25519, ML-DSA-44).

verify.py FILE --trust DIR [--bundle F]... [--proof F]... [--floor FILE] [--watched FILE] [--now SECONDS] [--unwitnessed]

Prints {verdict, code, reason, checked, not_checked}; exits 0 verified, 1 not verified, 2 usage, 5 not yet. It opens no socket and writes no
file, the floor included; without --now no time is known. V-14, N-6 and so on are requirements of spec/docs."""
import argparse, base64, datetime, hashlib, json, os, re, sys, tomllib, unicodedata
from types import SimpleNamespace as Record
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

class No(Exception): "(code, reason): the verdict is refused"
class Usage(Exception): "(code, reason): policy, trust file, floor or watch are no use, and there is no verdict"
def need(ok, code, reason, error=No):
    if not ok: raise error(code, reason)
def must(ok, reason):                       # for parsers, which know no code; `parsed` gives it
    if not ok: raise ValueError(reason)
def parsed(error, code, parse, *args):
    try: return parse(*args)
    except (ValueError, RecursionError) as e: raise error(code, str(e)) from None
def works(parse, *args):
    try: parse(*args); return True
    except ValueError: return False

# Hashes, texts, keys (10, 30)
def sha(data): return hashlib.sha256(data).digest()
def node_hash(left, right): return sha(b"\1" + left + right)
def ascending(keys): return all(a < b for a, b in zip(keys, keys[1:]))
def number(text):                           # H-7
    must(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < 2**64, f"no number in its one spelling: {text[:30]!r}")
    return int(text)
def b64(text, size=None):                   # H-6
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text and size in (None, len(data)), "base64 in another spelling or of another length")
    return data

P = 2**255 - 19                             # Ed25519: the field, d of the curve, and y of a point of order 8
D, Y8 = -121665 * pow(121666, -1, P) % P, 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7
def small_order(point): return (int.from_bytes(point, "little") % 2**255) % P in (0, 1, P - 1, Y8, P - Y8)
def on_curve(point):                        # N-5: it decodes, and is the one encoding of what it decodes to
    sign, y = divmod(int.from_bytes(point, "little"), 2**255)
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return y < P and (pow(xx, (P - 1) // 2, P) == 1 or xx == 0 and sign == 0)

ED, CO, PQ = 1, 4, 6                        # Ed25519, Ed25519 cosignature, ML-DSA-44
class Key:                                  # N-1 to N-5, N-7, N-8
    def __init__(self, text, kinds=(ED,), in_leaf=True):
        name, hex8, rest = (text.split("+", 2) + ["", ""])[:3]
        data = b64(rest)
        self.text, self.name, self.kind, self.raw, self.keyid = text, name, data[0] if data else 0, data[1:], f"{name}+{hex8}"
        must(self.kind in kinds and len(self.raw) == (1312 if self.kind == PQ else 32), "a key of another type or length")
        must(name and not any(c.isspace() or unicodedata.category(c) == "Cc" for c in name), "no key name")
        must(sha(name.encode(errors="surrogateescape") + b"\n" + data)[:4].hex() == hex8, "a key id that is not the computed one")
        must(self.kind == PQ or on_curve(self.raw), "a key that is no point")
        must(not in_leaf or WORDS["keyname"](name) and not small_order(self.raw), "no key for a leaf")
    def verifies(self, message, sig):       # OpenSSL compares R byte by byte and refuses an s that is not below the order
        public = mldsa.MLDSA44PublicKey if self.kind == PQ else ed25519.Ed25519PublicKey
        try: public.from_public_bytes(self.raw).verify(sig, message)
        except (InvalidSignature, ValueError): return False
        return self.kind == PQ or not (small_order(sig[:32]) or small_order(self.raw))
    def time(self, cp, line):               # K-3, C-2 to C-4: the time that a line under a checkpoint says, None when the line is wrong
        if self.kind == ED: return 0 if self.verifies(cp.text, line) else None
        time, name, origin = int.from_bytes(line[:8], "big"), self.name.encode(), cp.origin.encode()
        if len(line) < 8 or time >= 2**63 or max(len(name), len(origin)) > 255: return None
        message = f"cosignature/v1\ntime {time}\n".encode() + cp.text if self.kind == CO else b"".join([
            b"subtree/v1\n\0", bytes([len(name)]), name, line[:8], bytes([len(origin)]), origin, bytes(8), cp.size.to_bytes(8, "big"), cp.root])
        return time if self.verifies(message, line[8:]) else None

# What carries leaves. A parser gives the checkpoint, [(index, leaf)], and whether they stand in its tree
def checkpoint(data):                       # N-6, K-1
    note = data.decode()
    must(len(data) <= 2**18 and not any(unicodedata.category(c) == "Cc" and c != "\n" for c in note), "a long note, or a control character in it")
    text, _, end = note.rpartition("\n\n")
    rows, body = [re.fullmatch(r"— ([^\s+]+) (\S+)\n", row) for row in re.findall("[^\n]*\n|[^\n]+$", end)], text.split("\n")
    must(1 <= len(rows) <= 64 and all(rows) and len(body) >= 3 and all(body), "no signed checkpoint")
    lines = [(m[1], b64(m[2])) for m in rows]
    must(all(len(sig) > 4 for _, sig in lines), "a signature that is a key id alone")
    return Record(text=text.encode() + b"\n", origin=body[0], size=number(body[1]), root=b64(body[2], 32),
                  lines=[(f"{name}+{sig[:4].hex()}", sig[4:]) for name, sig in lines])

def in_tree(cp, entries, hashes, leaf_first):       # H-8 to H-11, B-3: a proof names the hashes from the leaf up, a bundle from the left
    def root(lo, hi, inside):
        if not inside: return next(rest)
        if hi - lo == 1: return sha(b"\0" + inside[0][1])
        middle = lo + (1 << (hi - lo - 1).bit_length() - 1)
        left, right = [(lo, middle, [e for e in inside if e[0] < middle]), (middle, hi, [e for e in inside if e[0] >= middle])]
        if leaf_first and not left[2]:
            below = root(*right)
            return node_hash(root(*left), below)
        return node_hash(root(*left), root(*right))
    rest = iter(hashes)
    try: return entries[-1][0] < cp.size and root(0, cp.size, entries) == cp.root and next(rest, None) is None
    except StopIteration: return False

def proof(data):                            # F-1, F-3
    head, _, note = data.partition(b"\n\n")
    first, *rows = head.decode().split("\n")
    must(first == "c2sp.org/tlog-proof@v1" and len(rows) > 1 and rows[0][:6] == "extra " and rows[1][:6] == "index ", "no proof with its leaf")
    entry, path, cp = (number(rows[1][6:]), b64(rows[0][6:])), [b64(row, 32) for row in rows[2:]], checkpoint(note)
    must(1 <= len(entry[1]) <= 65535 and len(path) <= 63, "a leaf or a path that is too long")
    return cp, [entry], in_tree(cp, [entry], path, True)

def bundle(data):                           # B-1, B-2
    head, _, note = data.partition(b"\n\n")
    first, *rows = [row.split(" ") for row in head.decode().split("\n")]
    entries, hashes = [(number(w[1]), b64(w[2])) for w in rows if w[0] == "entry" and len(w) == 3], [b64(w[1], 32) for w in rows if w[0] == "hash" and len(w) == 2]
    must(first == ["vitrine.example/bundle@v0"] and [w[0] for w in rows] == ["entry"] * len(entries) + ["hash"] * len(hashes), "no bundle")
    must(1 <= len(entries) <= 128 and len(hashes) <= 63 * 128 and all(1 <= len(e) <= 65535 for _, e in entries), "a bundle out of its bounds")
    must(ascending([index for index, _ in entries]), "entries that do not ascend")
    cp = checkpoint(note)
    return cp, entries, in_tree(cp, entries, hashes, False)

def policy(data):                           # P-1 to P-5, P-7
    must(not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", data), "a control character")
    p, free = Record(logs=[], witnesses={}, groups={}, quorum=None), set()
    for n, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        w = re.findall("[^ \t]+", line)
        if not w or w[0][0] == "#": continue
        new = len(w) > 2 and w[1] not in ("none", *p.witnesses, *p.groups)
        if w[0] == "log" and len(w) in (2, 3): p.logs.append(Key(w[1], (ED, PQ), False))
        elif w[0] == "witness" and len(w) in (3, 4) and new: p.witnesses[w[1]] = Key(w[2], (CO, PQ), False)
        elif w[0] == "group" and len(w) > 3 and new:
            k, members = {"all": len(w) - 3, "any": 1}.get(w[2]) or number(w[2]), w[3:]
            must(1 <= k <= len(members) == len(set(members)) and set(members) <= free, f"line {n}: a threshold or a member that cannot be")
            p.groups[w[1]], free = (k, members), free - set(members)
        elif w[0] == "quorum" and len(w) == 2 and not p.quorum and w[1] in ("none", *p.witnesses, *p.groups): p.quorum = w[1]
        else: must(False, f"line {n}: no line of a policy")
        free |= {w[1]} if w[0] in ("witness", "group") else set()
        for keys in (p.logs, p.witnesses.values()):
            must(len({k.raw for k in keys}) == len(keys) <= 64 >= len(p.groups), f"line {n}: a key stands twice, or more than 64 lines of a kind")
    must(p.quorum, "no quorum line")
    for k in p.witnesses.values():
        need(not any(k.name == log.name or k.raw == log.raw for log in p.logs), "policy.log-as-witness", f"{k.name} is a log", Usage)
    def parties(name):                      # the key names below it; where there is more than one, none is below two members
        below = [parties(m) for m in p.groups[name][1]] if name in p.groups else [{p.witnesses[name].name}]
        every = set().union(*below)
        need(len(every) == 1 or sum(map(len, below)) == len(every), "policy.witness-twice", f"one witness counts twice in {name}", Usage)
        return every
    if p.quorum != "none": parties(p.quorum)
    return p

def cosigned(p, cp, now):                   # P-4, P-6, P-8: whether the quorum is there, and since when
    times = {}
    for name, key in p.witnesses.items():
        for t in [key.time(cp, line) for keyid, line in cp.lines if keyid == key.keyid]:
            need(t is not None, "cosignature", f"the cosignature of {key.keyid} is wrong")
            if now is None or t <= now + 300: times[name] = max(t, times.get(name, 0))
    def met(name, t): return times.get(name, -1) >= t if name in p.witnesses else sum(met(m, t) for m in p.groups[name][1]) >= p.groups[name][0]
    since = None if p.quorum == "none" else next((t for t in sorted(times.values(), reverse=True) if met(p.quorum, t)), None)
    return p.quorum == "none" or since is not None, since

# JSON, words and tables (60, 70, leaf-format 1 to 4)
def strict(data):                           # J-1 to J-7; and the bytes are the JCS of what they say
    def integer(text): must(len(text) < 18 and abs(int(text)) < 2**53, "a number out of range"); return int(text)
    def never(text): must(False, "a number that is no integer")
    def members(pairs): must(all(m.isascii() for m, _ in pairs), "a member name that is not ASCII"); return dict(pairs)
    def depth(v): return 1 + max(map(depth, v.values() if isinstance(v, dict) else v), default=0) if isinstance(v, (dict, list)) else 0
    value = json.loads(data.decode(), parse_int=integer, parse_float=never, parse_constant=never, object_pairs_hook=members)
    printed = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    must(printed.encode() == data and "\\u0000" not in printed.replace("\\\\", "") and depth(value) <= 16, "no strict JSON in its one spelling")
    return value

def word(pattern): return lambda v: isinstance(v, str) and re.fullmatch(pattern, v, re.S) is not None
def string(n): return lambda v: isinstance(v, str) and 0 < len(v.encode()) <= n and not re.search(UNSEEN, v)
def whole(lo, hi=2**53 - 1): return lambda v: type(v) is int and lo <= v <= hi
def b64_of(n): return lambda v: isinstance(v, str) and works(b64, v, n)
UNSEEN = "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
KEY_NAME, DSSE = "[a-z0-9][a-z0-9./-]{2,99}", "application/vnd.in-toto+json"
WORDS = {w: word(p) for w, p in {"name": "(?!-)[a-z0-9-]{3,64}(?<!-)", "sha": "[0-9a-f]{64}", "git": "[0-9a-f]{40}", "hex32": "[0-9a-f]{32}", "any": ".*",
    "keyname": KEY_NAME, "keyid": KEY_NAME + r"\+[0-9a-f]{8}", "origin": "(?!cosignature/|subtree/)" + KEY_NAME, "region": "[A-Z][A-Z0-9-]{1,15}",
    "site": "[A-Z]{2}(-[A-Z0-9]{1,8}){1,3}", "print": "([ -]*[0-9a-fA-F]){64}[ -]*", "x.y": r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"}.items()} | {
    f"s{n}": string(n) for n in (64, 100, 128, 256, 512)} | {"n": whole(0), "n1": whole(1), "epoch": whole(1, 2**32 - 1), "bool": lambda v: type(v) is bool,
    "vkey": lambda v: isinstance(v, str) and works(Key, v), "product": lambda v: string(512)(v) and word("pkg:[^?#]*@[^/?#]+([?#].*)?")(v),
    "purl": lambda v: string(512)(v) and v[:4] == "pkg:", "date": lambda v: word("[0-9]{4}-[0-9]{2}-[0-9]{2}")(v) and works(datetime.date.fromisoformat, v),
    "object": lambda v: isinstance(v, dict), "b64": b64_of(None), "sig": b64_of(64), "seal": b64_of(1216), "dsse": lambda v: v == DSSE}
# `member:what`, with `?` if it may be missing; what is a word above, a table below or one in braces, a choice a|b, or an array: `3[x]9` of 3 to 9 x, `[x]` of
# 1 to 999, and behind it what it ascends by, `=` for the element itself
TABLES = dict(row.split(" = ") for row in """
digest = sha256:sha
revision = sha256?:sha gitCommit?:git gitTree?:git
source = uri:s512 digest:revision
at = issuer:name epoch:epoch seq:n1
ref = rel:releases|reproduces|reviewed|follows|revokes|replaced-by|about|corrects event_id:sha origin?:origin at?:at
envelope = payload:b64 payloadType:dsse signatures:1[{keyid:keyid,sig:sig}]9keyid
hdr = origin:any issuer:name epoch:epoch recorded:n seq?:n1 prev?:sha nonce?:hex32 site?:site cosigners?:1[keyid]8= refs?:1[ref]16
attached = 1[{sha256:sha,size:n,media_type:s100,name?:s256}]16sha256
role = epoch:epoch vkey:vkey spare?:vkey previous?:{seq:n1,event_id:sha}
before = origin:origin size:n root:sha evidence:0[sha]8
charter = version:n1 prev?:sha protocol:vitrine/v0| origin:origin raw:bool built_here_only:bool operator:role supervisor:role vault:role log_keys:2[any]2 \
readers:0[{name:name,role:supervisor|vault,sign:vkey,seal:seal}]8name types:[name]= sites:0[{code:site,name:s100}]64code cosign:object predecessor?:before
build = purl:product builder_id:s512 build_type:s512 invocation_id:s256 started:n finished:n build_site:site signing_site:site signing_key?:s256 \
source:source materials?:{count:n,sha256:sha} sbom?:sha provenance?:sha
rebuild = outcome:identical|different|build-failed|not-attempted independence:vendor|third-party|supervisor source:source started?:n finished?:n \
buildinfo?:sha diff?:sha log?:sha
code-review = purl?:purl centre:s128 organisation:s128 scope:1[s256]64= method:s256 from:date to:date outcome:no-finding|findings|inconclusive \
findings:{critical:n,high:n,medium:n,low:n,info:n} report?:sha
update = purl:product packageId:s128 channel:name kind:product|module|engine|detection-db|config audience:1[any]64= release_seq:n1 built_here:bool \
not_before?:n tuf?:{version:n1,path:s512}
update-revoke = reason:defect|security|key|legal|mistake
verdict = result:PASSED|FAILED verifier:s512 policy:{uri:s512,sha256:sha} levels:0[s64]16= slsa_version?:x.y report?:sha
correction = reason:mistake|incomplete|late|legal fields:1[{name:s128,value?:any}]24name
issuer = name:name epoch:epoch vkey:vkey types:[name] until?:n independence?:vendor|third-party|supervisor
stream = packageId:s128 channel:name issuer:name require_build?:bool regional?:bool min_release_seq?:n builders?:[name] rebuilds?:n rebuilders?:[name] \
different_max?:n require_review?:bool reviewers?:[name] require_verdict?:bool verdicts_by?:[name] wait_s?:n
trust = charter:print charter_version?:n1 origin:origin log_keys?:both|ed|pq region?:region max_age_s?:n issuer?:0[issuer]9999 stream?:0[stream]9999
""".strip().split("\n"))
def fits(what, v):
    if array := re.fullmatch(r"([0-9]*)\[(.+)\]([0-9]*)(.*)", what):
        least, each, most, order = array.groups()
        return (isinstance(v, list) and int(least or 1) <= len(v) <= int(most or 999) and all(fits(each, x) for x in v)
                and (not order or ascending([x if order == "=" else x[order] for x in v])))
    if what[0] != "{" and "|" in what: return isinstance(v, str) and v in what.split("|")
    if what in WORDS: return WORDS[what](v)
    table = {m.rstrip("?"): (m[-1] == "?", w) for m, w in (x.split(":", 1) for x in (what[1:-1].split(",") if what[0] == "{" else TABLES[what].split()))}
    return isinstance(v, dict) and v != {} and set(v) <= set(table) and all(fits(w, v[m]) if m in v else opt for m, (opt, w) in table.items())

TYPES = {"charter": "1[{digest:digest}]1", "build": "[{name:s128,digest:digest}]name", "code-review": "1[{digest:revision}]1",         # the subject of each
         "rebuild": "[{name:s128,digest:digest,annotations?:made}]name", "update": "[{name:s128,digest:digest,annotations:sized}]name",
         "update-revoke": "[{name:s128,digest:digest}]name", "verdict": "[{digest:digest}]", "correction": "1[{digest:digest}]1"}
TABLES |= {"made": "produced:sha", "sized": "size:n"}
def event(where, index, leaf, origin):      # V-17, V-12; E-1 to E-6, L-18 to L-23
    def good(ok, why): need(ok, "event.malformed", f"{at}: {why}")
    at, envelope = f"{where}, entry {index}", parsed(No, "event.malformed", strict, leaf)
    good(fits("envelope", envelope), "no envelope")
    payload = b64(envelope["payload"])
    its = st = parsed(No, "event.malformed", strict, payload)
    for m in ("predicate", "hdr", "origin"): its = its.get(m) if isinstance(its, dict) else None
    need(its == origin, "event.origin", f"{at}: an event of the log {its}, not of {origin}")
    kind = re.fullmatch("https://vitrine[.]example/(.*)/v0", str(st.get("predicateType")))
    good(isinstance(st.get("predicateType"), str), "no type")
    need(kind and (kind := kind[1]) in TYPES, "event.unknown", f"{at}: the type {st['predicateType']!r} is not known here")
    subject, pre = TYPES[kind], st["predicate"]
    good(len(payload) <= 40000 and set(st) == {"_type", "subject", "predicateType", "predicate"} and st["_type"] == "https://in-toto.io/Statement/v1"
         and {"hdr", "body"} <= set(pre) <= {"hdr", "body", "attachments"} and fits(subject, st["subject"]) and fits("hdr", pre["hdr"]) and fits(kind, pre["body"])
         and ("attachments" not in pre or fits(TABLES["attached"], pre["attachments"])), f"not the members of a {kind}")
    hdr, b, pae = pre["hdr"], pre["body"], b"DSSEv1 %d %s %d %s" % (len(DSSE), DSSE.encode(), len(payload), payload)
    refs, sums = [(r["rel"], r["event_id"]) for r in hdr.get("refs", [])], [s["digest"].get("sha256") for s in st["subject"]]
    good(("seq" in hdr) == ("prev" in hdr) != ("nonce" in hdr) and ascending(refs), "no place in a chain, or references out of order")
    good(all(r["rel"] in ("reviewed", "about") for r in hdr.get("refs", []) if "origin" in r), "a reference into another log that its relation does not have")
    good(("started" in b) == ("finished" in b) and b.get("started", 0) <= b.get("finished", 0) and b.get("from", "") <= b.get("to", "z"), "an end before its start")
    if kind == "rebuild":
        made = [s.get("annotations", {}).get("produced") for s in st["subject"]]
        good(b["outcome"] in (["identical"] if made == sums else ["different"] if any(made) else ["build-failed", "not-attempted"]), "not what it shows")
    if kind == "code-review" and b["outcome"] != "inconclusive": good((b["outcome"] == "findings") == any(b["findings"].values()), "not what it counts")
    if kind == "verdict":
        tracks = [m[1] for level in b["levels"] if (m := re.fullmatch("SLSA_(.+)_LEVEL_[0-9]+", level))]
        good(ascending(sums) and len(tracks) == len(set(tracks)) and "FAILED" not in b["levels"] and (b["result"] == "PASSED" or not b["levels"]), "levels")
    if kind == "charter": good(("prev" in b) == (b["version"] > 1) and b["origin"] == origin, "no charter of this log")
    if kind == "update": good(b["audience"] == ["all"] or all(map(WORDS["region"], b["audience"])), "no region")
    return Record(at=at, given=where, index=index, type=kind, hdr=hdr, body=b, subject=st["subject"], pae=pae, id=sha(pae).hex(), issuer=hdr["issuer"], refs=refs,
                  who=(hdr["issuer"], hdr["epoch"]), told=False, sigs={s["keyid"]: b64(s["sig"]) for s in envelope["signatures"]}, digests=set(sums))

def signed(e, issuer, known):               # V-18: issuer and cosigners, nobody else; every key that is known verifies
    others = set(e.hdr.get("cosigners", []))
    need(len(own := set(e.sigs) - others) == 1 and others < set(e.sigs) and (not issuer or own <= {k.keyid for k in issuer}), "event.signers",
         f"{e.at}: signed by {', '.join(e.sigs)}")
    for k in [*issuer, *known]:
        need(k.keyid not in e.sigs or k.verifies(e.pae, e.sigs[k.keyid]), "event.signature", f"{e.at}: the signature of {k.keyid} is wrong")

# What this machine knows: trust file, floor, watch (V-1 to V-8, V-34 to V-44, O-1)
LISTS = {"builders": "build", "rebuilders": "rebuild", "reviewers": "code-review", "verdicts_by": "verdict"}
ALL_TYPES = """charter issuer-open issuer-close heartbeat sealing-key access access-request access-decision disclosure update update-revoke incident build rebuild
    code-review verdict rules correction erasure supervisor-ack period-close transfer""".split()
def trust(data):
    raw, known = tomllib.loads(data.decode()), {m.split(":")[0].rstrip("?") for table in ("trust", "issuer", "stream") for m in TABLES[table].split()}
    for n, line in enumerate(data.decode().split("\n"), 1):
        must(not (m := re.match(r"\s*([A-Za-z0-9_-]+)\s*=", line)) or m[1] in known, f"line {n}: an unknown key")
    must(fits("trust", raw), "a key that is missing, in the wrong place, or of another form")
    t = Record(**{"charter_version": 1, "log_keys": "both", "region": None, "max_age_s": None} | raw, lines={}, streams={})
    t.charter = re.sub("[ -]", "", t.charter).lower()
    for i in raw.get("issuer", []):
        line = Record(**{"until": None, "independence": None} | i | {"types": i["types"] + ["update-revoke"] * ("update" in i["types"])}, key=Key(i["vkey"]))
        must(len(set(i["types"])) == len(i["types"]) and set(i["types"]) <= set(ALL_TYPES), f"types of {line.name}")
        must((line.name, line.epoch) not in t.lines, f"issuer {line.name} epoch {line.epoch} stands twice")
        must(all(o.name == line.name or o.key.raw != line.key.raw for o in t.lines.values()), f"the key of {line.name} is another issuer's")
        must("rebuild" in line.types or not line.independence, f"independence of {line.name}, who rebuilds nothing")
        t.lines[line.name, line.epoch] = line
    def may(name, kind): return any(line.name == name and kind in line.types for line in t.lines.values())
    for raw_stream in raw.get("stream", []):
        s = Record(**{"require_build": True, "regional": False, "min_release_seq": 0, "rebuilds": 0, "different_max": 0, "require_review": False,
                      "require_verdict": False, "wait_s": None} | dict.fromkeys(LISTS) | raw_stream)
        at = f"stream {s.packageId} {s.channel}"
        must((s.packageId, s.channel) not in t.streams and may(s.issuer, "update"), f"{at}: twice, or its issuer may not update")
        must(all(may(name, kind) for m, kind in LISTS.items() for name in getattr(s, m) or ()), f"{at}: names somebody without a line of that type")
        must(s.rebuilds <= len(could(t, s, "rebuilders")) and (could(t, s, "reviewers") or not s.require_review)
             and (could(t, s, "verdicts_by") or not s.require_verdict), f"{at}: asks for more than there can be")
        must(s.require_build or not (s.rebuilds or s.require_review), f"{at}: rebuilds or reviews of what needs no build")
        t.streams[s.packageId, s.channel] = s
    return t

def could(t, s, names):                     # V-37, V-38: the issuers whose events of that type can count
    return set(getattr(s, names) or [line.name for line in t.lines.values() if LISTS[names] in line.types
                                     and not (names == "rebuilders" and line.independence == "vendor")])

def own_file(kind, limit, data):            # the first four lines of a floor or a watch, and the words of the others
    m = re.fullmatch(rf"vitrine\.example/{kind}@v0\norigin (.+)\nsize (.+)\nroot (.+)\n((?:.+\n)*)", data.decode())
    must(len(data) <= limit and m and WORDS["origin"](m[1]), f"no {kind} in its one spelling")
    return Record(kind=kind, origin=m[1], size=number(m[2]), root=b64(m[3], 32)), [line.split(" ") for line in m[4].split("\n")[:-1]]
def floor_file(data):                       # V-44
    f, rows = own_file("floor", 2**18, data)
    must(all(w[0] == "release" and len(w) > 3 and WORDS["name"](w[2]) and WORDS["s128"](" ".join(w[3:])) for w in rows), "no line of a floor")
    f.releases = {(" ".join(w[3:]), w[2]): number(w[1]) for w in rows}
    must(len(f.releases) == len(rows) and ascending(list(f.releases)), "releases that do not ascend")
    return f
def watched_file(data):                     # O-1
    w, rows = own_file("watched", 2**24, data)
    w.revoked = {x[1]: (number(x[2]), x[3]) for x in rows if x[0] == "revoked" and len(x) == 4 and WORDS["sha"](x[1]) and WORDS["name"](x[3])}
    w.disowned = {(x[1], number(x[2])): number(x[3]) for x in rows if x[0] == "disowned" and len(x) == 4 and WORDS["name"](x[1])}
    w.closed = {(x[1], number(x[2])): number(x[3]) for x in rows if x[0] == "closed" and len(x) == 5 and WORDS["name"](x[1]) and WORDS["name"](x[4])}
    w.second = {(x[1], number(x[2]), x[3]): x[3] for x in rows if x[0] == "second" and len(x) == 4 and WORDS["sha"](x[1]) and WORDS["sha"](x[3])}
    kinds = [(name, getattr(w, name)) for name in ("revoked", "disowned", "closed", "second")]
    must([x[0] for x in rows] == [name for name, lines in kinds for _ in lines], "lines that no watch has, or in another order")
    must(all(0 < epoch < 2**32 for _, epoch in [*w.disowned, *w.closed]) and all(ascending(list(lines)) for _, lines in kinds), "an epoch, or the order")
    return w

# The verdict: V-10 says of what it is a function
LIMITS = ["what was not recorded in the log", "where a person is", "what a rebuild does not show: that the source is good", "the format is experimental"]
LEFT = {"build": "no build that the update names", "rebuild": "of other files", "code-review": "of another source", "verdict": "about other files",
        "update-revoke": "of another update", "update": "another update, not judged", "charter": "does not follow what is pinned", "correction": "changes no verdict"}
def verdict(file, given, p, t, floor, watched, now):
    checked, not_checked, events = [], [], {}
    if now is None: not_checked.append("the time: release date, age of checkpoints, cosignatures of the future")
    if not floor: not_checked.append("a rollback, without a floor")
    if not watched: not_checked.append("revocations, second digests and disowning beyond the proofs, without a watch")
    if p.quorum == "none": not_checked.append("witnesses: the policy asks for none")
    if t.origin.startswith("dev."): not_checked.append("this is a development log")
    try: word, code, reason = judge(file, given, p, t, floor, watched, now, checked, not_checked, events)
    except No as e: word, code, reason = "not-verified", *e.args
    if word == "verified": not_checked += [f"{e.at} ({e.type} of {e.issuer}): {LEFT[e.type]}" for e in events.values() if not e.told]
    else: not_checked += ["what comes after the reason"] + [f"{path}: whatever is not named as checked" for path, _, _ in given]
    return {"verdict": word, "code": code, "reason": reason, "checked": checked, "not_checked": not_checked + LIMITS}

ROLES = ("operator", "supervisor", "vault")
def follow(charters, t):                    # V-31, V-46, V-3: the charters that hold; adds a line for each key that they give a role
    held = {}
    for c in sorted(charters, key=lambda c: (c.index != 0, c.body["version"])):
        n, before = c.body, held.get(c.body.get("prev"))
        if c.index == 0: need(c.id == t.charter, "charter", f"entry 0 is the charter {c.id}, and {t.charter} is pinned")
        elif not before: continue
        else:
            b = before.body
            need(all(x.id == c.id or x.body.get("prev") != n["prev"] for x in charters), "charter", f"{c.at}: another charter follows version {b['version']}, too")
            operator, supervisor = [[Key(k) for k in (b[r]["vkey"], b[r].get("spare")) if k] for r in ROLES[:2]]
            new = [Key(n[r]["vkey"]) for r in ROLES if n[r]["vkey"] != b[r]["vkey"]]
            need(c.who == ("operator", b["operator"]["epoch"]) and n["version"] == b["version"] + 1 and all(
                n[r]["epoch"] == b[r]["epoch"] + (n[r]["vkey"] != b[r]["vkey"]) for r in ROLES), "charter", f"{c.at}: no successor of version {b['version']}")
            for keys in (operator, supervisor, *([k] for k in new)):
                need(any(k.keyid in c.sigs for k in keys), "charter", f"{c.at}: not signed by {keys[0].keyid}")
            signed(c, operator, [*supervisor, *new, *(line.key for line in t.lines.values())])
        for r in ROLES:
            line, last = t.lines.get(key := (r, n[r]["epoch"])), max((x for x in t.lines.values() if x.name == r), key=lambda x: x.epoch, default=None)
            need(not line or line.key.text == n[r]["vkey"], "charter", f"{c.at}: the trust file has another key for {r} epoch {key[1]}")
            twins = [x.name for x in t.lines.values() if x.name != r and x.key.raw == Key(n[r]["vkey"]).raw]
            need(not twins, "charter", f"{c.at}: {r} has the key of {twins}")
            if last and last.epoch < key[1]: t.lines[key] = Record(**vars(last) | {"epoch": key[1], "key": Key(n[r]["vkey"]), "until": None})
        held[c.id], c.told = c, True
    newest = max((c.body["version"] for c in held.values()), default=1)
    need(newest >= t.charter_version, "charter.version", f"the charters shown lead to version {newest}, and {t.charter_version} is asked for")
    return held

def agree(one, other):                      # V-28: the algorithms that both digests of a source have, when they are equal in all of them
    both = set(one) & set(other)
    return both if all(one[a] == other[a] for a in both) else set()

def judge(file, given, p, t, floor, watched, now, checked, not_checked, events):
    for own in (floor, watched): need(not own or own.origin == t.origin, "origin.unknown", f"the {own and own.kind} is of the log {own and own.origin}")
    # V-11 to V-15, V-17: what was given, proofs first, each for itself
    cps, log = [], [k for k in p.logs if k.name == t.origin]
    for path, kind, data in sorted(given, key=lambda g: g[1] == "bundle"):
        cp, entries, holds = parsed(No, kind + ".malformed", {"proof": proof, "bundle": bundle}[kind], data)
        need(cp.origin == t.origin, "origin.unknown", f"{path}: of the log {cp.origin}, not of {t.origin}")
        lines = [(k, k.time(cp, line)) for k in log for keyid, line in cp.lines if keyid == k.keyid]
        need(all(time is not None for _, time in lines), "log.signature", f"{path}: a signature of the log is wrong")
        quorum = cosigned(p, cp, now)
        need(asked(t) <= {k.kind for k, _ in lines}, "log.signature", f"{path}: not signed by the log with every key that is asked for")
        need(holds, "inclusion", f"{path}: not in the tree of its checkpoint")
        cps.append((path, cp, *quorum))
        for index, leaf in entries: events.setdefault((index, leaf), event(path, index, leaf, t.origin))
    # V-31, V-46, V-18, V-16: charters, signers, trees
    def of(kind): return [e for e in events.values() if e.type == kind]
    held = follow(of("charter"), t)
    checked += [f"{c.at}: charter version {c.body['version']}" for c in held.values()]
    if not held: not_checked.append("the charter: none was given")
    known = [line.key for line in t.lines.values()]
    for e in events.values():
        if e.id not in held or e.index == 0: signed(e, [t.lines[e.who].key] if e.who in t.lines else [], known)
        not_checked += [f"{e.at}: the cosigner {c}" for c in e.hdr.get("cosigners", []) if c not in {k.keyid for k in known}]
        not_checked += [f"{e.at}: {r['rel']} an event of the log {r['origin']}" for r in e.hdr.get("refs", []) if "origin" in r]
    trees = {}
    for path, cp in [*((x.kind, x) for x in (floor, watched) if x), *(x[:2] for x in cps)]:
        need(trees.setdefault(cp.size, cp.root) == cp.root, "checkpoint.fork", f"{path}: a second root for the tree of size {cp.size}")
    if len(trees) > 1: not_checked.append(f"that the trees of sizes {sorted(trees)} are consistent")
    def disowned(e):                        # V-6, V-47
        line = t.lines.get(e.who)
        return line and line.until is not None and e.index >= line.until or watched and e.index >= watched.disowned.get(e.who, e.index + 1)
    def fault(e, names=None):               # V-19, V-20, V-37: why an event supports no "yes"
        if e.who not in t.lines: return "issuer.unknown", f"{e.at}: the trust file does not name {e.issuer} epoch {e.who[1]}"
        if e.type not in t.lines[e.who].types: return "issuer.type", f"{e.at}: the trust file lets {e.issuer} log no {e.type}"
        if disowned(e): return "issuer.disowned", f"{e.at}: {e.issuer} disowns it"
        return None if names is None or e.issuer in names else ("issuer.type", f"{e.at}: a {e.type} of {e.issuer} does not count here")
    def use(e, why, text):                  # V-33
        e.told = True
        (not_checked if why else checked).append(why[1] if why else f"{e.at}: {text}")
        return not why
    # V-21 to V-25, V-35, V-36, V-45, V-47: the update
    need(of("update"), "update.missing", "no update among the proofs")
    held = [x for x in of("update") if file.sha256 in x.digests]
    need(held, "file.digest", f"no update holds {file.name} with {file.sha256}")
    issuer = lambda x: getattr(t.streams.get((x.body["packageId"], x.body["channel"])), "issuer", None)
    u = max((x for x in held if not fault(x) and issuer(x) == x.issuer), key=lambda x: x.index, default=held[0])
    need(file.size in [s["annotations"]["size"] for s in u.subject if s["digest"]["sha256"] == file.sha256], "file.size", f"{file.name} has {file.size} bytes")
    need(not (why := fault(u)), *why or ("", ""))
    b = u.body
    s = t.streams.get((b["packageId"], b["channel"]))
    need(s, "stream.unknown", f"no stream {b['packageId']} {b['channel']} in the trust file")
    need(s.issuer == u.issuer, "stream.issuer", f"{s.issuer}, not {u.issuer}, releases {s.packageId} {s.channel}")
    need(b["audience"] == ["all"] or s.regional and t.region in b["audience"], "update.audience", f"an update for {', '.join(b['audience'])}")
    least = max(s.min_release_seq, floor.releases.get((s.packageId, s.channel), 0) if floor else 0)
    need(b["release_seq"] >= least, "update.below-floor", f"release {b['release_seq']} is below {least}")
    for r in of("update-revoke"): need(("revokes", u.id) not in r.refs, "update.revoked", f"{r.at} revokes it: {r.body['reason']}")
    sums = {m["name"]: m["digest"]["sha256"] for m in u.subject}
    for x in of("update"):
        for m in x.subject if (x.body["purl"], x.body["channel"]) == (b["purl"], b["channel"]) else []:
            if sums.get(m["name"], m["digest"]["sha256"]) != m["digest"]["sha256"]:
                need(disowned(x), "update.second-digest", f"{u.at} and {x.at} give two digests for {m['name']}")
                not_checked.append(f"{x.at}: a second digest for {m['name']}, disowned")
    # V-27, V-34, V-38, V-39: rebuilds, by issuer and digest; an equal one counts when it is from the source of a build that counts
    named = [x for x in of("build") if b["built_here"] and ("releases", x.id) in u.refs]
    builds = [x for x in named if not fault(x, s.builders)]
    waits, differ, same, failed = [], set(), {d: set() for d in u.digests}, {d: set() for d in u.digests}
    for r in of("rebuild"):
        said, line, why = r.body["outcome"], t.lines.get(r.who), fault(r, s.rebuilders)
        if not r.digests & u.digests: continue
        if not why and line.independence not in (None, r.body["independence"]): why = "", f"{r.at}: it says {r.body['independence']}, and {r.issuer} is {line.independence}"
        if not why and said != "identical": why = "", f"{r.at}: a rebuild of {r.issuer}, {said}"
        same_source = {d for x in builds if agree(x.body["source"]["digest"], r.body["source"]["digest"]) for d in x.digests}
        if not why and builds and not same_source & r.digests & u.digests: why = "", f"{r.at}: a rebuild of {r.issuer} from another source"
        counts = use(r, why, f"{r.issuer} ({r.body['independence']}) rebuilt it: identical") and (s.rebuilders or "vendor" not in (r.body["independence"], line.independence))
        if said == "different": differ.add(r.issuer)
        for d in r.digests & u.digests:
            if counts and d in same_source: same[d].add(r.issuer)
            if said in ("different", "build-failed"): failed[d].add(r.issuer)
    need(len(differ) <= s.different_max, "rebuild.different", f"another file came out at {', '.join(sorted(differ))}")
    # V-41: verdicts; what counts for nobody takes no FAILED back
    for d in sorted(u.digests):
        last = {}
        for x in sorted(of("verdict"), key=lambda x: x.index):
            counts = d in x.digests and use(x, fault(x, s.verdicts_by), f"{x.issuer} ({x.body['verifier']}): {x.body['result']}")
            if counts or d in x.digests and x.body["result"] == "FAILED": last[x.issuer] = x
        for x in last.values(): need(x.body["result"] == "PASSED", "verdict.failed", f"{x.at}: {x.issuer} says FAILED")
        if s.require_verdict and not last: waits.append(("verdict", f"no verdict about {d} that counts"))
    # V-47: what the watch has read of it
    need(not watched or u.id not in watched.revoked, "update.revoked", f"the watch has read its revocation: {watched and watched.revoked.get(u.id)}")
    for name, digest in sums.items() if watched else []:
        key = sha("\n".join((b["purl"], name, b["channel"])).encode()).hex()
        need(all(line[0] != key or line[2] == digest for line in watched.second), "update.second-digest", f"the watch has read another digest for {name}")
    need(not watched or u.index <= watched.closed.get(u.who, u.index), "issuer.disowned", f"{u.at}: {u.issuer} was closed before it")
    use(u, None, f"{u.issuer} released {b['purl']}, release {b['release_seq']} of {s.packageId} {s.channel}, with {file.sha256}")
    if watched: checked.append(f"revocations, second digests and disowning in the log up to size {watched.size}")
    # V-26: the builds; V-28, V-40: the reviews of their source
    need(b["built_here"] or not s.require_build, "build.not-here", "the update says that it was not built by who released it")
    for d in sorted(u.digests) if s.require_build else []:
        faults = [fault(x, s.builders) for x in named if d in x.digests]
        need(faults, "build.missing", f"no proof of a build of {d} that the update names")
        if all(faults): raise No(*faults[0])
    for x in named: use(x, fault(x, s.builders), f"{x.issuer} built it with {x.body['builder_id']} from {x.body['source']['uri']}")
    for x in builds:
        source, good = x.body["source"]["digest"], False
        for r in of("code-review"):
            if not (both := agree(source, r.subject[0]["digest"])): continue
            need(not s.require_review or r.body["findings"]["critical"] == 0, "review.findings", f"{r.at}: critical findings in the source of {x.at}")
            text = f"{r.body['organisation']} reviewed the source of entry {x.index}: {r.body['outcome']}" + ("" if "sha256" in both else ", by SHA-1 alone")
            good |= use(r, fault(r, s.reviewers), text) and r.body["outcome"] != "inconclusive"
        if s.require_review and not good: waits.append(("review", f"no review of the source of entry {x.index} that counts"))
    for d in sorted(d for d in u.digests if len(same[d]) < s.rebuilds):
        need(len(could(t, s, "rebuilders") - (failed[d] - same[d])) >= s.rebuilds, "rebuild.failed", f"those who are left are too few to rebuild {d}")
        waits.append(("rebuild", f"{len(same[d])} of {s.rebuilds} rebuilds of {d}"))
    # V-42, V-43, V-49, V-23, V-15: too late, too old, or not yet
    waits.sort(key=lambda w: ("review", "rebuild", "verdict").index(w[0]))
    late = s.wait_s is not None and now is not None and now > u.hdr["recorded"] + s.wait_s
    for code, reason in waits: need(not late, code + ".missing", reason)
    for path, cp, quorum, since in [x for x in cps if x[0] == u.given][:1] if t.max_age_s is not None else []:
        need(not quorum or since is not None and (now is None or now - since <= t.max_age_s), "checkpoint.stale", f"{path}: a checkpoint of the time {since}")
    if waits: return "not-yet", waits[0][0] + ".pending", waits[0][1]
    if now is not None and now < b.get("not_before", 0): return "not-yet", "update.not-before", f"not before {b['not_before']}"
    for path, _, quorum, _ in cps:
        if not quorum: return "not-yet", "quorum", f"{path}: too few witnesses"
    return "verified", "verified", f"{file.name} is release {b['release_seq']} of {s.packageId} {s.channel}"

def asked(t): return {"both": {ED, PQ}, "ed": {ED}, "pq": {PQ}}[t.log_keys]
def setup(p, t, unwitnessed):               # V-9
    need(asked(t) <= {k.kind for k in p.logs if k.name == t.origin}, "policy.log-key", f"the policy lacks a key of {t.origin}", Usage)
    need(p.quorum != "none" or unwitnessed, "policy.quorum-none", "the policy asks for no witness: say --unwitnessed", Usage)

def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ("bundle", "proof"): a.add_argument(f"--{kind}", dest="given", action="append", default=[], type=lambda path, kind=kind: (path, kind))
    for name, more in {"file": {}, "--trust": {"required": True}, "--floor": {}, "--watched": {}, "--now": {"type": int}, "--unwitnessed": {"action": "store_true"}}.items():
        a.add_argument(name, **more)
    a = a.parse_args()
    def read(path, code=None, parse=None):
        with sys.stdin.buffer if path == "-" else open(path, "rb") as f: data = f.read()
        return parsed(Usage, code, parse, data) if parse else data
    try:
        p, t = read(os.path.join(a.trust, "policy"), "policy", policy), read(os.path.join(a.trust, "trust.toml"), "trust", trust)
        setup(p, t, a.unwitnessed)
        floor, watched = a.floor and read(a.floor, "floor", floor_file), a.watched and read(a.watched, "watched", watched_file)
        data = read(a.file)
        file = Record(name=os.path.basename(a.file), size=len(data), sha256=sha(data).hex())
        v = verdict(file, [(path, kind, read(path)) for path, kind in a.given], p, t, floor, watched, a.now)
    except (Usage, OSError) as e:
        code, reason = e.args if isinstance(e, Usage) else ("file", str(e))
        v = {"verdict": "usage", "code": code, "reason": reason, "checked": [], "not_checked": []}
    print(json.dumps(v, indent=1, ensure_ascii=False))
    sys.exit({"verified": 0, "not-verified": 1, "usage": 2, "not-yet": 5}[v["verdict"]])

if __name__ == "__main__": main()
