"""Writes the vectors that need sealing: `spec/vectors/sealed` and `spec/vectors/leaves`.

`python3 vectors.py write` writes them, `python3 vectors.py check` says whether they are as they would be written.
What a case expects is stated here, case by case, and wherever the oracle can judge it, it must agree. Not here: how
anything is computed (`sealed`), the log of the leaves (`log`).
"""

import hashlib
import json
import sys
from pathlib import Path

import log
import primitives
import statements
from samples import FULL, WORKED, fields
from sealed import (
    EVENT,
    FIELDS,
    WORDS,
    access,
    b64,
    check,
    commit,
    commitments,
    ctx,
    envelope,
    jcs,
    opening,
    pad,
    reader_key_id,
    salt,
    seal,
    sha256,
    statement,
    u,
    vkey,
    wrap_info,
    wrong_field,
    open_record,
    pae,
)

ROOT = Path(__file__).resolve().parents[3] / "spec" / "vectors"


def chance(label, length=32):
    """Bytes that nobody chose, and that are the same every time."""
    return hashlib.shake_256(b"vitrine own vectors " + label.encode()).digest(length)


def header(**changed):
    base = {
        "epoch": 1,
        "issuer": "gateway",
        "origin": "example.com/access",
        "prev": "11" * 32,
        "recorded": 1795276800,
        "seq": 3,
        "site": "CH-ZH-1",
    }
    return base | changed


def of_length(length):
    """Values whose JCS has this many bytes: texts grow, one after another, up to what their fields take."""
    values = fields()
    for name, most in (("native_op", 256), ("actor", 256), ("actor_entity", 256), ("native_id", 256), ("dataset", 128)):
        i = FIELDS.index(name)
        values[i] = "x"
        lacks = length - len(jcs(values))
        values[i] = "x" * max(1, min(most, 1 + lacks))
        if lacks <= most - 1:
            break
    assert len(jcs(values)) == length, (len(jcs(values)), length)
    return values


def worked(name, k, w, values, *, head=None, key=2, plain=None, shown=(0,), readers=()):
    """A record with everything on the way to it, its leaf, an opening, and wraps of its W."""
    head = head or header()
    seed = chance("issuer") if name != "section-8" else bytes(range(0x40, 0x60))
    made = access(head, key, k, w, values, plain)
    _, keyid = vkey("gateway.example.com", seed)
    leaf = jcs(envelope(EVENT, made["payload"].encode(), {keyid: seed}))
    shows = opening(made["event_id"], k, values, shown)
    return {
        "name": name,
        "K": k.hex(),
        "W": w.hex(),
        "check": check(w).hex(),
        "values": values,
        **{step: made[step] for step in "salts commitments commit header header_sha256 ctx".split()},
        "plain_jcs": jcs(values).decode(),
        "plain_length": len(made["plain"]),
        "plain_sha256": sha256(made["plain"]).hex(),
        "seal_key": made["seal_key"],
        "slot_key": made["slot_key"],
        "slot": made["slot"],
        "cipher_length": len(made["cipher"]),
        "cipher_sha256": sha256(made["cipher"]).hex(),
        "record": b64(made["record"]),
        "record_length": len(made["record"]),
        "record_sha256": sha256(made["record"]).hex(),
        "payload": made["payload"],
        "event_id": made["event_id"],
        "issuer_seed": seed.hex(),
        "keyid": keyid,
        "leaf": b64(leaf),
        "leaf_length": len(leaf),
        "leaf_hash": sha256(b"\x00", leaf).hex(),
        "shown": list(shown),
        "opening": shows.decode(),
        "opening_length": len(shows),
        "opening_sha256": sha256(shows).hex(),
        "wraps": [wrapped(w, head, key, *reader) for reader in readers],
    }


def wrapped(w, head, seq, reader, seed, randomness):
    public = primitives.xwing_keys(seed)[0]
    info = wrap_info(head["origin"], head["issuer"], head["epoch"], seq, reader)
    wrap = primitives.hpke_seal(public, info, w, randomness)
    return {
        "reader": reader,
        "seed": seed.hex(),
        "public_sha256": sha256(public).hex(),
        "key_id": reader_key_id(public).hex(),
        "text": f"xwing:{reader}:{reader_key_id(public).hex()}:{b64(public)}",
        "seq": seq,
        "info": info.hex(),
        "randomness": randomness.hex(),
        "wrap": b64(wrap),
        "wrap_sha256": sha256(wrap).hex(),
    }


def records():
    """Records that open, with every intermediate value."""
    count = lambda start, n=32: bytes(range(start, start + n))
    two = [(name, chance(f"seed {name}"), chance(f"randomness {name}", 64)) for name in ("supervisor", "vault-reader")]
    exact, one_more = of_length(1020), of_length(1021)
    cases = [
        worked(
            "section-8",
            count(0),
            count(0x20),
            WORKED,
            shown=(1, 7),
            readers=[("supervisor", count(0), count(0x60, 64))],
        ),
        worked("all-fields", chance("K 1"), chance("W 1"), FULL, shown=range(24), readers=two),
        worked("exact-fit-no-zeros", chance("K 2"), chance("W 1"), exact, shown=(2, 23)),
        worked("one-byte-more-two-steps", chance("K 3"), chance("W 1"), one_more, shown=(9,)),
        worked("more-steps-than-needed", chance("K 4"), chance("W 1"), WORKED, plain=pad(WORKED, 3)),
        worked("thirty-two-steps", chance("K 5"), chance("W 1"), WORKED, plain=pad(WORKED, 32)),
        worked(
            "header-of-the-vault-without-a-site",
            chance("K 6"),
            chance("W 2"),
            fields(actor="service:log-server", op="read", native_id="ef" * 32),
            head={name: value for name, value in header(issuer="vault", epoch=4294967295).items() if name != "site"},
            key=9007199254740990,
            readers=two[:1],
        ),
        worked("same-values-another-header", chance("K 7"), chance("W 1"), WORKED, head=header(seq=4, prev="22" * 32)),
    ]
    for case in cases:
        opened = open_record(bytes.fromhex(case["W"]), case["payload"], log.unb64(case["record"]))
        assert opened == (bytes.fromhex(case["K"]), case["values"]), case["name"]
    assert len({case["commit"] for case in cases}) == len(cases)
    return {"about": "Records that open, and every value on the way there.", "cases": cases}


# Records that do not open.


def signed_access(k, w, values_jcs, *, plain=None, commits=None, head=None, record=None, sealed=None):
    """A leaf and a record for plain text that nobody should seal."""
    head = head or header()
    plain = plain if plain is not None else pad_bytes(values_jcs)
    commits = commits or commitments(k, json.loads(values_jcs))
    commit_ = commit(commits)
    ctx_ = ctx(commit_, head)
    slot, cipher = seal(k, w, ctx_, plain)
    record = record or slot + cipher
    named = {"key": 2, "sha256": sha256(record).hex(), "size": len(record)} | (sealed or {})
    predicate = {"hdr": head, "body": {}, "commit": commit_.hex(), "sealed": named}
    payload = statement("access", [named["sha256"]], predicate)
    return payload, record


def pad_bytes(data, k=None, fill=b"\x00"):
    k = k or (4 + len(data) + 1023) // 1024
    return (u(32, len(data)) + data).ljust(1024 * k, fill)


def leaf_of(payload):
    seed = chance("issuer")
    _, keyid = vkey("gateway.example.com", seed)
    return b64(jcs(envelope(EVENT, payload, {keyid: seed})))


def heartbeat():
    head = {name: value for name, value in header().items() if name != "site"}
    payload = statement("heartbeat", ["11" * 32], {"hdr": head, "body": {"to": 1795276800}})
    return payload, sha256(pae(EVENT, payload)).hex()


def unopenable():
    k, w = chance("K 1"), chance("W 1")
    data = jcs(WORKED)
    payload, record = signed_access(k, w, data)
    changed = lambda at: record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
    cases = []

    def case(name, expect, blame, payload, record, w_=w):
        got = open_record(w_, payload, record) if expect != "not-sealed" else expect
        got = "value" if got in FIELDS else got
        assert got == expect.split(" ")[0], (name, got)
        found = {"name": name, "W": w_.hex(), "leaf": leaf_of(payload), "record": b64(record), "expect": expect}
        cases.append(found | ({"blame": blame} if blame else {}))

    def anew(name, expect, blame="unopenable", data=data, **how):
        case(name, expect, blame, *signed_access(k, w, data, **how))

    # What the log hands out is not what the leaf names.
    case("first-bit", "mismatch", None, payload, changed(0))
    case("last-bit", "mismatch", None, payload, changed(len(record) - 1))
    case("one-byte-less", "mismatch", None, payload, record[:-1])
    case("one-step-more", "mismatch", None, payload, record + bytes(1024))
    case("nothing", "mismatch", None, payload, b"")
    case("another-record", "mismatch", None, payload, signed_access(chance("K 2"), w, data)[1])
    case("zeros", "erased", None, payload, bytes(len(record)))
    case("zeros-of-another-length", "mismatch", None, payload, bytes(len(record) + 1024))
    case("zeros-but-for-the-last-byte", "mismatch", None, payload, bytes(len(record) - 1) + b"\x01")
    case("of-a-heartbeat", "not-sealed", None, heartbeat()[0], record)
    # The signed leaf names this record, so its issuer is to blame.
    case("another-W", "slot", "unopenable", payload, record, chance("W 2"))
    anew("slot-bit", "slot", record=changed(0))
    anew("zeros-that-the-leaf-names", "slot", record=bytes(len(record)))
    anew("slot-tag-bit", "slot", record=changed(47))
    anew("slot-of-another-header", "slot", record=signed_access(k, w, data, head=header(seq=4))[1])
    anew("slot-of-another-W", "slot", record=signed_access(k, chance("W 2"), data)[1])
    other_k = signed_access(chance("K 2"), w, data, commits=commitments(k, WORKED))[1]
    anew("slot-holds-another-K", "cipher", record=other_k[:48] + record[48:])
    anew("cipher-bit", "cipher", record=changed(48))
    anew("cipher-tag-bit", "cipher", record=changed(len(record) - 1))
    anew("cipher-of-another-record", "cipher", record=record[:48] + signed_access(chance("K 2"), w, data)[1][48:])
    anew("length-beyond-the-record", "padding", plain=u(32, 1021) + bytes(1020))
    anew("length-of-32-bits", "padding", plain=b"\xff\xff\xff\xff" + bytes(1020))
    anew("last-byte-of-the-padding", "padding", plain=pad_bytes(data)[:-1] + b"\x01")
    anew("first-byte-of-the-padding", "padding", plain=(u(32, len(data)) + data + b" ").ljust(1024, b"\x00"))
    anew("padding-of-ones", "padding", plain=pad_bytes(data, fill=b"\x01"))
    anew("length-one-short", "padding", plain=(u(32, len(data) - 1) + data).ljust(1024, b"\x00"))
    anew("length-one-long", "values", plain=(u(32, len(data) + 1) + data).ljust(1024, b"\x00"))
    anew("no-values", "values", plain=bytes(1024))
    anew("no-json", "values", plain=pad_bytes(b"not json"))
    anew("blank", "values", plain=pad_bytes(data.replace(b",", b", ", 1)))
    anew(
        "members-in-another-order",
        "values",
        plain=pad_bytes(data.replace(b'{"country":"CH","known":"badge"}', b'{"known":"badge","country":"CH"}')),
    )
    anew("escape-of-a-letter", "values", plain=pad_bytes(data.replace(b'"read"', b'"\\u0072ead"')))
    anew("fraction", "values", plain=pad_bytes(data.replace(b",3,", b",3.0,")))
    anew("object", "values", plain=pad_bytes(b'{"op":"read"}'))
    anew("23-values", "values", plain=pad_bytes(jcs(WORKED[:-1])))
    anew("25-values", "values", plain=pad_bytes(jcs([*WORKED, None])))
    anew("not-utf-8", "values", plain=pad_bytes(data.replace(b"s-1071", b"s-\xff\xff71")))
    # K opens a record whose values are not those that were committed: the AEAD alone would let it pass.
    anew(
        "another-value-than-committed",
        "commitment",
        data=jcs(WORKED[:13] + [4] + WORKED[14:]),
        commits=commitments(k, WORKED),
    )
    anew("two-values-exchanged", "commitment", data=jcs(exchanged(WORKED, 2, 3)), commits=commitments(k, WORKED))
    anew("committed-with-another-K", "commitment", commits=commitments(chance("K 2"), WORKED))
    anew(
        "one-salt-of-another-K",
        "commitment",
        commits=commitments(k, WORKED)[:23] + commitments(chance("K 2"), WORKED)[23:],
    )
    # The commitments fit and a value breaks its word: shown by opening that field.
    for name, value in (
        ("op", "look"),
        ("op", None),
        ("object_count", -1),
        ("actor_office_country", "Schweiz"),
        ("recipient", {"identity": "x", "class": "friend", "country": "CH"}),
        ("native_digest", "AB" * 32),
    ):
        values = list(WORKED)
        values[FIELDS.index(name)] = value
        word = "null" if value is None else "wrong"
        anew(f"{name}-{word}", f"value {name}", "record-invalid", data=jcs(values))
    disclosed = list(WORKED)
    disclosed[1] = "disclose"
    anew("disclosed-to-nobody", "value recipient", "record-invalid", data=jcs(disclosed))
    return {
        "about": "Records that do not open: the first step that fails, and what its issuer is to blame for.",
        "cases": cases,
    }


def exchanged(values, a, b):
    values = list(values)
    values[a], values[b] = values[b], values[a]
    return values


# Values.

OBEYED = "\u0000 \u001f \u007f \u009f \u061c \u200e \u200f \u2028 \u2029 \u202a \u202e \u2066 \u2069".split(" ")


def texts(most):
    good = ["x", "x" * most, "é" * (most // 2), "\u00a0", "\ufeff", "\U0001f512"]
    bad = ["", "x" * (most + 1), "é" * (most // 2) + "x", 1, True, ["x"], {}, *OBEYED]
    return good, [v for v in bad if v != "\u0000"]  # U+0000 is refused by the strict reader already


def words(good):
    good = good.split()
    return good, ["", good[0].swapcase(), good[0] + " ", "other-word", 0, False, [good[0]]]


COUNTRIES = (["CH", "ZZ", "QQ"], ["", "C", "CHE", "ch", "C1", "ÄÖ", 41, None])
DIGESTS = (["00" * 32, "af" * 32], ["", "0" * 63, "0" * 65, "AF" * 32, "g" * 64, " " + "0" * 63, 0])
TABLE = {
    "occurred_at": (
        [
            "2026-11-21T16:03:01.123Z",
            "2024-02-29T00:00:00.000Z",
            "2026-12-31T23:59:59.999Z",
            "2000-02-29T12:00:00.500Z",
            "1970-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00.000Z",
            "9999-12-31T23:59:59.999Z",
        ],
        [
            "",
            "2026-11-21T16:03:01Z",
            "2026-11-21T16:03:01.12Z",
            "2026-11-21T16:03:01.1234Z",
            "2026-11-21t16:03:01.123z",
            "2026-11-21 16:03:01.123Z",
            "2026-11-21T16:03:01.123",
            "2026-11-21T16:03:01.123+00:00",
            "2026-11-21T16:03:01,123Z",
            "2026-02-29T00:00:00.000Z",
            "2100-02-29T00:00:00.000Z",
            "2026-04-31T00:00:00.000Z",
            "2026-00-10T00:00:00.000Z",
            "2026-13-10T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-32T00:00:00.000Z",
            "2026-11-21T24:00:00.000Z",
            "2026-11-21T23:60:00.000Z",
            "2026-12-31T23:59:60.000Z",
            "26-11-21T16:03:01.123Z",
            "+2026-11-21T16:03:01.123Z",
            "2026-11-21T16:03:01.123Z ",
            "٢٠٢٦-11-21T16:03:01.123Z",
            1795276800123,
            None,
        ],
    ),
    "op": (words("store alter read disclose delete destroy")[0], [*words("read")[1], "write", None]),
    "native_op": texts(256),
    "actor": texts(256),
    "actor_session": (
        [
            {"session": "s"},
            {"session": "s" * 256, "role": "r" * 256},
            {"role": '"' * 256, "session": '"' * 232 + "s" * 24},
        ],
        [
            {},
            {"role": "r"},
            {"session": ""},
            {"session": "s", "role": ""},
            {"session": "s", "role": None},
            {"session": "s", "user": "u"},
            {"session": "s" * 257},
            {"session": 1},
            {"session": "a\u202eb"},
            "s",
            ["s"],
            {"role": '"' * 256, "session": '"' * 233 + "s" * 23},
            {"role": "\\" * 256, "session": '"' * 256},
        ],
    ),
    "actor_entity": texts(256),
    "actor_office_country": COUNTRIES,
    "actor_location_country": (
        [{"country": "CH", "known": known} for known in ("badge", "network", "declared", "none")],
        [
            {"country": "CH"},
            {"known": "badge"},
            {"country": "ch", "known": "badge"},
            {"country": "CH", "known": "guess"},
            {"country": "CH", "known": "badge", "city": "Bern"},
            {"country": None, "known": "none"},
            "CH",
            {},
        ],
    ),
    "automated": (
        [
            {"automated": True},
            {"automated": False},
            {"automated": True, "build": "ab" * 32},
            {"automated": False, "build": "ab" * 32},
        ],
        [
            {},
            True,
            {"automated": 1},
            {"automated": "true"},
            {"automated": None},
            {"automated": True, "build": "AB" * 32},
            {"automated": True, "build": None},
            {"build": "ab" * 32},
            {"automated": True, "by": "x"},
        ],
    ),
    "dataset": texts(128),
    "data_category": words("sample-file file-metadata telemetry account licence support UNKNOWN"),
    "subject_region": (
        ["EU", "US", "A-", "A" * 16, "CH-ZH", "E2", "MIXED", "UNKNOWN"],
        ["", "E", "eu", "A" * 17, "2E", "-E", "E_U", "É1", 1, ["EU"]],
    ),
    "subject_ref": texts(128),
    "object_count": ([0, 1, 2**53 - 1], [-1, "1", True, {}, [1]]),
    "storage_site": (
        ["CH-ZH-1", "CH-1", "DE-FRA-2-A", "CH-12345678-12345678-12345678", "UNKNOWN"],
        ["", "CH", "CH-", "ch-zh-1", "CH-123456789", "CH-A-B-C-D", "CHE-ZH", "CH_ZH", "CH--1", "unknown", "MIXED", 1],
    ),
    "purpose": words(
        "CUSTOMER_SUPPORT PROVIDER_SERVICE PROVIDER_REVIEW THIRD_PARTY_REQUEST PRODUCTION_ALERT AUTOMATED_PROCESSING "
        "SUPERVISOR_AUDIT DATA_SUBJECT_REQUEST UNKNOWN"
    ),
    "legal_basis": words("consent contract legal-obligation vital public-task legitimate-interest n/a UNKNOWN"),
    "ticket": texts(128),
    "recipient": (
        [
            {"identity": "x" * 256, "class": kind, "country": "ZZ"}
            for kind in ("authority", "customer", "partner", "processor", "other")
        ],
        [
            {"identity": "x", "class": "authority"},
            {"identity": "x", "country": "CH"},
            {"class": "other", "country": "CH"},
            {"identity": "", "class": "other", "country": "CH"},
            {"identity": "x" * 257, "class": "other", "country": "CH"},
            {"identity": "x", "class": "court", "country": "CH"},
            {"identity": "x", "class": "other", "country": "Switzerland"},
            {"identity": "x", "class": "other", "country": None},
            {"identity": "x", "class": "other", "country": "CH", "act": "BÜPF"},
            "authority",
            {},
        ],
    ),
    "transfer_basis": words("adequacy safeguards exception none UNKNOWN"),
    "outcome": (
        [{"result": result} for result in ("success", "refused", "error", "partial")]
        + [{"result": "error", "native": "x" * 128}],
        [
            {},
            "success",
            {"result": "ok"},
            {"result": None},
            {"native": "42501"},
            {"result": "error", "native": ""},
            {"result": "error", "native": "x" * 129},
            {"result": "error", "native": None},
            {"result": "error", "code": "x"},
            None,
        ],
    ),
    "grant": (
        ["ab" * 32, "rule:abc", "rule:standing-support", "rule:" + "a" * 64],
        [
            "",
            "rule:",
            "rule:ab",
            "rule:-abc",
            "rule:abc-",
            "rule:Abc",
            "rule:" + "a" * 65,
            "abc",
            "Rule:abc",
            "AB" * 32,
            "ab" * 31,
            1,
        ],
    ),
    "native_id": texts(256),
    "native_digest": DIGESTS,
}


def values():
    """Each field alone: what its word takes and what it does not. Whole records: what is never null."""
    assert list(TABLE) == FIELDS
    nullable = [name for name in FIELDS if name not in ("occurred_at", "op", "outcome")]
    cases = []
    for name, (good, bad) in TABLE.items():
        good, bad = list(good), [v for v in bad if v is not None or name not in nullable]
        good += [None] if name in nullable else []
        for expect, some in (("ok", good), ("fail", bad)):
            for number, value in enumerate(some):
                whole = fields(**{"recipient": TABLE["recipient"][0][0], name: value})
                assert wrong_field(whole) == (None if expect == "ok" else name), (name, value, wrong_field(whole))
                cases.append({"name": f"{name}-{expect}-{number}", "field": name, "value": value, "expect": expect})
    whole = {
        "least": (fields(), None),
        "full": (FULL, None),
        "disclosed-to-somebody": (fields(op="disclose", recipient=TABLE["recipient"][0][0]), None),
        "occurred-at-null": (fields(occurred_at=None), "occurred_at"),
        "op-null": (fields(op=None), "op"),
        "outcome-null": (fields(outcome=None), "outcome"),
        "disclosed-to-nobody": (fields(op="disclose"), "recipient"),
        "two-wrong-the-first-is-named": (fields(actor="", ticket=""), "actor"),
    }
    for name, (some, wrong) in whole.items():
        assert wrong_field(some) == wrong, name
    records = [
        {"name": name, "values": some, "expect": "fail" if wrong else "ok", **({"field": wrong} if wrong else {})}
        for name, (some, wrong) in whole.items()
    ]
    return {"about": "Values by the table of fields.", "fields": cases, "records": records}


# Openings.


def spare_bit(text):
    """Base64 of 32 bytes with a bit set where none belongs."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-2] + letters[letters.index(text[-2]) | 1] + "="


def openings():
    k, w = chance("K 1"), chance("W 1")
    made = access(header(), 2, k, w, WORKED)
    other = access(header(), 2, chance("K 2"), w, WORKED)
    leaf = leaf_of(made["payload"].encode())
    sound = json.loads(opening(made["event_id"], k, WORKED, (1, 7)))
    cases = []

    def case(name, expect, opened, leaf=leaf):
        opened = opened if isinstance(opened, bytes) else jcs(opened)
        try:
            cases.append({"name": name, "opening": opened.decode(), "leaf": leaf, "expect": expect})
        except UnicodeDecodeError:
            cases.append({"name": name, "opening_b64": b64(opened), "leaf": leaf, "expect": expect})

    def changed(**members):
        return {**sound, **members}

    def at(i, element, event_id=sound["event_id"]):
        return {"event_id": event_id, "fields": sound["fields"][:i] + [element] + sound["fields"][i + 1 :]}

    case("two-fields", "ok", sound)
    case("one-field", "ok", opening(made["event_id"], k, WORKED, (20,)))
    case("all-fields", "ok", opening(made["event_id"], k, WORKED, range(24)))
    case("a-null-shown", "ok", opening(made["event_id"], k, WORKED, (23,)))
    # A value that breaks its word is shown too: so is proved that the record is invalid.
    wrong = list(WORKED)
    wrong[1] = "look"
    bad = access(header(), 2, k, w, wrong)
    case(
        "a-value-that-breaks-its-word", "ok", opening(bad["event_id"], k, wrong, (1,)), leaf_of(bad["payload"].encode())
    )

    case("nothing-shown", "form", opening(made["event_id"], k, WORKED, ()))
    case("23-fields", "form", changed(fields=sound["fields"][:-1]))
    case("25-fields", "form", changed(fields=[*sound["fields"], sound["fields"][-1]]))
    case("fields-missing", "form", {"event_id": sound["event_id"]})
    case("event-id-missing", "form", {"fields": sound["fields"]})
    case("a-member-more", "form", changed(K=k.hex()))
    case("event-id-in-capitals", "form", changed(event_id=sound["event_id"].upper()))
    case("event-id-short", "form", changed(event_id=sound["event_id"][:-1]))
    case("event-id-a-number", "form", changed(event_id=1))
    case("fields-an-object", "form", changed(fields={"op": "read"}))
    case("an-array", "form", [sound])
    case("hidden-null", "form", at(0, None))
    case("hidden-31-bytes", "form", at(0, b64(bytes(31))))
    case("hidden-33-bytes", "form", at(0, b64(bytes(33))))
    case("hidden-hex", "form", at(0, made["commitments"][0]))
    case("hidden-without-its-padding", "form", at(0, sound["fields"][0].rstrip("=")))
    case("hidden-spare-bits", "form", at(0, spare_bit(sound["fields"][0])))
    case("shown-without-salt", "form", at(1, ["read"]))
    case("shown-with-three", "form", at(1, [*sound["fields"][1], 1]))
    case("shown-nothing", "form", at(1, []))
    case("shown-as-an-object", "form", at(1, {"value": "read"}))
    case("salt-31-bytes", "form", at(1, ["read", b64(bytes(31))]))
    case("salt-first", "form", at(1, sound["fields"][1][::-1]))
    case("not-utf-8", "form", jcs(sound).replace(b"read", b"re\xffd"))
    case("no-json", "form", b"opening")
    case("nothing", "form", b"")
    case("a-name-twice", "form", jcs(sound).replace(b'{"event_id"', b'{"event_id":"","event_id"'))
    case("a-blank", "canonical", jcs(sound).replace(b'"fields":', b'"fields": '))
    case("a-newline-at-the-end", "canonical", jcs(sound) + b"\n")
    case(
        "members-in-another-order",
        "canonical",
        json.dumps(sound, separators=(",", ":"))[0:1].encode()
        + b'"fields":'
        + jcs(sound["fields"])
        + b',"event_id":'
        + jcs(sound["event_id"])
        + b"}",
    )
    case("an-escape-of-a-letter", "canonical", jcs(sound).replace(b'"read"', b'"\\u0072ead"'))

    case("of-another-event", "event", sound, leaf_of(other["payload"].encode()))
    case("event-id-of-nothing", "event", changed(event_id="00" * 32))
    case("another-value", "commitment", at(1, ["alter", sound["fields"][1][1]]))
    case("another-salt", "commitment", at(1, ["read", b64(salt(k, "actor"))]))
    case("salt-of-another-K", "commitment", at(1, ["read", b64(salt(chance("K 2"), "op"))]))
    case("null-for-a-value", "commitment", at(7, [None, sound["fields"][7][1]]))
    case("a-number-for-its-text", "commitment", at(13, ["3", b64(salt(k, "object_count"))]))
    case("a-commitment-changed", "commitment", at(0, b64(bytes(32))))
    case("two-commitments-exchanged", "commitment", changed(fields=exchanged(sound["fields"], 2, 3)))
    case("a-shown-field-in-anothers-place", "commitment", changed(fields=exchanged(sound["fields"], 1, 2)))
    case(
        "its-own-event-id-and-the-fields-of-another",
        "commitment",
        changed(fields=json.loads(opening(made["event_id"], chance("K 2"), WORKED, (1, 7)))["fields"]),
    )
    beat, beat_id = heartbeat()
    case("of-a-heartbeat", "not-sealed", changed(event_id=beat_id), leaf_of(beat))
    return {"about": "Openings against a leaf.", "cases": cases}


# Wraps and the texts of readers' keys.


def wraps():
    w, seed = chance("W 1"), chance("seed supervisor")
    place = {"origin": "example.com/access", "issuer": "gateway", "epoch": 1, "seq": 2, "reader": "supervisor"}
    public = primitives.xwing_keys(seed)[0]
    randomness = chance("randomness supervisor", 64)
    sound = primitives.hpke_seal(public, wrap_info(*place.values()), w, randomness)
    cases = []

    def case(name, expect, wrap=sound, seed=seed, check_=check(w), **changed):
        where = {**place, **changed}
        if expect != "length":
            got = primitives.hpke_open(seed, wrap_info(*where.values()), wrap)
            assert (got is not None) == (expect != "open"), name
            assert got is None or (check(got) == check_) == (expect == "ok"), name
        cases.append(
            {"name": name, "seed": seed.hex(), **where, "wrap": b64(wrap), "check": check_.hex(), "expect": expect}
        )

    def bit(at):
        return sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :]

    case("sound", "ok")
    case("of-another-w", "check", primitives.hpke_seal(public, wrap_info(*place.values()), chance("W 2"), randomness))
    case("another-origin", "open", origin="example.com/acces")
    case("another-issuer", "open", issuer="gatewaz")
    case("another-epoch", "open", epoch=2)
    case("another-seq", "open", seq=3)
    case("another-reader", "open", reader="supervisos")
    case("origin-and-issuer-cut-elsewhere", "open", origin="example.com/accessg", issuer="ateway")
    case("another-seed", "open", seed=chance("seed vault-reader"))
    for name, at in (
        ("mlkem-first", 0),
        ("mlkem-last", 1087),
        ("x25519-first", 1088),
        ("ciphertext-first", 1120),
        ("tag-last", 1167),
    ):
        case(f"bit-{name}", "open", bit(at))
    x25519_zero = sound[:1088] + bytes(32) + sound[1120:]
    case("x25519-point-of-small-order", "open", x25519_zero)
    case("zeros", "open", bytes(1168))
    case("one-byte-less", "length", sound[:-1])
    case("one-byte-more", "length", sound + b"\x00")
    case("nothing", "length", b"")

    text = f"xwing:supervisor:{reader_key_id(public).hex()}:{b64(public)}"
    name, keyid, key = text.split(":")[1:]
    high = bytearray(public)
    high[0], high[1] = 0x01, public[1] & 0xF0 | 0x0D  # the first number of the ML-KEM key is 3329
    public_of = lambda data: f"xwing:supervisor:{reader_key_id(data).hex()}:{b64(data)}"
    texts = [
        ("sound", "ok", text),
        ("newline-at-the-end", "fail", text + "\n"),
        ("blank-before", "fail", " " + text),
        ("another-scheme", "fail", text.replace("xwing:", "x25519:")),
        ("scheme-in-capitals", "fail", text.replace("xwing:", "XWING:")),
        ("three-parts", "fail", f"xwing:{keyid}:{key}"),
        ("five-parts", "fail", text + ":"),
        ("name-of-two-letters", "fail", text.replace("supervisor", "su")),
        ("name-in-capitals", "fail", text.replace("supervisor", "Supervisor")),
        ("another-key-id", "fail", f"xwing:{name}:{'0' * 16}:{key}"),
        ("key-id-in-capitals", "fail", f"xwing:{name}:{keyid.upper()}:{key}"),
        ("key-id-of-eight-digits", "fail", f"xwing:{name}:{keyid[:8]}:{key}"),
        ("base64-without-padding", "fail", text.rstrip("=")),
        ("key-of-1215-bytes", "fail", public_of(public[:-1])),
        ("key-of-1217-bytes", "fail", public_of(public + b"\x00")),
        ("mlkem-number-3329", "fail", public_of(bytes(high))),
        ("x25519-zero", "fail", public_of(public[:1184] + bytes(32))),
        ("x25519-bit-255", "fail", public_of(public[:-1] + bytes([public[-1] | 0x80]))),
    ]
    assert keyid != keyid.upper() and key.endswith("=")
    publics = [
        ("sound", "ok", public),
        ("nothing", "fail", b""),
        ("1215-bytes", "fail", public[:-1]),
        ("1217-bytes", "fail", public + b"\x00"),
        ("mlkem-number-3329", "fail", bytes(high)),
        ("x25519-zero", "fail", public[:1184] + bytes(32)),
        ("x25519-bit-255", "fail", public[:-1] + bytes([public[-1] | 0x80])),
    ]
    seeds = [
        ("sound", "ok", f"xwing-seed:{b64(seed)}"),
        ("newline-at-the-end", "fail", f"xwing-seed:{b64(seed)}\n"),
        ("31-bytes", "fail", f"xwing-seed:{b64(seed[:-1])}"),
        ("33-bytes", "fail", f"xwing-seed:{b64(seed + bytes(1))}"),
        ("hexadecimal", "fail", f"xwing-seed:{seed.hex()}"),
        ("another-scheme", "fail", f"seed:{b64(seed)}"),
        ("no-scheme", "fail", b64(seed)),
        ("nothing", "fail", ""),
    ]
    listed = lambda some: [{"name": name, "text": text, "expect": expect} for name, expect, text in some]
    return {
        "about": "Wraps and their readers' keys.",
        "public": b64(public),
        "cases": cases,
        "publics": [{"name": name, "public": b64(some), "expect": expect} for name, expect, some in publics],
        "texts": listed(texts),
        "seeds": listed(seeds),
    }


def files():
    return {
        "sealed/records.json": records(),
        "sealed/unopenable.json": unopenable(),
        "sealed/values.json": values(),
        "sealed/openings.json": openings(),
        "sealed/wraps.json": wraps(),
        **log.files(),
        **statements.files(),
    }


def main(task):
    other = []
    for path, content in files().items():
        made = json.dumps(content, indent=1) + "\n"
        path = ROOT / path
        if task == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made)
        elif not path.exists() or path.read_text() != made:
            other.append(str(path))
    if other:
        sys.exit("not as vectors.py makes them: " + ", ".join(other))


if __name__ == "__main__":
    if sys.argv[1:] not in (["write"], ["check"]):
        sys.exit("usage: vectors.py write|check")
    main(sys.argv[1])
