"""Records that the vectors are about: the least, a small one, one with every field.

Not here: values that break the table (`vectors`).
"""

from sealed import FIELDS


def fields(**named):
    """The 24 values: those given, and `null`."""
    values = {"occurred_at": "2026-11-21T16:03:01.123Z", "op": "read", "outcome": {"result": "success"}} | named
    assert set(values) <= set(FIELDS)
    return [values.get(name) for name in FIELDS]


FULL = fields(
    native_op="pg:READ/SELECT",
    actor="s-1071",
    actor_session={"session": "s-1071@laptop", "role": "support_ro"},
    actor_entity="Example Vendor (CH) AG",
    actor_office_country="CH",
    actor_location_country={"country": "DE", "known": "network"},
    automated={"automated": True, "build": "ab" * 32},
    dataset="samples",
    data_category="sample-file",
    subject_region="EU",
    subject_ref="p-9f1c4e",
    object_count=2**53 - 1,
    storage_site="CH-ZH-1",
    purpose="THIRD_PARTY_REQUEST",
    legal_basis="legal-obligation",
    ticket="T-12 “quoted” \\ and /",
    recipient={"identity": "Bundesamt für Beispiele", "class": "authority", "country": "CH"},
    transfer_basis="none",
    outcome={"result": "partial", "native": "42501"},
    grant="rule:standing-support",
    native_id="lsn 0/16B3748",
    native_digest="cd" * 32,
    op="disclose",
)
WORKED = fields(actor="s-1071", actor_location_country={"country": "CH", "known": "badge"}, object_count=3)
