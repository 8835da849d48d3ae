"""A log with sealed records, erasures and the vault's own accesses; what it refuses; requests for its records.

In the shape of the shared `leaves/log.json` and `leaves/refused.json`. Not here: who judges them.
"""

import base64
import hashlib
import json

import primitives
from samples import FULL, WORKED, fields
from sealed import (
    EVENT,
    access,
    b64,
    check,
    envelope,
    jcs,
    pae,
    reader_key_id,
    sha256,
    statement,
    vkey,
    wrap_info,
)

ORIGIN = "vitrine.example/access"
START = 1795276800  # a full hour
HOUR, DAY = 3600, 86400
FLOOR = 366 * DAY
READ = "application/vnd.vitrine.read+json"
ATTACH = "application/vnd.vitrine.attach+json"


def unb64(text):
    return base64.b64decode(text)


def chance(label, length=32):
    return hashlib.shake_256(b"vitrine own log " + label.encode()).digest(length)


def key(name, label=None):
    seed = chance(f"key {label or name}")
    return {"seed": seed, "name": name, "vkey": vkey(name, seed)[0], "keyid": vkey(name, seed)[1]}


HERE = ("operator", "supervisor", "vault", "gateway", "silent", "auditor", "vault-reader", "late-reader")
KEYS = {role: key(f"{role}.example") for role in (*HERE, "farm", "release", "office")}
SEALS = {reader: chance(f"seal {reader}") for reader in ("auditor", "vault-reader", "late-reader")}


def reader(name, role):
    return {"name": name, "role": role, "sign": KEYS[name]["vkey"], "seal": b64(primitives.xwing_keys(SEALS[name])[0])}


READERS = [reader("auditor", "supervisor"), reader("vault-reader", "vault")]


def charter(origin=ORIGIN):
    log_key = chance("log mldsa", 1312)
    mldsa = f"{origin}+{sha256(origin.encode(), bytes([10, 6]), log_key)[:4].hex()}+{b64(bytes([6]) + log_key)}"
    role = lambda name: {"epoch": 1, "vkey": KEYS[name]["vkey"]}
    return {
        "built_here_only": False,
        "cosign": {},
        "log_keys": [vkey(origin, chance("log ed25519"))[0], mldsa],
        "operator": role("operator"),
        "supervisor": role("supervisor"),
        "vault": role("vault"),
        "origin": origin,
        "protocol": "vitrine/v0",
        "raw": False,
        "readers": READERS,
        "sites": [{"code": "CH-ZH-1", "name": "Zürich"}, {"code": "DE-FRA-2", "name": "Frankfurt"}],
        "types": sorted(
            "access charter erasure heartbeat incident issuer-close issuer-open".split(), key=lambda t: t.encode()
        ),
        "version": 1,
    }


def opening(name):
    return {
        "vkey": KEYS[name]["vkey"],
        "types": {"access": "strict"},
        "heartbeat_s": 86400,
        "sites": ["CH-ZH-1"],
        "jurisdiction": "CH",
    }


def key_subject(name):
    return [sha256(unb64(KEYS[name]["vkey"].split("+", 2)[2])[1:]).hex()]


class Log:
    """Makes events that follow on one another; `take` logs one."""

    def __init__(self, origin=ORIGIN):
        self.origin = origin
        self.ends, self.leaves, self.windows, self.places = {}, [], {}, {}
        self.K, self.W, self.refused = {}, {}, []

    def header(self, issuer, recorded, **changed):
        seq, prev = self.ends.get(issuer, (0, "0" * 64))
        head = {"origin": self.origin, "issuer": issuer, "epoch": 1, "seq": seq + 1, "prev": prev, "recorded": recorded}
        if issuer in ("gateway", "silent"):
            head["site"] = "CH-ZH-1"
        return {name: value for name, value in (head | changed).items() if value is not None}

    def signed(self, payload, *signers):
        return envelope(EVENT, payload, {KEYS[name]["keyid"]: KEYS[name]["seed"] for name in signers})

    def event(self, kind, issuer, recorded, body, subject, *, cosigners=(), change=None, signers=None, **head):
        """An event that is not sealed; `change` sees the predicate before it is signed."""
        if cosigners:
            head["cosigners"] = sorted(KEYS[name]["keyid"] for name in cosigners)
        predicate = {"hdr": self.header(issuer, recorded, **head), "body": body}
        if change:
            change(predicate)
        payload = statement(kind, subject, predicate)
        return {"kind": kind, "payload": payload, "envelope": self.signed(payload, *(signers or (issuer, *cosigners)))}

    def sealing_key(self, issuer, recorded, label, readers=None, change=None, subject=None):
        head = self.header(issuer, recorded)
        w, wraps, randomness = chance(f"W {label}"), [], {}
        for name in readers or [r["name"] for r in READERS]:
            randomness[name] = chance(f"encapsulation {label} {name}", 64)
            public = primitives.xwing_keys(SEALS[name])[0]
            info = wrap_info(self.origin, issuer, 1, head["seq"], name)
            wrap = primitives.hpke_seal(public, info, w, randomness[name])
            wraps.append({"reader": name, "key": reader_key_id(public).hex(), "wrap": b64(wrap)})
        body = {"alg": "hpke-xwing-hkdf256-chacha20poly1305", "check": check(w).hex(), "wraps": wraps}
        subject = subject or [sha256(*(unb64(wrap["wrap"]) for wrap in wraps)).hex()]
        made = self.event("sealing-key", issuer, recorded, body, subject, change=change)
        return made | {"W": w, "encapsulation": {name: some.hex() for name, some in randomness.items()}}

    def access(self, issuer, recorded, label, values, *, key=None, cosigners=(), change=None, subject=None, **head):
        if cosigners:
            head["cosigners"] = sorted(KEYS[name]["keyid"] for name in cosigners)
        window = self.windows.get(issuer)
        header, k = self.header(issuer, recorded, **head), chance(f"K {label}")
        w = window["W"] if window else chance("W never logged")
        made = access(header, key or (window or {"seq": 1})["seq"], k, w, values)
        payload = made["payload"].encode()
        if change or subject:
            predicate = json.loads(payload)["predicate"]
            if change:
                change(predicate)
            payload = statement("access", subject or [predicate["sealed"]["sha256"]], predicate)
        signed = self.signed(payload, issuer, *cosigners)
        return {
            "kind": "access",
            "payload": payload,
            "envelope": signed,
            "record": made["record"],
            "K": k,
            "values": values,
        }

    def take(self, made, shows, arrival):
        index, predicate = len(self.leaves), json.loads(made["payload"])["predicate"]
        event_id, leaf = sha256(pae(EVENT, made["payload"])).hex(), jcs(made["envelope"])
        head = predicate["hdr"]
        if "seq" in head:
            self.ends[head["issuer"]] = (head["seq"], event_id)
        self.places[index] = (event_id, {name: head.get(name) for name in ("issuer", "epoch", "seq")}, head["recorded"])
        if made["kind"] == "sealing-key":
            self.windows[head["issuer"]] = {"seq": head["seq"], "W": made["W"]}
            self.W[str(index)] = made["W"].hex()
        if made["kind"] == "access":
            self.K[str(index)] = made["K"].hex()
        entry = {
            "index": index,
            "type": made["kind"],
            "shows": shows,
            "arrival": arrival,
            "payload": made["payload"].decode(),
            "leaf": b64(leaf),
            "event_id": event_id,
            "leaf_hash": sha256(b"\x00", leaf).hex(),
        }
        entry |= {"sealed": b64(made["record"]), "values": made["values"]} if "record" in made else {}
        entry |= {"encapsulation": made["encapsulation"]} if "encapsulation" in made else {}
        self.leaves.append(entry)
        return index

    def refuse(self, name, expect, note, made, arrival, record=True):
        """What the log as it is now refuses; `record`: True for its own, bytes for another, None for none."""
        submission = {"envelope": made["envelope"]}
        record = made.get("record") if record is True else record
        if record is not None:
            submission["sealed"] = b64(record)
        self.refused.append(
            {
                "name": name,
                "base": len(self.leaves),
                "arrival": arrival,
                "expect": expect,
                "note": note,
                "submission": jcs(submission).decode(),
            }
        )

    def targets(self, *indexes):
        listed = sorted(
            ({"event_id": self.places[i][0], "at": self.places[i][1]} for i in indexes),
            key=lambda target: target["event_id"],
        )
        return listed

    def erasure(self, recorded, indexes, *, reason="retention", places=(), body=None, subject=None, **how):
        targets = self.targets(*indexes)
        made = {"class": "record", "reason": reason, "authority": "retention plan 3.2", "targets": targets}
        made = made | {"places": list(places)} | (body or {})
        made = {name: value for name, value in made.items() if value is not None}
        subject = subject or [target["event_id"] for target in targets]
        how = {"cosigners": ("supervisor",)} | how
        issuer = how.pop("issuer", "operator")
        return self.event("erasure", issuer, recorded, made, subject, **how)


def read_request(name, **changed):
    members = {"origin": ORIGIN, "from": 3, "to": 9, "purpose": f"review {name}", "expires": START + 3 * HOUR} | changed
    return jcs({member: value for member, value in members.items() if value is not None})


def authorization(payload_type, payload, signer):
    signed = envelope(payload_type, payload, {KEYS[signer]["keyid"]: KEYS[signer]["seed"]})
    return "DSSE " + b64(jcs(signed))


def open_gateways(log):
    """A charter, and two issuers of accesses; no window is open yet."""
    log.take(
        log.event("charter", "operator", START, charter(), [sha256(ORIGIN.encode()).hex()], cosigners=("supervisor",)),
        "takes accesses and erasures",
        START + 1,
    )
    for name in ("gateway", "silent"):
        log.take(
            log.event("issuer-open", name, START + 2, opening(name), key_subject(name), cosigners=("operator",)),
            f"{name}, one site",
            START + 3,
        )

    now = START + 5
    later = log.event("transfer", "operator", START + 4, {}, ["ab" * 32])
    log.refuse("type-later-transfer", "type-later", "a type that is defined and not taken yet", later, now)
    early = log.access("silent", START, "too early", WORKED, key=2)
    log.refuse("access-before-any-sealing-key", "sealing-key", "seq 2 is not logged", early, now)
    log.refuse(
        "access-key-is-the-opening",
        "sealing-key",
        "seq 1 is the opening",
        log.access("silent", START, "opening", WORKED, key=1),
        now,
    )


def open_a_window(log):
    """Sealing keys that are refused, and one."""
    now = START + 5
    keys = {
        "alg-other": ("value", "alg", lambda b: b.update(alg="hpke-xwing-hkdf256-aes256gcm")),
        "check-short": ("value", "check", lambda b: b.update(check=b["check"][:-1])),
        "check-missing": ("malformed", "member check missing", lambda b: b.pop("check")),
        "wrap-one-byte-less": (
            "value",
            "wrap",
            lambda b: b["wraps"][0].update(wrap=b64(unb64(b["wraps"][0]["wrap"])[:-1])),
        ),
        "wrap-key-missing": ("malformed", "member key missing", lambda b: b["wraps"][0].pop("key")),
        "wrap-key-of-the-other": ("sealing-key", "key", lambda b: b["wraps"][0].update(key=b["wraps"][1]["key"])),
        "wrap-key-capitals": ("value", "key", lambda b: b["wraps"][0].update(key="A" * 16)),
        "wraps-missing": ("malformed", "member wraps missing", lambda b: b.pop("wraps")),
    }
    for name, (expect, note, change) in keys.items():
        # The subject stays that of the wraps as they were: what is looked at before it is the fault.
        made = log.sealing_key("gateway", START + 4, "refused", change=lambda p, change=change: change(p["body"]))
        log.refuse(f"sealing-key-{name}", expect, note, made, now)
    for name, note, readers in (
        ("reader-left-out", "vault-reader has no wrap", ["auditor"]),
        ("reader-of-no-charter", "late-reader is not in the charter", ["auditor", "late-reader", "vault-reader"]),
        ("readers-in-another-order", "order", ["vault-reader", "auditor"]),
    ):
        log.refuse(
            f"sealing-key-{name}", "sealing-key", note, log.sealing_key("gateway", START + 4, "refused", readers), now
        )
    log.refuse(
        "sealing-key-by-the-operator",
        "type-not-allowed",
        "operator logs no sealed type",
        log.sealing_key("operator", START + 4, "refused"),
        now,
    )

    window = log.sealing_key("gateway", START + 4, "gateway 1")
    log.refuse("sealing-key-with-a-record", "malformed", "only a sealed type comes with one", window, now, bytes(1088))
    log.refuse(
        "sealing-key-with-a-commit",
        "malformed",
        "only a sealed type has one",
        log.sealing_key("gateway", START + 4, "gateway 1", change=lambda p: p.update(commit="ab" * 32)),
        now,
    )
    log.take(window, "gateway's first window", now)


def log_accesses(log):
    """Accesses that are refused, and those that stay within their windows; gives the events and the vault's request."""
    now = START + 5
    sound = log.access("gateway", START, "gateway a", WORKED)
    log.refuse("access-without-its-record", "malformed", "a sealed type comes with its record", sound, now, None)
    log.refuse("access-with-an-empty-record", "sealed-mismatch", "size", sound, now, b"")
    log.refuse("access-with-zeros", "sealed-mismatch", "digest", sound, now, bytes(len(sound["record"])))
    log.refuse("access-with-a-step-more", "sealed-mismatch", "size", sound, now, sound["record"] + bytes(1024))
    log.refuse(
        "access-with-the-record-of-another",
        "sealed-mismatch",
        "digest",
        sound,
        now,
        log.access("gateway", START, "gateway b", WORKED)["record"],
    )
    for name, expect, note, change in (
        ("size-of-no-step", "sealed-mismatch", "size", lambda p: p["sealed"].update(size=1089)),
        ("size-zero", "sealed-mismatch", "size", lambda p: p["sealed"].update(size=0)),
        ("size-of-no-text", "sealed-mismatch", "size", lambda p: p["sealed"].update(size=64)),
        ("size-of-33-steps", "sealed-mismatch", "size", lambda p: p["sealed"].update(size=64 + 33 * 1024)),
        ("size-of-two-steps", "sealed-mismatch", "size", lambda p: p["sealed"].update(size=64 + 2 * 1024)),
        ("size-a-text", "malformed", "size", lambda p: p["sealed"].update(size="1088")),
        ("key-zero", "value", "key", lambda p: p["sealed"].update(key=0)),
        ("sha256-capitals", "value", "sha256", lambda p: p["sealed"].update(sha256=p["sealed"]["sha256"].upper())),
        ("commit-missing", "malformed", "commit", lambda p: p.pop("commit")),
        ("commit-short", "value", "commit", lambda p: p.update(commit=p["commit"][:-1])),
        ("sealed-missing", "malformed", "sealed", lambda p: p.pop("sealed")),
        ("body-member", "malformed", "body", lambda p: p.update(body={"op": "read"})),
    ):
        made = log.access("gateway", START, "gateway a", WORKED, change=change, subject=[sha256(sound["record"]).hex()])
        log.refuse(f"access-{name}", expect, note, made, now)
    for name, size in (("no-step", 1089), ("no-text", 64), ("33-steps", 64 + 33 * 1024)):
        record = chance("no record", size)
        named = {"sha256": sha256(record).hex(), "size": size}
        made = log.access(
            "gateway",
            START,
            "gateway a",
            WORKED,
            change=lambda p, named=named: p["sealed"].update(named),
        )
        log.refuse(
            f"access-size-of-{name}-that-fits", "sealed-mismatch", "size of the record that came", made, now, record
        )
    least = len(sound["payload"]) - 64
    for length, expect in ((8192, "value"), (8193, "too-large")):
        made = log.access(
            "gateway",
            START,
            "gateway a",
            WORKED,
            subject=[sha256(sound["record"]).hex()],
            change=lambda p, length=length: p.update(commit="a" * (length - least)),
        )
        assert len(made["payload"]) == length
        log.refuse(
            f"access-payload-{length}-bytes", expect, "a payload of a sealed type has at most 8192 bytes", made, now
        )
    log.refuse(
        "access-subject-other",
        "subject",
        "subject",
        log.access("gateway", START, "gateway a", WORKED, subject=["ab" * 32]),
        now,
    )
    log.refuse(
        "access-subject-two",
        "subject",
        "subject",
        log.access("gateway", START, "gateway a", WORKED, subject=[sha256(sound["record"]).hex(), "ff" * 32]),
        now,
    )
    log.refuse(
        "access-site-second-of-the-charter",
        "site",
        "site",
        log.access("gateway", START, "gateway a", WORKED, site="DE-FRA-2"),
        now,
    )
    log.refuse("access-site-missing", "site", "site", log.access("gateway", START, "gateway a", WORKED, site=None), now)

    a = log.take(sound, "the least", now)
    b = log.take(
        log.access("gateway", START, "gateway b", FULL, cosigners=("operator",)), "every field, with a cosigner", now
    )
    hour = START + HOUR
    c = log.take(log.access("gateway", hour, "gateway c", WORKED), "the next hour under the same window", hour + 1)
    late = START + 2 * HOUR
    log.refuse(
        "access-window-after-an-hour",
        "sealing-key",
        "its window is two hours old",
        log.access("gateway", late, "gateway d", WORKED),
        late,
    )
    log.refuse(
        "access-below-the-hour-of-the-last",
        "clock-order",
        "recorded",
        log.access("gateway", START, "gateway d", WORKED),
        late,
    )
    log.refuse(
        "access-under-the-window-of-another-issuer",
        "sealing-key",
        "silent has no window",
        log.access("silent", hour, "silent a", WORKED, key=2),
        late,
    )
    log.take(log.sealing_key("vault", late, "vault 1"), "the vault's first window, at a full hour", late)
    asked = read_request("the first hours", expires=late + 60)
    asked_id = sha256(pae(READ, asked)).hex()
    v = log.take(
        log.access(
            "vault",
            late,
            "vault a",
            fields(
                actor="auditor",
                object_count=2,
                purpose="SUPERVISOR_AUDIT",
                native_op="vitrine:sealed",
                native_id=asked_id,
            ),
        ),
        "the vault logs a read",
        late + 1,
    )
    log.take(
        log.access("vault", late + HOUR, "vault b", WORKED),
        "3,600 seconds after its window, to the second",
        late + HOUR,
    )
    log.refuse(
        "access-window-and-one-hour",
        "sealing-key",
        "its window began at a full hour, two hours before",
        log.access("vault", late + 2 * HOUR, "vault c", WORKED),
        late + 2 * HOUR,
    )

    return (a, b, c, v), asked


def erase(log, a, b, c, v):
    """Erasures that are refused, and four."""
    day = START + 3 * DAY
    fits = log.erasure(day, (a,), reason="authority")
    for name, expect, note, made in (
        ("by-gateway", "type-not-allowed", "gateway", log.erasure(day, (a,), reason="authority", issuer="gateway")),
        (
            "by-supervisor",
            "type-not-allowed",
            "supervisor",
            log.erasure(day, (a,), reason="authority", issuer="supervisor", cosigners=("operator",)),
        ),
        ("by-vault", "type-not-allowed", "vault", log.erasure(day, (a,), reason="authority", issuer="vault")),
        ("without-supervisor", "signer-set", "supervisor", log.erasure(day, (a,), reason="authority", cosigners=())),
        (
            "with-vault-for-supervisor",
            "signer-set",
            "supervisor",
            log.erasure(day, (a,), reason="authority", cosigners=("vault",)),
        ),
        ("retention-after-three-days", "value", "366 days", log.erasure(day, (a,))),
        ("data-subject-after-three-days", "value", "366 days", log.erasure(day, (a,), reason="data-subject")),
        ("mistake-after-three-days", "value", "366 days", log.erasure(day, (a,), reason="mistake")),
        ("reason-other", "value", "reason", log.erasure(day, (a,), reason="court")),
        ("reason-missing", "malformed", "reason", log.erasure(day, (a,), reason=None)),
        ("class-other", "value", "class", log.erasure(day, (a,), reason="authority", body={"class": "person"})),
        ("class-missing", "malformed", "class", log.erasure(day, (a,), reason="authority", body={"class": None})),
        (
            "authority-missing",
            "malformed",
            "authority",
            log.erasure(day, (a,), reason="authority", body={"authority": None}),
        ),
        ("authority-empty", "value", "authority", log.erasure(day, (a,), reason="authority", body={"authority": ""})),
        (
            "authority-257",
            "value",
            "authority",
            log.erasure(day, (a,), reason="authority", body={"authority": "x" * 257}),
        ),
        ("targets-missing", "malformed", "targets", log.erasure(day, (a,), reason="authority", body={"targets": None})),
        ("targets-none", "value", "targets", log.erasure(day, (a,), reason="authority", body={"targets": []})),
        (
            "targets-65",
            "value",
            "targets",
            log.erasure(
                day,
                (a,),
                reason="authority",
                body={
                    "targets": [
                        {"event_id": f"{i:064x}", "at": {"issuer": "gateway", "epoch": 1, "seq": 3}} for i in range(65)
                    ]
                },
            ),
        ),
        (
            "targets-twice",
            "value",
            "targets",
            log.erasure(
                day, (a,), reason="authority", body={"targets": log.targets(a) * 2}, subject=[log.places[a][0]] * 2
            ),
        ),
        (
            "targets-unsorted",
            "value",
            "targets",
            log.erasure(day, (a, b), reason="authority", body={"targets": log.targets(a, b)[::-1]}),
        ),
        (
            "target-at-missing",
            "malformed",
            "at",
            log.erasure(day, (a,), reason="authority", body={"targets": [{"event_id": log.places[a][0]}]}),
        ),
        (
            "target-unknown-member",
            "malformed",
            "index",
            log.erasure(day, (a,), reason="authority", body={"targets": [log.targets(a)[0] | {"index": a}]}),
        ),
        (
            "target-seq-zero",
            "value",
            "seq",
            log.erasure(
                day,
                (a,),
                reason="authority",
                body={"targets": [{"event_id": log.places[a][0], "at": {"issuer": "gateway", "epoch": 1, "seq": 0}}]},
            ),
        ),
        (
            "target-never-logged",
            "ref-missing",
            "event_id",
            log.erasure(
                day,
                (a,),
                reason="authority",
                subject=["ab" * 32],
                body={"targets": [{"event_id": "ab" * 32, "at": {"issuer": "gateway", "epoch": 1, "seq": 99}}]},
            ),
        ),
        (
            "target-at-of-another",
            "ref-kind",
            "at",
            log.erasure(
                day,
                (a,),
                reason="authority",
                body={"targets": [{"event_id": log.places[a][0], "at": log.places[b][1]}]},
            ),
        ),
        ("target-a-sealing-key", "ref-kind", "sealing-key is not sealed", log.erasure(day, (3,), reason="authority")),
        ("target-an-opening", "ref-kind", "issuer-open is not sealed", log.erasure(day, (1,), reason="authority")),
        (
            "second-target-never-logged",
            "ref-missing",
            "event_id",
            log.erasure(
                day,
                (a,),
                reason="authority",
                subject=[log.places[a][0], "ff" * 32],
                body={
                    "targets": [
                        *log.targets(a),
                        {"event_id": "ff" * 32, "at": {"issuer": "gateway", "epoch": 1, "seq": 99}},
                    ]
                },
            ),
        ),
        ("places-missing", "malformed", "places", log.erasure(day, (a,), reason="authority", body={"places": None})),
        (
            "places-17",
            "value",
            "places",
            log.erasure(
                day,
                (a,),
                reason="authority",
                places=[{"place": f"backup {i}", "until": "2028-01-01"} for i in range(17)],
            ),
        ),
        (
            "place-twice",
            "value",
            "places",
            log.erasure(
                day,
                (a,),
                reason="authority",
                places=[{"place": "backup", "until": "2028-01-01"}, {"place": "backup", "until": "2028-01-02"}],
            ),
        ),
        (
            "place-empty",
            "value",
            "place",
            log.erasure(day, (a,), reason="authority", places=[{"place": "", "until": "2028-01-01"}]),
        ),
        (
            "place-until-no-day",
            "value",
            "until",
            log.erasure(day, (a,), reason="authority", places=[{"place": "backup", "until": "2027-02-29"}]),
        ),
        (
            "place-until-missing",
            "malformed",
            "until",
            log.erasure(day, (a,), reason="authority", places=[{"place": "backup"}]),
        ),
        (
            "place-unknown-member",
            "malformed",
            "by",
            log.erasure(day, (a,), reason="authority", places=[{"place": "backup", "until": "2028-01-01", "by": "x"}]),
        ),
        ("body-unknown-member", "malformed", "note", log.erasure(day, (a,), reason="authority", body={"note": "x"})),
        ("subject-other", "subject", "subject", log.erasure(day, (a,), reason="authority", subject=["ab" * 32])),
        (
            "subject-of-one-more",
            "subject",
            "subject",
            log.erasure(day, (a,), reason="authority", subject=[log.places[a][0], log.places[b][0]]),
        ),
        (
            "subject-of-one-less",
            "subject",
            "subject",
            log.erasure(day, (a, b), reason="authority", subject=[log.places[a][0]]),
        ),
        (
            "subject-in-another-order",
            "subject",
            "subject",
            log.erasure(
                day, (a, b), reason="authority", subject=[target["event_id"] for target in log.targets(a, b)][::-1]
            ),
        ),
        (
            "person-with-targets",
            "malformed",
            "targets",
            log.erasure(day, (a,), reason="data-subject", body={"class": "subject"}),
        ),
        (
            "person-subject-two",
            "subject",
            "subject",
            log.erasure(
                day,
                (),
                reason="data-subject",
                subject=[sha256(b"p-9f1c4e").hex(), "ff" * 32],
                body={"class": "subject", "targets": None},
            ),
        ),
        (
            "commit",
            "malformed",
            "only a sealed type has one",
            log.erasure(day, (a,), reason="authority", change=lambda p: p.update(commit="ab" * 32)),
        ),
    ):
        log.refuse(f"erasure-{name}", expect, note, made, day + 1)
    log.refuse("erasure-with-a-record", "malformed", "only a sealed type comes with one", fits, day + 1, bytes(1088))
    log.take(fits, "an authority does not wait", day + 1)
    person = {"class": "subject", "targets": None}
    log.take(
        log.erasure(
            day,
            (),
            reason="data-subject",
            body=person,
            subject=[sha256(b"p-9f1c4e").hex()],
            places=[{"place": "backup in Bern", "until": "2027-01-31"}],
        ),
        "a person: no record changes",
        day + 2,
    )

    year = START + FLOOR
    log.refuse("erasure-one-second-early", "value", "366 days", log.erasure(year - 1, (a,)), year)
    log.refuse("erasure-one-of-two-is-early", "value", "366 days", log.erasure(year, (a, c)), year)
    places = [{"place": f"copy {i}", "until": "2028-02-29"} for i in reversed(range(16))]
    log.take(log.erasure(year, (a, b), places=places), "366 days to the second, one of them a second time", year)
    log.take(log.erasure(year + 10 * HOUR, (c, v), reason="mistake"), "of two issuers", year + 10 * HOUR)


def add_a_reader(log):
    """A charter with a reader more closes the windows."""
    year = START + FLOOR
    log.take(log.sealing_key("gateway", year + 10 * HOUR, "gateway 2"), "gateway's second window", year + 10 * HOUR)
    more = charter() | {
        "version": 2,
        "prev": log.leaves[0]["event_id"],
        "readers": sorted([*READERS, reader("late-reader", "supervisor")], key=lambda r: r["name"]),
    }
    log.take(
        log.event(
            "charter", "operator", year + 10 * HOUR, more, [sha256(ORIGIN.encode()).hex()], cosigners=("supervisor",)
        ),
        "a third reader",
        year + 10 * HOUR + 1,
    )
    then = year + 10 * HOUR + 2
    log.refuse(
        "access-after-a-reader-came",
        "sealing-key",
        "the readers changed",
        log.access("gateway", year + 10 * HOUR, "gateway e", WORKED),
        then,
    )
    log.refuse(
        "sealing-key-without-the-new-reader",
        "sealing-key",
        "late-reader has no wrap",
        log.sealing_key("gateway", then, "refused"),
        then,
    )
    three = ["auditor", "late-reader", "vault-reader"]
    log.take(log.sealing_key("gateway", then, "gateway 3", three), "for three readers", then)
    log.refuse(
        "access-under-the-older-window",
        "sealing-key",
        "a newer window is open",
        log.access("gateway", year + 10 * HOUR, "gateway e", WORKED, key=log.windows["gateway"]["seq"] - 1),
        then,
    )
    log.take(log.access("gateway", year + 10 * HOUR, "gateway e", WORKED), "for three readers", then)


def close_an_issuer(log):
    """The issuer that never sealed anything is closed."""
    now = START + FLOOR + 11 * HOUR
    seq, event_id = log.ends["silent"]
    body = {"issuer": "silent", "epoch": 1, "reason": "planned", "last": {"seq": seq, "event_id": event_id}}
    log.take(log.event("issuer-close", "operator", now, body, key_subject("silent")), "silent is closed", now)
    log.refuse(
        "sealing-key-by-a-closed-issuer",
        "issuer-closed",
        "silent",
        log.sealing_key("silent", now, "refused", ["auditor", "late-reader", "vault-reader"]),
        now,
    )


def requests(log, asked):
    """Requests, judged on the log before the second charter and behind it."""
    now, before, behind = START + 2 * HOUR, 12, len(log.leaves)
    cases = []

    def read(
        name,
        expect,
        payload=None,
        /,
        *,
        signer="auditor",
        base=before,
        at=None,
        given=None,
        now=now,
        published=10,
        **members,
    ):
        members = {"from": 3, "to": 9, "expires": now + 300} | members
        payload = payload or read_request(name, **members)
        path = at or (members["from"], members["to"])
        cases.append(
            {
                "name": f"read-{name}",
                "kind": "read",
                "base": base,
                "authorization": given or authorization(READ, payload, signer),
                "signer": KEYS[signer]["keyid"],
                "from": path[0],
                "to": path[1],
                "published": published,
                "now": now,
                "expect": expect,
                "id": sha256(pae(READ, payload)).hex(),
            }
        )

    read("first-hours", "ok")
    read("the-one-that-the-vault-logged", "ok", asked)
    assert cases[-1]["id"] in log.leaves[8]["values"]
    read("by-the-vaults-reader", "ok", signer="vault-reader")
    read("of-one-entry", "ok", **{"from": 9, "to": 10})
    read("of-65536-entries", "ok", published=65546, **{"from": 10, "to": 65546})
    read("by-a-reader-that-came-later", "ok", signer="late-reader", base=behind)
    read("expires-this-second", "ok", expires=now)
    read("by-a-reader-not-yet-there", "reader-unknown", signer="late-reader")
    read("by-the-operator", "reader-unknown", signer="operator")
    read("of-another-log", "origin", origin="vitrine.example/other")
    read("origin-longer", "origin", origin=ORIGIN + "/")
    read("from-is-to", "value", **{"from": 3, "to": 3})
    read("from-above-to", "value", **{"from": 4, "to": 3})
    read("of-65537-entries", "value", published=65600, **{"from": 10, "to": 65547})
    read("path-begins-elsewhere", "value", at=(2, 9))
    read("path-ends-elsewhere", "value", at=(3, 10))
    read("purpose-empty", "value", purpose="")
    read("purpose-of-257", "value", purpose="x" * 257)
    read("purpose-that-a-terminal-obeys", "value", purpose="a\u202eb")
    read("expired-a-second-ago", "expired", expires=now - 1)
    read("expires-after-301-seconds", "expired", expires=now + 301)
    read("replayed-after-its-time", "expired", asked, now=now + 61)
    read("past-the-published-size", "range", **{"from": 3, "to": 11})
    read("of-nothing-published", "range", published=0)
    for member in ("origin", "from", "to", "purpose", "expires"):
        read(
            f"{member}-missing",
            "malformed",
            read_request("missing", **{"expires": now + 60} | {member: None}),
            at=(3, 9),
        )
    read("a-member-more", "malformed", read_request("more", expires=now + 60, limit=3))
    read("from-a-text", "malformed", read_request("text", expires=now + 60, **{"from": "3"}))
    read("from-negative", "value", read_request("negative", expires=now + 60, **{"from": -1}))
    sound = read_request("sound", expires=now + 60)
    signed = envelope(READ, sound, {KEYS["auditor"]["keyid"]: KEYS["auditor"]["seed"]})
    send = lambda some: "DSSE " + b64(some if isinstance(some, bytes) else jcs(some))
    read("a-blank-in-the-payload", "not-canonical", sound.replace(b":", b": ", 1))
    read("as-an-attach-request", "malformed", sound, given=authorization(ATTACH, sound, "auditor"))
    read("as-an-event", "malformed", sound, given=authorization(EVENT, sound, "auditor"))
    read("payload-type-exchanged-after-signing", "malformed", sound, given=send(signed | {"payloadType": EVENT}))
    two = envelope(READ, sound, {KEYS[name]["keyid"]: KEYS[name]["seed"] for name in ("auditor", "vault-reader")})
    read("two-signatures", "malformed", sound, given=send(two))
    read("no-signature", "malformed", sound, given=send(signed | {"signatures": []}))
    read("envelope-with-a-member-more", "malformed", sound, given=send(signed | {"sealed": ""}))
    read("another-scheme", "malformed", sound, given="Bearer " + b64(jcs(signed)))
    read("scheme-alone", "malformed", sound, given="DSSE")
    read("nothing", "malformed", sound, given="DSSE ")
    read(
        "base64-without-padding",
        "malformed",
        sound,
        given=send(signed | {"signatures": signed["signatures"]}).rstrip("=") + "A",
    )
    read("no-json", "malformed", sound, given=send(b"request"))
    line = signed["signatures"][0]
    bit = bytearray(unb64(line["sig"]))
    bit[0] ^= 1
    read("signature-bit", "signature", sound, given=send(signed | {"signatures": [line | {"sig": b64(bytes(bit))}]}))
    other = envelope(READ, sound, {KEYS["auditor"]["keyid"]: KEYS["vault-reader"]["seed"]})
    read("signed-with-the-key-of-another-reader", "signature", sound, given=send(other))
    later = read_request("sound", expires=now + 61)
    read("expires-changed-after-signing", "signature", later, given=send(signed | {"payload": b64(later)}))
    # The order: each breaks two rules, the first is said.
    read("other-log-and-other-path", "origin", origin="vitrine.example/other", at=(2, 9))
    read("other-path-by-nobody", "value", signer="operator", at=(2, 9))
    read("by-nobody-and-expired", "reader-unknown", signer="operator", expires=now - 1)
    read("expired-and-past-the-end", "expired", expires=now - 1, **{"from": 3, "to": 11})

    content = b"a report"
    put = sha256(content).hex()

    def attach(name, expect, payload=None, /, *, signer="gateway", at=put, given=None, base=before, now=now, **members):
        members = {
            "origin": ORIGIN,
            "sha256": put,
            "size": len(content),
            "media_type": "text/plain",
            "issuer": "gateway",
            "expires": now + 3600,
        } | members
        payload = payload or jcs({name: value for name, value in members.items() if value is not None})
        cases.append(
            {
                "name": f"attach-{name}",
                "kind": "attach",
                "base": base,
                "authorization": given or authorization(ATTACH, payload, signer),
                "signer": KEYS[signer]["keyid"],
                "sha256": at,
                "now": now,
                "expect": expect,
                "id": sha256(pae(ATTACH, payload)).hex(),
            }
        )

    attach("by-gateway", "ok")
    attach("by-the-operator", "ok", signer="operator", issuer="operator")
    attach("of-nothing", "ok", size=0)
    attach("of-a-gibibyte", "ok", size=2**30)
    attach("expires-this-second", "ok", expires=now)
    attach("of-more-than-a-gibibyte", "value", size=2**30 + 1)
    attach("of-another-log", "origin", origin="vitrine.example/other")
    attach("path-of-another", "value", at="ab" * 32)
    attach("sha256-in-capitals", "value", sha256=put.upper())
    attach("media-type-empty", "value", media_type="")
    attach("media-type-of-101", "value", media_type="x" * 101)
    attach("issuer-no-name", "value", issuer="Gateway")
    attach("by-a-reader", "issuer-unknown", signer="auditor", issuer="auditor")
    attach("by-nobody", "issuer-unknown", issuer="nobody")
    attach("by-an-issuer-not-yet-closed", "ok", signer="silent", issuer="silent")
    attach("by-a-closed-issuer", "issuer-closed", signer="silent", issuer="silent", base=behind)
    attach("with-the-key-of-another-issuer", "signer-set", signer="operator")
    attach("expired-a-second-ago", "expired", expires=now - 1)
    attach("expires-after-3601-seconds", "expired", expires=now + 3601)
    for member in ("origin", "sha256", "size", "media_type", "issuer", "expires"):
        attach(f"{member}-missing", "malformed", **{member: None})
    attach("a-member-more", "malformed", name="report.txt")
    attach("size-a-text", "malformed", size="8")
    sound = jcs(
        {"origin": ORIGIN, "sha256": put, "size": 8, "media_type": "x", "issuer": "gateway", "expires": now + 60}
    )
    attach("as-a-read-request", "malformed", sound, given=authorization(READ, sound, "gateway"))
    other = envelope(ATTACH, sound, {KEYS["gateway"]["keyid"]: KEYS["operator"]["seed"]})
    attach("signed-with-the-key-of-another", "signature", sound, given=send(other))
    return {
        "about": "Requests for records and to put attachments in, judged on the log beside this.",
        "origin": ORIGIN,
        "cases": cases,
    }


def files():
    log = Log()
    open_gateways(log)
    open_a_window(log)
    events, asked = log_accesses(log)
    erase(log, *events)
    add_a_reader(log)
    close_an_issuer(log)
    shown = {
        "origin": ORIGIN,
        "seeds": {KEYS[role]["keyid"]: KEYS[role]["seed"].hex() for role in HERE},
        "readers": {name: {"seal_seed": seed.hex(), "sign": KEYS[name]["vkey"]} for name, seed in SEALS.items()},
        "K": log.K,
        "W": log.W,
        "attachments": {},
        "leaves": log.leaves,
    }
    return {
        "leaves/sealed.json": shown,
        "leaves/sealed-refused.json": log.refused,
        "leaves/requests.json": requests(log, asked),
    }
