#!/usr/bin/env python3
"""A second verifier for updates logged in Vitrine, written from spec/docs alone: Python 3.11 and the package `cryptography` (48).

verify.py FILE --trust DIR [--bundle F]... [--proof F]... [--floor FILE] [--watched FILE] [--now SECONDS] [--unwitnessed]

Prints {verdict, code, reason, checked, not_checked}; exits 0 verified, 1 not verified, 2 usage, 5 not yet. It opens no socket and writes
no file, the floor included. Names such as V-14 or N-6 are requirements of spec/docs.
"""
import argparse, base64, datetime, hashlib, json, re, sys, tomllib, unicodedata
from types import SimpleNamespace as Record
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

class No(Exception): """(code, reason): the verdict is refused"""
class Usage(Exception): """(code, reason): policy, trust file, floor or watch cannot be used, so there is no verdict"""

def need(ok, code, reason, error=No):
    if not ok: raise error(code, reason)

def must(ok, reason):           # for parsers, which know no code: see `parsed`
    if not ok: raise ValueError(reason)

def parsed(error, code, parse, *args):
    try: return parse(*args)
    except (ValueError, RecursionError) as e: raise error(code, str(e)) from None

# Hashes, texts, keys (10, 30)

def sha(data): return hashlib.sha256(data).digest()
def leaf_hash(entry): return sha(b"\0" + entry)
def node_hash(left, right): return sha(b"\1" + left + right)

def b64(text, size=None):       # H-6
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text and size in (None, len(data)), "base64 in another spelling or of another length")
    return data

def number(text):               # H-7
    must(re.fullmatch("0|[1-9][0-9]{0,19}", text) and int(text) < 2**64, f"no number in its one spelling: {text[:30]!r}")
    return int(text)

P = 2**255 - 19                 # Ed25519: the field, d of the curve, and the y of the points of order 1, 2, 4 and 8
D = -121665 * pow(121666, -1, P) % P
Y8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7
def small_order(point): return (int.from_bytes(point, "little") & 2**255 - 1) % P in (0, 1, P - 1, Y8, P - Y8)

def on_curve(point):            # N-5: it decodes, and is the one encoding of what it decodes to
    sign, y = divmod(int.from_bytes(point, "little"), 2**255)
    xx = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    return y < P and (pow(xx, (P - 1) // 2, P) == 1 or xx == 0 and sign == 0)

ED, CO, PQ = 1, 4, 6            # Ed25519, Ed25519 cosignature, ML-DSA-44

class Key:                      # N-1 to N-5, N-8
    def __init__(self, text, kinds, in_leaf=False):
        name, hex8, rest = (text.split("+", 2) + ["", ""])[:3]
        data = b64(rest)
        self.text, self.name, self.kind, self.raw, self.keyid = text, name, data[0] if data else 0, data[1:], f"{name}+{hex8}"
        must(self.kind in kinds and len(self.raw) == (1312 if self.kind == PQ else 32), "a key of another type or length")
        must(name and not any(c.isspace() or unicodedata.category(c) == "Cc" for c in name), "no key name")
        must(sha(name.encode(errors="surrogateescape") + b"\n" + data)[:4].hex() == hex8, "a key id that is not the computed one")
        must(self.kind == PQ or on_curve(self.raw), "a key that is no point")
        must(not in_leaf or re.fullmatch(KEY_NAME, name) and (self.kind == PQ or not small_order(self.raw)), "no key for a leaf")

    def verifies(self, message, sig):       # N-7; OpenSSL compares R byte by byte and refuses s that is not below the order
        kind = MLDSA44PublicKey if self.kind == PQ else Ed25519PublicKey
        try: kind.from_public_bytes(self.raw).verify(sig, message)
        except (InvalidSignature, ValueError): return False
        return self.kind == PQ or not (small_order(sig[:32]) or small_order(self.raw))

    def time(self, cp, line):               # K-3, C-2 to C-4: the time in a line under a checkpoint, None when the line is wrong
        if self.kind == ED: return 0 if self.verifies(cp.text, line) else None
        time, name, origin = int.from_bytes(line[:8], "big"), self.name.encode(), cp.origin.encode()
        if len(line) < 8 or time >= 2**63 or max(len(name), len(origin)) > 255: return None
        if self.kind == CO: message = f"cosignature/v1\ntime {time}\n".encode() + cp.text
        else: message = b"".join([b"subtree/v1\n\0", bytes([len(name)]), name, line[:8], bytes([len(origin)]), origin,
                                  bytes(8), cp.size.to_bytes(8, "big"), cp.root])
        return time if self.verifies(message, line[8:]) else None

# Checkpoints and what carries leaves: a parser gives (checkpoint, [(index, leaf)], do they stand in its tree)

def checkpoint(data):           # N-6, K-1
    note = data.decode()
    must(len(data) <= 2**18 and not any(unicodedata.category(c) == "Cc" and c != "\n" for c in note), "a long note, or a control character in it")
    text, _, rows = note.rpartition("\n\n")
    rows = [re.fullmatch(r"— ([^\s+]+) (\S+)\n", row) for row in rows.splitlines(keepends=True)]
    must(text and 1 <= len(rows) <= 64 and all(rows), "no signed note")
    lines = [(m[1], b64(m[2])) for m in rows]
    must(all(len(sig) > 4 for _, sig in lines), "a signature that is a key id alone")
    body = text.split("\n")
    must(len(body) >= 3 and all(body), "no checkpoint")
    return Record(text=text.encode() + b"\n", origin=body[0], size=number(body[1]), root=b64(body[2], 32),
                  lines=[(f"{name}+{sig[:4].hex()}", sig[4:]) for name, sig in lines])

def proof(data):                # F-1, F-3, H-11 by RFC 9162 2.1.3.2
    head, _, note = data.partition(b"\n\n")
    first, *rows = head.decode().split("\n")
    must(first == "c2sp.org/tlog-proof@v1" and len(rows) > 1 and rows[0][:6] == "extra " and rows[1][:6] == "index ", "no proof with its leaf")
    leaf, index, path, cp = b64(rows[0][6:]), number(rows[1][6:]), [b64(row, 32) for row in rows[2:]], checkpoint(note)
    must(1 <= len(leaf) <= 65535 and len(path) <= 63, "a leaf or a path that is too long")
    fn, sn, root = index, cp.size - 1, leaf_hash(leaf)
    for p in path if index < cp.size else []:
        if sn == 0: return cp, [(index, leaf)], False
        root = node_hash(p, root) if fn & 1 or fn == sn else node_hash(root, p)
        while fn == sn and fn and not fn & 1: fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    return cp, [(index, leaf)], sn == 0 and index < cp.size and root == cp.root

def bundle(data):               # B-1 to B-3
    head, _, note = data.partition(b"\n\n")
    first, *rows = [row.split(" ") for row in head.decode().split("\n")]
    entries = [(number(w[1]), b64(w[2])) for w in rows if w[0] == "entry" and len(w) == 3]
    hashes = [b64(w[1], 32) for w in rows if w[0] == "hash" and len(w) == 2]
    must(first == ["vitrine.example/bundle@v0"] and [w[0] for w in rows] == ["entry"] * len(entries) + ["hash"] * len(hashes), "no bundle")
    must(1 <= len(entries) <= 128 and len(hashes) <= 63 * 128 and all(1 <= len(e) <= 65535 for _, e in entries), "a bundle out of its bounds")
    must(all(a[0] < b[0] for a, b in zip(entries, entries[1:])), "entries that do not ascend")
    cp, rest = checkpoint(note), iter(hashes)

    def root(lo, hi, inside):
        if not inside: return next(rest)
        if hi - lo == 1: return leaf_hash(inside[0][1])
        middle = lo + (1 << (hi - lo - 1).bit_length() - 1)
        left = root(lo, middle, [e for e in inside if e[0] < middle])
        return node_hash(left, root(middle, hi, [e for e in inside if e[0] >= middle]))
    try: return cp, entries, entries[-1][0] < cp.size and root(0, cp.size, entries) == cp.root and next(rest, None) is None
    except StopIteration: return cp, entries, False

# Policy (50)

def policy(data):               # P-1 to P-5, P-7
    must(not re.search(rb"[\0-\x08\x0b-\x1f\x7f]", data), "a control character")
    p, free = Record(logs=[], witnesses={}, groups={}, quorum=None), set()
    for n, line in enumerate(data.decode(errors="surrogateescape").split("\n"), 1):
        w = re.findall("[^ \t]+", line)
        if not w or w[0][0] == "#": continue
        new = len(w) > 2 and w[1] not in ("none", *p.witnesses, *p.groups)
        if w[0] == "log" and len(w) in (2, 3): p.logs.append(Key(w[1], (ED, PQ)))
        elif w[0] == "witness" and len(w) in (3, 4) and new: p.witnesses[w[1]] = Key(w[2], (CO, PQ))
        elif w[0] == "group" and len(w) > 3 and new:
            k, members = {"all": len(w) - 3, "any": 1}.get(w[2]) or number(w[2]), w[3:]
            must(1 <= k <= len(members) == len(set(members)) and set(members) <= free, f"line {n}: a threshold or a member that cannot be")
            p.groups[w[1]], free = (k, members), free - set(members)
        elif w[0] == "quorum" and len(w) == 2 and not p.quorum and w[1] in ("none", *p.witnesses, *p.groups): p.quorum = w[1]
        else: must(False, f"line {n}: no line of a policy")
        free |= {w[1]} if w[0] in ("witness", "group") else set()
        for keys in (p.logs, p.witnesses.values()):
            must(len({k.raw for k in keys}) == len(keys) <= 64 and len(p.groups) <= 64, f"line {n}: a key stands twice, or more than 64 lines of a kind")
    must(p.quorum, "no quorum line")
    for k in p.witnesses.values():
        need(not any(k.name == log.name or k.raw == log.raw for log in p.logs), "policy.log-as-witness", f"{k.name} is a log", Usage)

    def parties(name):
        if name not in p.groups: return {p.witnesses[name].name} if name in p.witnesses else set()
        below = [parties(m) for m in p.groups[name][1]]
        every = set().union(*below)
        need(len(every) <= 1 or sum(map(len, below)) == len(every), "policy.witness-twice", f"one witness counts twice in {name}", Usage)
        return every
    parties(p.quorum)
    return p

def cosigned(p, cp, now):       # P-4, P-6, P-8: (is the quorum there, since when)
    times = {}
    for keyid, line in cp.lines:
        for name, key in p.witnesses.items():
            if key.keyid == keyid:
                need((t := key.time(cp, line)) is not None, "cosignature", f"the cosignature of {keyid} is wrong")
                if now is None or t <= now + 300: times[name] = max(t, times.get(name, 0))
    def met(name, t): return times.get(name, -1) >= t if name in p.witnesses else sum(met(m, t) for m in p.groups[name][1]) >= p.groups[name][0]
    if p.quorum == "none": return True, None
    since = next((t for t in sorted(set(times.values()), reverse=True) if met(p.quorum, t)), None)
    return since is not None, since

# Words and tables (60, 70, leaf-format 1 to 4). A dict is a table: these members and no other; one with "?" may be missing

def strict(data):               # J-1 to J-7, and at once that the bytes are the JCS of what they say
    def integer(text): must(len(text) < 18 and abs(int(text)) < 2**53, "a number out of range"); return int(text)
    def never(text): must(False, "a number that is no integer")
    def members(pairs): must(all(m.isascii() for m, _ in pairs), "a member name that is not ASCII"); return dict(pairs)
    def depth(v): return 1 + max(map(depth, v.values() if isinstance(v, dict) else v), default=0) if isinstance(v, (dict, list)) else 0
    value = json.loads(data.decode(), parse_int=integer, parse_float=never, parse_constant=never, object_pairs_hook=members)
    printed = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    must(printed.encode() == data and "\\u0000" not in printed.replace("\\\\", "") and depth(value) <= 16, "no strict JSON in its one spelling")
    return value

def fits(shape, v):
    if not isinstance(shape, dict): return shape(v)
    return isinstance(v, dict) and set(v) <= {m.rstrip("?") for m in shape} and all(
        fits(s, v[m.rstrip("?")]) if m.rstrip("?") in v else m.endswith("?") for m, s in shape.items())

def array(shape, lo, hi, key=None):         # with a key: ascending by it, none twice
    def check(v):
        keys = [key(x).encode() for x in v] if isinstance(v, list) and lo <= len(v) <= hi and all(fits(shape, x) for x in v) and key else []
        return isinstance(v, list) and lo <= len(v) <= hi and all(fits(shape, x) for x in v) and all(a < b for a, b in zip(keys, keys[1:]))
    return check

def works(parse, *args):
    try: parse(*args); return True
    except ValueError: return False

def text(pattern): return lambda v: isinstance(v, str) and re.fullmatch(pattern, v, re.S) is not None
def string(n): return lambda v: isinstance(v, str) and 0 < len(v.encode()) <= n and not re.search(UNSEEN, v)
def whole(lo, hi=2**53 - 1): return lambda v: type(v) is int and lo <= v <= hi
def b64of(n): return lambda v: isinstance(v, str) and works(b64, v, n)
def itself(v): return v
def name_of(v): return v["name"]

UNSEEN = "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
NAME, KEY_NAME, SITE = "(?!-)[a-z0-9-]{3,64}(?<!-)", "[a-z0-9][a-z0-9./-]{2,99}", "[A-Z]{2}(-[A-Z0-9]{1,8}){1,3}"
WORDS = {w: text(p) for w, p in {
    "name": NAME, "sha": "[0-9a-f]{64}", "git": "[0-9a-f]{40}", "nonce": "[0-9a-f]{32}", "keyid": KEY_NAME + r"\+[0-9a-f]{8}", "site": SITE,
    "region": "[A-Z][A-Z0-9-]{1,15}", "origin": "(?!cosignature/|subtree/)" + KEY_NAME, "print": "([ -]*[0-9a-fA-F]){64}[ -]*",
    "version": r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)", "any": ".*"}.items()}
WORDS |= {f"s{n}": string(n) for n in (64, 100, 128, 256, 512)} | {"n": whole(0), "n1": whole(1), "epoch": whole(1, 2**32 - 1), "bool": lambda v: type(v) is bool}
WORDS |= {"date": lambda v: text("[0-9]{4}-[0-9]{2}-[0-9]{2}")(v) and works(datetime.date.fromisoformat, v),
          "vkey": lambda v: isinstance(v, str) and works(Key, v, (ED,), True), "purl": lambda v: WORDS["s512"](v) and v.startswith("pkg:"),
          "product": lambda v: WORDS["s512"](v) and text("pkg:[^?#]*@[^/?#]+([?#].*)?")(v)}

def table(members, **more):     # "purl:product result:PASSED|FAILED ...": words above, or a choice
    def shape(w): return (lambda v: isinstance(v, str) and v in w.split("|")) if "|" in w else WORDS[w]
    return {m: shape(w) for m, w in (x.split(":") for x in members.split())} | more

DIGESTS = lambda v: v != {} and fits(table("sha256?:sha gitCommit?:git gitTree?:git"), v)
SOURCE, FINDINGS = table("uri:s512", digest=DIGESTS), table("critical:n high:n medium:n low:n info:n")
ROLE = table("epoch:epoch vkey:vkey spare?:vkey", **{"previous?": table("seq:n1 event_id:sha")})
TYPES = set("""charter issuer-open issuer-close heartbeat build rebuild code-review update incident verdict rules correction access erasure access-request
    access-decision supervisor-ack period-close disclosure transfer""".split())
def type_list(v): return array(lambda x: isinstance(x, str) and x in TYPES | {"update-revoke", "sealing-key"}, 1, 99)(v) and len(set(v)) == len(v)
def files(**more): return array(table("name:s128", digest=table("sha256:sha"), **more), 1, 1000, name_of)
ONE = array({"digest": table("sha256:sha")}, 1, 1)
BODIES = {                      # type: (subject, body, is it in a chain, its relations)
    "charter": (ONE, table("version:n1 prev?:sha protocol:s64 origin:origin raw:bool built_here_only:bool", log_keys=array(WORDS["any"], 2, 2),
        operator=ROLE, supervisor=ROLE, vault=ROLE, readers=array(table("name:name role:supervisor|vault sign:vkey", seal=b64of(1216)), 0, 8, name_of),
        types=array(WORDS["name"], 1, 99, itself), sites=array(table("code:site name:s100"), 0, 64, lambda s: s["code"]), cosign=lambda v: isinstance(v, dict),
        **{"predecessor?": table("origin:origin size:n root:sha", evidence=array(WORDS["sha"], 0, 8))}), True, ()),
    "build": (files(), table("purl:product builder_id:s512 build_type:s512 invocation_id:s256 started:n finished:n build_site:site signing_site:site "
        "signing_key?:s256 sbom?:sha provenance?:sha", source=SOURCE, **{"materials?": table("count:n sha256:sha")}), None, ("reviewed",)),
    "rebuild": (files(**{"annotations?": table("produced:sha")}), table("outcome:identical|different|build-failed|not-attempted "
        "independence:vendor|third-party|supervisor started?:n finished?:n buildinfo?:sha diff?:sha log?:sha", source=SOURCE), None, ("reproduces",)),
    "code-review": (array({"digest": DIGESTS}, 1, 1), table("purl?:purl centre:s128 organisation:s128 method:s256 from:date to:date report?:sha "
        "outcome:no-finding|findings|inconclusive", findings=FINDINGS, scope=array(WORDS["s256"], 1, 64, itself)), None, ("follows",)),
    "update": (files(annotations=table("size:n")), table("purl:product packageId:s128 channel:name kind:product|module|engine|detection-db|config "
        "release_seq:n1 built_here:bool not_before?:n", audience=lambda v: v == ["all"] or array(WORDS["region"], 1, 64, itself)(v),
        **{"tuf?": table("version:n1 path:s512")}), True, ("releases",)),
    "update-revoke": (files(), table("reason:defect|security|key|legal|mistake"), True, ("revokes", "replaced-by")),
    "verdict": (array({"digest": table("sha256:sha")}, 1, 1000, lambda s: s["digest"]["sha256"]), table("result:PASSED|FAILED verifier:s512 "
        "slsa_version?:version report?:sha", policy=table("uri:s512 sha256:sha"), levels=array(WORDS["s64"], 0, 16, itself)), None, ("about",)),
    "correction": (ONE, table("reason:mistake|incomplete|late|legal", fields=array(table("name:s128 value?:any"), 1, 24, name_of)), True, ("corrects",)),
}
PREDICATE = {"hdr": table("origin:any issuer:name epoch:epoch recorded:n seq?:n1 prev?:sha nonce?:nonce site?:site", **{
    "cosigners?": array(WORDS["keyid"], 1, 8, itself), "refs?": array(table("rel:name event_id:sha origin?:origin", **{
        "at?": table("issuer:name epoch:epoch seq:n1")}), 1, 16, lambda r: r["rel"] + " " + r["event_id"])}),
    "attachments?": array(table("sha256:sha size:n media_type:s100 name?:s256"), 1, 16, lambda a: a["sha256"])}
DSSE = "application/vnd.in-toto+json"
ENVELOPE = table("payloadType:any", payload=b64of(None), signatures=array(table("keyid:keyid", sig=b64of(64)), 1, 9, lambda s: s["keyid"]))

def sound(e):                   # the rules between members that a verdict rests on (L-18 to L-23, L-28)
    b, made = e.body, [(s["digest"].get("sha256"), s.get("annotations", {}).get("produced")) for s in e.subject]
    named = {b[m] for m in ("sbom", "provenance", "buildinfo", "diff", "log", "report") if m in b} | {b[m]["sha256"] for m in ("materials",) if m in b}
    if not named <= {a["sha256"] for a in e.attachments} or ("started" in b) != ("finished" in b) or b.get("started", 0) > b.get("finished", 0): return False
    if e.type == "charter": return ("prev" in b) == (b["version"] > 1) and b["protocol"] == "vitrine/v0" and b["origin"] == e.hdr["origin"]
    if e.type == "rebuild": return b["outcome"] == ("identical" if all(d == p for d, p in made) else "different" if any(p for _, p in made) else
        b["outcome"] if b["outcome"] in ("build-failed", "not-attempted") else "")
    if e.type == "code-review": return b["from"] <= b["to"] and {"no-finding": 0, "findings": 1}.get(b["outcome"], n := any(b["findings"].values())) == n
    return e.type != "verdict" or b["result"] == "PASSED" or not b["levels"]

def event(where, index, leaf, origin):      # V-17, V-12; E-1 to E-6
    def bad(ok, why): need(ok, "event.malformed", f"{where}, entry {index}: {why}")
    env = parsed(No, "event.malformed", strict, leaf)
    bad(fits(ENVELOPE, env) and env["payloadType"] == DSSE, "no envelope")
    payload = b64(env["payload"])
    at = st = parsed(No, "event.malformed", strict, payload)
    for m in ("predicate", "hdr", "origin"): at = at.get(m) if isinstance(at, dict) else None
    need(at == origin, "event.origin", f"{where}, entry {index}: an event of the log {at}, not of {origin}")
    kind = st.get("predicateType")
    bad(isinstance(kind, str), "no type")
    m = re.fullmatch("https://vitrine[.]example/(.*)/v0", kind)
    need(m and m[1] in BODIES, "event.unknown", f"{where}, entry {index}: the type {kind!r} is not known here")
    subject, body, chained, rels = BODIES[m[1]]
    bad(len(payload) <= 40000 and fits({"_type": text("https://in-toto.io/Statement/v1"), "subject": subject, "predicateType": WORDS["any"],
                                        "predicate": PREDICATE | {"body": body}}, st), f"the members of a {m[1]}")
    hdr, pre = st["predicate"]["hdr"], st["predicate"]
    e = Record(where=where, index=index, type=m[1], hdr=hdr, body=pre["body"], subject=st["subject"], attachments=pre.get("attachments", []),
               pae=(pae := b"DSSEv1 %d %s %d %s" % (len(DSSE), DSSE.encode(), len(payload), payload)), id=sha(pae).hex(), issuer=hdr["issuer"],
               who=(hdr["issuer"], hdr["epoch"]), refs=[(r["rel"], r["event_id"]) for r in hdr.get("refs", [])], told=False,
               sigs={s["keyid"]: b64(s["sig"]) for s in env["signatures"]}, digests={s["digest"].get("sha256") for s in st["subject"]})
    bad(("seq" in hdr) == ("prev" in hdr) != ("nonce" in hdr) and (not chained or "seq" in hdr), "its place in a chain")
    bad(all(rel in rels for rel, _ in e.refs) and sound(e), "members that contradict each other")
    return e

def signed(e, issuer, known):   # V-18: exactly issuer and cosigners; every key that is known verifies
    others = e.hdr.get("cosigners", [])
    own = set(e.sigs) - set(others)
    need(len(own) == 1 and set(others) <= set(e.sigs) and (not issuer or own <= {k.keyid for k in issuer}), "event.signers",
         f"{e.where}, entry {e.index}: signed by {', '.join(e.sigs)}")
    for k in [*issuer, *known]:
        need(k.keyid not in e.sigs or k.verifies(e.pae, e.sigs[k.keyid]), "event.signature", f"{e.where}, entry {e.index}: the signature of {k.keyid} is wrong")

# What this machine knows: trust file, floor, watch (V-1 to V-8, V-34 to V-44, 94)

LISTS = {"builders": "build", "rebuilders": "rebuild", "reviewers": "code-review", "verdicts_by": "verdict"}
TRUST = table("charter:print charter_version?:n1 origin:origin log_keys?:both|ed|pq region?:region max_age_s?:n", **{
    "issuer?": array(table("name:name epoch:epoch vkey:vkey until?:n independence?:vendor|third-party|supervisor", types=type_list), 0, 10**6),
    "stream?": array(table("packageId:s128 channel:name issuer:name require_build?:bool regional?:bool min_release_seq?:n rebuilds?:n different_max?:n "
                           "require_review?:bool require_verdict?:bool wait_s?:n", **{m + "?": array(WORDS["name"], 1, 10**6) for m in LISTS}), 0, 10**6)})

KEYS = set("charter charter_version origin log_keys region max_age_s name epoch vkey types until independence packageId channel issuer require_build regional "
           "min_release_seq builders rebuilds rebuilders different_max require_review reviewers require_verdict verdicts_by wait_s".split())

def trust(data):
    raw = tomllib.loads(data.decode())
    for n, line in enumerate(data.decode().split("\n"), 1):
        m = re.match(r"\s*(\w+)\s*=", line)
        must(not m or m[1] in KEYS, f"line {n}: unknown key {line.strip()[:60]!r}")
    must(fits(TRUST, raw), "a key that is unknown, missing or of another form")
    t = Record(**{"charter_version": 1, "log_keys": "both", "region": None, "max_age_s": None} | raw, lines={}, streams={})
    t.charter = re.sub("[ -]", "", t.charter).lower()
    for i in raw.get("issuer", []):
        line = Record(**{"until": None, "independence": None} | i, key=Key(i["vkey"], (ED,), True))
        line.types = set(i["types"]) | ({"update-revoke"} if "update" in i["types"] else set())
        must((line.name, line.epoch) not in t.lines, f"issuer {line.name} epoch {line.epoch} stands twice")
        must(all(o.name == line.name or o.key.raw != line.key.raw for o in t.lines.values()), f"the key of {line.name} is another issuer's")
        must("rebuild" in line.types or not line.independence, f"independence of {line.name}, who rebuilds nothing")
        t.lines[line.name, line.epoch] = line
    for raw_stream in raw.get("stream", []):
        s = Record(**{"require_build": True, "regional": False, "min_release_seq": 0, "rebuilds": 0, "different_max": 0, "require_review": False,
                      "require_verdict": False, "wait_s": None} | dict.fromkeys(LISTS) | raw_stream)
        must((s.packageId, s.channel) not in t.streams and may(t, s.issuer, "update"), f"stream {s.packageId} {s.channel}: twice, or its issuer may not update")
        for m, kind in LISTS.items():
            must(all(may(t, name, kind) for name in getattr(s, m) or ()), f"stream {s.packageId}: {m} names somebody without a line of {kind}")
        must(s.rebuilds <= len(could(t, s, "rebuilders")) and (not s.require_review or could(t, s, "reviewers"))
             and (not s.require_verdict or could(t, s, "verdicts_by")), f"stream {s.packageId}: more is asked for than there can be")
        must(s.require_build or not (s.rebuilds or s.require_review), f"stream {s.packageId}: rebuilds or reviews of what needs no build")
        t.streams[s.packageId, s.channel] = s
    return t

def may(t, name, kind): return any(line.name == name and kind in line.types for line in t.lines.values())

def could(t, stream, lists):    # V-37, V-38: the names of those whose events count
    listed, kind = getattr(stream, lists), LISTS[lists]
    return set(listed or (line.name for line in t.lines.values() if kind in line.types and not (kind == "rebuild" and line.independence == "vendor")))

def rows(data, limit, *heads):  # the lines of a floor or a watch, as words
    must(len(data) <= limit and data.endswith(b"\n"), "too long, or no newline at its end")
    words = [line.split(" ") for line in data.decode().split("\n")[:-1]]
    must(len(words) >= 4 and words[0] == [heads[0]] and [w[0] for w in words[1:4]] == ["origin", "size", "root"]
         and all(len(w) == 2 for w in words[1:4]) and WORDS["origin"](words[1][1]), "another first line, or no origin, size and root")
    return words[1][1], number(words[2][1]), b64(words[3][1], 32), words[4:]

def floor_file(data):           # V-44
    origin, size, root, more = rows(data, 2**18, "vitrine.example/floor@v0")
    f = Record(origin=origin, size=size, root=root, releases={})
    for w in more:
        package = " ".join(w[3:])
        must(w[0] == "release" and len(w) > 3 and number(w[1]) and WORDS["name"](w[2]) and WORDS["s128"](package), "no line of a floor")
        f.releases[package, w[2]] = number(w[1])
    must(list(f.releases) == sorted(f.releases) and len(f.releases) == len(more), "releases that do not ascend")
    return f

def watched_file(data):         # O-1
    origin, size, root, more = rows(data, 2**24, "vitrine.example/watched@v0")
    w = Record(origin=origin, size=size, root=root, revoked={}, disowned={}, closed={}, second=[])
    order, sha_word, name = [], WORDS["sha"], WORDS["name"]
    for kind, *x in more:
        if kind == "revoked" and len(x) == 3 and sha_word(x[0]): w.revoked[x[0]] = (number(x[1]), x[2]); order.append((0, x[0]))
        elif kind == "disowned" and len(x) == 3 and name(x[0]): w.disowned[x[0], number(x[1])] = number(x[2]); order.append((1, x[0], number(x[1])))
        elif kind == "closed" and len(x) == 4 and name(x[0]): w.closed[x[0], number(x[1])] = number(x[2]); order.append((2, x[0], number(x[1])))
        elif kind == "second" and len(x) == 3 and sha_word(x[0]) and sha_word(x[2]): w.second.append((x[0], x[2])); order.append((3, x[0], number(x[1]), x[2]))
        else: must(False, "no line of a watch")
    must(all(a < b for a, b in zip(order, order[1:])), "lines that do not ascend")
    return w

# The verdict

ROLES = ("operator", "supervisor", "vault")

def follow(charters, t):        # V-31, V-46, V-3: the charters that hold, by event_id; adds lines for the keys that they give a role
    held = {}
    for c in sorted(charters, key=lambda c: (c.index != 0, c.body["version"])):
        n, before = c.body, held.get(c.body.get("prev"))
        if c.index == 0: need(c.id == t.charter, "charter", f"entry 0 is the charter {c.id}, and {t.charter} is pinned")
        elif not before: continue
        else:
            b = before.body
            keys = [[Key(k, (ED,)) for k in (b[r]["vkey"], b[r].get("spare")) if k] for r in ROLES[:2]]
            new = [Key(n[r]["vkey"], (ED,)) for r in ROLES if n[r]["vkey"] != b[r]["vkey"]]
            need(c.who == ("operator", b["operator"]["epoch"]) and n["version"] == b["version"] + 1 and all(
                n[r]["epoch"] == b[r]["epoch"] + (n[r]["vkey"] != b[r]["vkey"]) for r in ROLES), "charter", f"entry {c.index} is no successor of version {b['version']}")
            need(all(any(k.keyid in c.sigs for k in role) for role in keys + [[k] for k in new]), "charter", f"entry {c.index}: not signed by all who must")
            signed(c, keys[0], [*keys[1], *new])
            for r in ROLES:
                line, last = t.lines.get((r, n[r]["epoch"])), max((x for x in t.lines.values() if x.name == r), key=lambda x: x.epoch, default=None)
                need(not line or line.key.text == n[r]["vkey"], "charter", f"the trust file has another key for {r} epoch {n[r]['epoch']}")
                if last and not line: t.lines[r, n[r]["epoch"]] = Record(**vars(last) | {"epoch": n[r]["epoch"], "key": Key(n[r]["vkey"], (ED,)), "until": None})
        held[c.id] = c
    newest = max((c.body["version"] for c in held.values()), default=1)
    need(newest >= t.charter_version, "charter.version", f"charters up to version {newest} were shown, and {t.charter_version} is asked for")
    return held

def verdict(file, given, p, t, floor, watched, now):
    checked, open_, files_read, events = [], [], [], {}
    def out(word, code, reason):
        left = [f"{e.where}, entry {e.index} ({e.type} of {e.issuer}): not used" for e in events.values() if not e.told]
        after = [] if word == "verified" else ["whatever comes after the reason"]
        return {"verdict": word, "code": code, "reason": reason, "checked": checked, "not_checked": open_ + left + after + LIMITS}
    try: return out(*judge(file, given, p, t, floor, watched, now, checked, open_, events))
    except No as e: return out("not-verified", *e.args)

LIMITS = ["what was not recorded in the log", "where a person is", "more than a rebuild shows: that a file follows from its source", "the format is experimental"]

def judge(file, given, p, t, floor, watched, now, checked, open_, events):
    # V-11 to V-15: what was given, file by file
    quorums, cps = [], []
    for where, kind, data in given:
        cp, entries, holds = parsed(No, f"{kind}.malformed", {"proof": proof, "bundle": bundle}[kind], data)
        need(cp.origin == t.origin, "origin.unknown", f"{where}: a checkpoint of {cp.origin}, not of {t.origin}")
        mine = [k for k in p.logs if k.name == t.origin]
        for k in mine:
            need(all(k.time(cp, line) is not None for keyid, line in cp.lines if keyid == k.keyid), "log.signature", f"{where}: the signature of {k.keyid} is wrong")
        for kind_ in asked(t): need(any(k.kind == kind_ and k.keyid in dict(cp.lines) for k in mine), "log.signature", f"{where}: no signature of the log of type {kind_}")
        need(holds, "inclusion", f"{where}: not in the tree of its checkpoint")
        fulfilled, since = cosigned(p, cp, now)
        if not fulfilled: quorums.append(f"{where}: too few witnesses")
        cps.append((where, cp, since, fulfilled, entries))
    trees = {x.size: x.root for x in (floor, watched) if x}
    for where, cp, *_ in cps: need(trees.setdefault(cp.size, cp.root) == cp.root, "checkpoint.fork", f"{where}: another root at size {cp.size}")
    need(not (floor and watched and floor.size == watched.size) or floor.root == watched.root, "checkpoint.fork", "floor and watch have two roots at one size")
    if len(trees) > 1: open_.append("that the trees of different sizes are consistent")
    # V-17, V-12, V-18: the events
    for where, cp, _, _, entries in cps:
        for index, leaf in entries:
            e = event(where, index, leaf, t.origin)
            events.setdefault(e.id, e)
    held = follow([e for e in events.values() if e.type == "charter"], t)
    known = [line.key for line in t.lines.values()]
    for e in events.values():
        line = t.lines.get(e.who)
        if not (e.id in held and e.index): signed(e, [line.key] if line else [], known)
        open_ += [f"entry {e.index}: the cosigner {c}" for c in e.hdr.get("cosigners", []) if c not in {k.keyid for k in known}]
        open_ += [f"entry {e.index}: {r['rel']} an event of the log {r['origin']}" for r in e.hdr.get("refs", []) if "origin" in r]
        if e.id in held: checked.append(f"entry {e.index}: charter version {e.body['version']}"); e.told = True
    if not held: open_.append("the charter: no proof of it was given")
    # V-21, V-19, V-20, V-22: the update
    by = lambda kind: [e for e in events.values() if e.type == kind]
    need(by("update"), "update.missing", "no update among the proofs")
    own = [e for e in by("update") if file.sha256 in e.digests]
    need(own, "file.digest", f"no update holds {file.sha256}, the digest of {file.name}")
    u, others = own[0], own[1:]
    need(all(s["annotations"]["size"] == file.size for s in u.subject if s["digest"]["sha256"] == file.sha256), "file.size", f"{file.name} has {file.size} bytes")
    b, u.told = u.body, True
    def disowned(e):
        line = t.lines.get(e.who)
        return line and line.until is not None and e.index >= line.until or watched and e.index >= watched.disowned.get(e.who, e.index + 1)
    def fault(e, names=None):   # V-19, V-20, V-37: why an event supports no "yes"
        line = t.lines.get(e.who)
        if not line: return "issuer.unknown", f"the trust file has no line for {e.issuer} epoch {e.who[1]}"
        if e.type not in line.types or names is not None and e.issuer not in names: return "issuer.type", f"a {e.type} of {e.issuer} does not count"
        if disowned(e): return "issuer.disowned", f"entry {e.index} of {e.issuer} is disowned"
    def use(e, why, text):      # V-33
        e.told = True
        if why: open_.append(f"entry {e.index} ({e.type} of {e.issuer}): {why[1]}")
        else: checked.append(f"entry {e.index}: {text}")
    if why := fault(u): raise No(*why)
    need(not watched or u.index <= watched.closed.get(u.who, u.index), "issuer.disowned", f"entry {u.index} comes after the closing of {u.issuer}")
    s = t.streams.get((b["packageId"], b["channel"]))
    need(s, "stream.unknown", f"{b['packageId']} {b['channel']} is no stream of the trust file")
    need(s.issuer == u.issuer, "stream.issuer", f"{u.issuer} is not the issuer of {s.packageId} {s.channel}")
    need(b["audience"] == ["all"] or s.regional and t.region in b["audience"], "update.audience", f"an update for {', '.join(b['audience'])} alone")
    least = max(s.min_release_seq, floor.releases.get((s.packageId, s.channel), 0) if floor else 0)
    need(b["release_seq"] >= least, "update.below-floor", f"release {b['release_seq']} is below {least}")
    # V-24, V-25, V-47
    for r in by("update-revoke"): need(("revokes", u.id) not in r.refs, "update.revoked", f"entry {r.index} revokes it: {r.body['reason']}")
    need(not watched or u.id not in watched.revoked, "update.revoked", "the watch has read its revocation")
    for x in [x for x in by("update") if x is not u and x.body["purl"] == b["purl"] and x.body["channel"] == b["channel"]]:
        for mine, its in [(m, i) for m in u.subject for i in x.subject if m["name"] == i["name"] and m["digest"] != i["digest"]]:
            need(disowned(x), "update.second-digest", f"entries {u.index} and {x.index} give two digests for {mine['name']}")
            use(x, ("", f"a disowned second digest of {mine['name']}"), "")
    for m in u.subject if watched else []:
        key = sha(f"{b['purl']}\n{m['name']}\n{b['channel']}".encode()).hex()
        need(all(d == m["digest"]["sha256"] for k, d in watched.second if k == key), "update.second-digest", f"the watch has read another digest of {m['name']}")
    for x in others:
        if not x.told: use(x, ("", "another update with this file, not judged"), "")
    checked.append(f"entry {u.index}: {u.issuer} released {b['purl']}, release {b['release_seq']} of {s.packageId} {s.channel}, with {file.sha256}")
    # V-26 to V-28, V-40
    need(not s.require_build or b["built_here"], "build.not-here", "the update was not built by who released it")
    named = [x for x in by("build") if b["built_here"] and ("releases", x.id) in u.refs]
    for d in sorted(u.digests) if s.require_build else []:
        holders = [x for x in named if d in x.digests]
        need(holders, "build.missing", f"no proof of a build of {d} that the update names")
        if all(fault(x, s.builders) for x in holders): raise No(*fault(holders[0], s.builders))
    for x in named: use(x, fault(x, s.builders), f"{x.issuer} built it with {x.body['builder_id']} from {x.body['source']['uri']}")
    builds, waits = [x for x in named if not fault(x, s.builders)], []
    for x in builds:
        source, good = x.body["source"]["digest"], False
        for r in by("code-review"):
            its = r.subject[0]["digest"]
            common = set(its) & set(source)
            if not common or any(its[a] != source[a] for a in common): continue
            need(not s.require_review or r.body["findings"]["critical"] == 0, "review.findings", f"entry {r.index} has critical findings")
            use(r, fault(r, s.reviewers), f"{r.body['organisation']} reviewed the source: {r.body['outcome']}" + ("" if "sha256" in common else ", by SHA-1 alone"))
            good |= not fault(r, s.reviewers) and r.body["outcome"] != "inconclusive"
        if s.require_review and not good: waits.append(("review", f"no review of the source of entry {x.index}"))
    # V-27, V-34, V-38, V-39
    differ, against, same = set(), {d: set() for d in u.digests}, {d: set() for d in u.digests}
    for r in by("rebuild"):
        hit, said = r.digests & u.digests, r.body["outcome"]
        if not hit: continue
        if said == "different": differ.add(r.issuer)
        for d in hit if said in ("different", "build-failed") else (): against[d].add(r.issuer)
        why, line = fault(r, s.rebuilders), t.lines.get(r.who)
        if not why and line.independence and line.independence != r.body["independence"]: why = ("", f"says {r.body['independence']}, not {line.independence}")
        use(r, why or (None if said == "identical" else ("", said)), f"{r.issuer} ({r.body['independence']}) rebuilt it: {said}")
        if not why and said == "identical" and (s.rebuilders or r.body["independence"] != "vendor" != line.independence):
            for d in hit: same[d].add(r.issuer)
    need(len(differ) <= s.different_max, "rebuild.different", f"rebuilt with a difference by {', '.join(sorted(differ))}")
    for d in sorted(u.digests):
        if len(same[d]) < s.rebuilds:
            need(len(could(t, s, "rebuilders") - (against[d] - same[d])) >= s.rebuilds, "rebuild.failed", f"too few are left who could rebuild {d}")
            waits.append(("rebuild", f"{len(same[d])} of {s.rebuilds} rebuilds of {d}"))
    # V-41
    for d in sorted(u.digests):
        last = {}
        for x in sorted(by("verdict"), key=lambda x: x.index):
            if d not in x.digests: continue
            why = fault(x, s.verdicts_by)
            use(x, why, f"{x.issuer} ({x.body['verifier']}): {x.body['result']}")
            if not why or x.body["result"] == "FAILED": last[x.issuer] = (x.body["result"], x.index)
        for name, (result, index) in last.items(): need(result == "PASSED", "verdict.failed", f"entry {index}: {name} says FAILED of {d}")
        if s.require_verdict and not last: waits.append(("verdict", f"no verdict about {d}"))
    # V-42, V-43, V-23, V-15, V-49
    waits.sort(key=lambda w: ("review", "rebuild", "verdict").index(w[0]))
    if s.wait_s is not None and now is not None and now > u.hdr["recorded"] + s.wait_s and waits: raise No(waits[0][0] + ".missing", waits[0][1])
    for where, cp, since, fulfilled, _ in cps if t.max_age_s is not None else []:
        need(not fulfilled or since is not None, "checkpoint.stale", f"{where}: no time by witnesses")
        need(not fulfilled or now is None or now - since <= t.max_age_s, "checkpoint.stale", f"{where}: the checkpoint is of {since}")
    if waits: return "not-yet", waits[0][0] + ".pending", waits[0][1]
    if "not_before" in b and now is not None and now < b["not_before"]: return "not-yet", "update.not-before", f"not before {b['not_before']}"
    if quorums: return "not-yet", "quorum", quorums[0]
    if now is None: open_ += ["the time: release date, age of checkpoints and times ahead of it"]
    if not watched: open_ += ["revocations, second digests and disowning beyond the proofs: no watch"]
    else: checked.append(f"the watch up to size {watched.size}")
    if not floor: open_ += ["a rollback: no floor"]
    if p.quorum == "none": open_ += ["witnesses: the policy asks for none"]
    if t.origin.startswith("dev."): open_ += ["this is a development log"]
    return "verified", "verified", f"{file.name} is release {b['release_seq']} of {s.packageId} {s.channel}"

def asked(t): return {"both": (ED, PQ), "ed": (ED,), "pq": (PQ,)}[t.log_keys]

def setup(p, t, floor, watched, unwitnessed):       # V-9
    for kind in asked(t): need(any(k.name == t.origin and k.kind == kind for k in p.logs), "policy.log-key", f"no key of type {kind} for {t.origin}", Usage)
    need(p.quorum != "none" or unwitnessed, "policy.quorum-none", "the policy asks for no witness: say --unwitnessed", Usage)
    for x in (floor, watched): need(not x or x.origin == t.origin, "origin", "a floor or a watch of another log", Usage)

def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("file")
    a.add_argument("--trust", required=True)
    for kind in ("bundle", "proof"): a.add_argument(f"--{kind}", dest="given", action="append", default=[], type=lambda path, kind=kind: (path, kind))
    for one in ("--floor", "--watched"): a.add_argument(one)
    a.add_argument("--now", type=int)
    a.add_argument("--unwitnessed", action="store_true")
    a = a.parse_args()
    read = lambda path: sys.stdin.buffer.read() if path == "-" else open(path, "rb").read()
    try:
        p = parsed(Usage, "policy", policy, read(a.trust + "/policy"))
        t = parsed(Usage, "trust", trust, read(a.trust + "/trust.toml"))
        floor = parsed(Usage, "floor", floor_file, read(a.floor)) if a.floor else None
        watched = parsed(Usage, "watched", watched_file, read(a.watched)) if a.watched else None
        setup(p, t, floor, watched, a.unwitnessed)
        data = read(a.file)
        file = Record(name=a.file, size=len(data), sha256=sha(data).hex())
        v = verdict(file, [(path, kind, read(path)) for path, kind in a.given], p, t, floor, watched, a.now)
    except (Usage, OSError) as e:
        code, reason = e.args if isinstance(e, Usage) else ("file", str(e))
        v = {"verdict": "usage", "code": code, "reason": reason, "checked": [], "not_checked": []}
    print(json.dumps(v, indent=1, ensure_ascii=False))
    sys.exit({"verified": 0, "not-verified": 1, "usage": 2, "not-yet": 5}[v["verdict"]])

if __name__ == "__main__": main()
