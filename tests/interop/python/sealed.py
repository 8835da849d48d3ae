"""Sealed records from the page of the leaf format alone: fields, commitments, sealing, openings, wraps, requests.

Written from the page and from nothing else, so that it can disagree with `spec`. Here strings are the words of the
format and bytes are bytes. Not here: the standards beneath (`primitives`), files of vectors (`vectors`).
"""

import base64
import hashlib
import json
import re
from datetime import date

import primitives

FIELDS = (
    "occurred_at op native_op actor actor_session actor_entity actor_office_country actor_location_country automated "
    "dataset data_category subject_region subject_ref object_count storage_site purpose legal_basis ticket recipient "
    "transfer_basis outcome grant native_id native_digest"
).split()
NONCE = bytes(12)
EVENT = "application/vnd.in-toto+json"


def b64(data):
    return base64.b64encode(data).decode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def jcs(value):
    """RFC 8785 for what the strict rules let through: integers, and member names of ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def strict(data):
    """A value under the strict rules; ValueError for anything else. Only what a JCS comparison would not show."""

    def refuse(text):
        raise ValueError(text)

    def whole(text):
        return int(text) if abs(int(text)) < 2**53 else refuse(text)

    return json.loads(data, parse_int=whole, parse_float=refuse, parse_constant=refuse)


def u(bits, number):
    return number.to_bytes(bits // 8, "big")


def lp(text):
    data = text.encode()
    return u(16, len(data)) + data


def hkdf(key, info):
    return primitives.hkdf_expand(primitives.hkdf_extract(b"", key), info, 32)


# Fields: the words of section 5.

OBEYED = re.compile("[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def text(most):
    return lambda v: isinstance(v, str) and 1 <= len(v.encode()) <= most and not OBEYED.search(v)


def matches(pattern):
    return lambda v: isinstance(v, str) and re.fullmatch(pattern, v, re.ASCII) is not None


def one_of(words):
    return lambda v: isinstance(v, str) and v in words.split()


def either(*checks):
    return lambda v: any(check(v) for check in checks)


def integer(v):
    return type(v) is int and 0 <= v < 2**53


def boolean(v):
    return type(v) is bool


def members(**table):
    """Exactly these members; a name with an underscore at its end may be missing."""

    def check(v):
        if not isinstance(v, dict):
            return False
        for name, word in table.items():
            bare = name.rstrip("_")
            if bare not in v and name == bare or bare in v and not word(v[bare]):
                return False
        return set(v) <= {name.rstrip("_") for name in table}

    return check


def instant(v):
    parts = isinstance(v, str) and re.fullmatch(
        r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z", v, re.ASCII
    )
    try:
        return bool(parts) and bool(date.fromisoformat(parts[1]))
    except ValueError:
        return False


country = matches("[A-Z]{2}")
region = matches("[A-Z][A-Z0-9-]{1,15}")
site = matches("[A-Z]{2}(-[A-Z0-9]{1,8}){1,3}")
digest = matches("[0-9a-f]{64}")
rule = matches("rule:[a-z0-9](?=[a-z0-9-]{1,62}[a-z0-9]$)[a-z0-9-]+")
unknown = one_of("UNKNOWN")

WORDS = {
    "occurred_at": instant,
    "op": one_of("store alter read disclose delete destroy"),
    "native_op": text(256),
    "actor": text(256),
    "actor_session": members(session=text(256), role_=text(256)),
    "actor_entity": text(256),
    "actor_office_country": country,
    "actor_location_country": members(country=country, known=one_of("badge network declared none")),
    "automated": members(automated=boolean, build_=digest),
    "dataset": text(128),
    "data_category": one_of("sample-file file-metadata telemetry account licence support UNKNOWN"),
    "subject_region": either(region, one_of("MIXED UNKNOWN")),
    "subject_ref": text(128),
    "object_count": integer,
    "storage_site": either(site, unknown),
    "purpose": one_of(
        "CUSTOMER_SUPPORT PROVIDER_SERVICE PROVIDER_REVIEW THIRD_PARTY_REQUEST PRODUCTION_ALERT AUTOMATED_PROCESSING "
        "SUPERVISOR_AUDIT DATA_SUBJECT_REQUEST UNKNOWN"
    ),
    "legal_basis": one_of("consent contract legal-obligation vital public-task legitimate-interest n/a UNKNOWN"),
    "ticket": text(128),
    "recipient": members(
        identity=text(256), **{"class": one_of("authority customer partner processor other")}, country=country
    ),
    "transfer_basis": one_of("adequacy safeguards exception none UNKNOWN"),
    "outcome": members(result=one_of("success refused error partial"), native_=text(128)),
    "grant": either(digest, rule),
    "native_id": text(256),
    "native_digest": digest,
}


def wrong_field(values):
    """The name of the first field that breaks the table, or None."""
    by_name = dict(zip(FIELDS, values))
    for name, value in by_name.items():
        if value is None:
            if name in ("occurred_at", "op", "outcome") or name == "recipient" and by_name["op"] == "disclose":
                return name
        elif not WORDS[name](value) or len(jcs(value)) > 1024:
            return name
    return None


# Commitments.


def salt(k, name):
    return hkdf(k, b"vitrine/v0/salt/" + name.encode())


def commitment(name, salt_f, value):
    data = jcs(value)
    return sha256(b"vitrine/v0/commit\x00", salt_f, lp(name), u(32, len(data)), data)


def commitments(k, values):
    return [commitment(name, salt(k, name), value) for name, value in zip(FIELDS, values)]


def commit(all_24):
    return sha256(b"vitrine/v0/fields\x00", *all_24)


def opening(event_id, k, values, shown):
    """The bytes of an opening that shows the fields of these numbers."""
    fields = [
        [value, b64(salt(k, name))] if i in shown else b64(commitment(name, salt(k, name), value))
        for i, (name, value) in enumerate(zip(FIELDS, values))
    ]
    return jcs({"event_id": event_id, "fields": fields})


# Sealing.


def check(w):
    return sha256(b"vitrine/v0/check\x00", w)


def ctx(commit_, header):
    return commit_ + sha256(jcs(header))


def pad(values, k=None):
    data = jcs(values)
    k = k or (4 + len(data) + 1023) // 1024
    return (u(32, len(data)) + data).ljust(1024 * k, b"\x00")


def seal_key(k, ctx_):
    return hkdf(k, b"vitrine/v0/seal\x00" + ctx_)


def slot_key(w, ctx_):
    return hkdf(w, b"vitrine/v0/slot\x00" + ctx_)


def seal(k, w, ctx_, plain):
    """The slot and the ciphertext; the record is both."""
    slot = primitives.aead_seal(slot_key(w, ctx_), NONCE, b"", k)
    return slot, primitives.aead_seal(seal_key(k, ctx_), NONCE, b"", plain)


def open_record(w, payload, record):
    """K and the values of a record, or the step at which it does not open."""
    predicate = json.loads(payload)["predicate"]
    sealed, commit_ = predicate["sealed"], bytes.fromhex(predicate["commit"])
    if len(record) != sealed["size"] or sha256(record).hex() != sealed["sha256"]:
        return "erased" if len(record) == sealed["size"] and not any(record) else "mismatch"
    ctx_ = ctx(commit_, predicate["hdr"])
    k = primitives.aead_open(slot_key(w, ctx_), NONCE, b"", record[:48])
    if k is None:
        return "slot"
    plain = primitives.aead_open(seal_key(k, ctx_), NONCE, b"", record[48:])
    if plain is None:
        return "cipher"
    length = int.from_bytes(plain[:4], "big")
    data, rest = plain[4 : 4 + length], plain[4 + length :]
    if len(data) != length or any(rest):
        return "padding"
    try:
        values = strict(data)
    except ValueError:
        return "values"
    if not isinstance(values, list) or len(values) != len(FIELDS) or jcs(values) != data:
        return "values"
    if commit(commitments(k, values)) != commit_:
        return "commitment"
    wrong = wrong_field(values)
    return wrong or (k, values)


# Wraps.


def reader_key_id(public):
    return sha256(b"vitrine/v0/reader\x00", public)[:8]


def wrap_info(origin, issuer, epoch, seq, reader):
    return b"vitrine/v0/wrap\x00" + lp(origin) + lp(issuer) + u(32, epoch) + u(64, seq) + lp(reader)


# Statements and envelopes.


def vkey(name, seed):
    """A vkey of type 0x01, and its keyid."""
    key = b"\x01" + primitives.ed25519_public(seed)
    keyid = f"{name}+{sha256(name.encode(), bytes([10]), key)[:4].hex()}"
    return f"{keyid}+{b64(key)}", keyid


def pae(payload_type, payload):
    return b"DSSEv1 %d %b %d %b" % (len(payload_type), payload_type.encode(), len(payload), payload)


def envelope(payload_type, payload, seeds):
    """A signed envelope as an object; `seeds` by keyid."""
    signed = pae(payload_type, payload)
    signatures = [{"keyid": name, "sig": b64(primitives.ed25519_sign(seed, signed))} for name, seed in seeds.items()]
    signatures.sort(key=lambda line: line["keyid"])
    return {"payload": b64(payload), "payloadType": payload_type, "signatures": signatures}


def statement(kind, subject, predicate):
    """The payload of an event; `subject` is elements, or the digests of those that have nothing else."""
    return jcs(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [some if isinstance(some, dict) else {"digest": {"sha256": some}} for some in subject],
            "predicateType": f"https://vitrine.example/{kind}/v0",
            "predicate": predicate,
        }
    )


def access(header, key, k, w, values, plain=None):
    """An access with everything on the way to it."""
    all_24 = commitments(k, values)
    commit_ = commit(all_24)
    ctx_ = ctx(commit_, header)
    plain = plain or pad(values)
    slot, cipher = seal(k, w, ctx_, plain)
    record = slot + cipher
    sealed = {"key": key, "sha256": sha256(record).hex(), "size": len(record)}
    predicate = {"hdr": header, "body": {}, "commit": commit_.hex(), "sealed": sealed}
    payload = statement("access", [sealed["sha256"]], predicate)
    return {
        "salts": [salt(k, name).hex() for name in FIELDS],
        "commitments": [c.hex() for c in all_24],
        "commit": commit_.hex(),
        "header": jcs(header).decode(),
        "header_sha256": sha256(jcs(header)).hex(),
        "ctx": ctx_.hex(),
        "plain": plain,
        "seal_key": seal_key(k, ctx_).hex(),
        "slot_key": slot_key(w, ctx_).hex(),
        "cipher": cipher,
        "slot": slot.hex(),
        "record": record,
        "payload": payload.decode(),
        "event_id": sha256(pae(EVENT, payload)).hex(),
    }
