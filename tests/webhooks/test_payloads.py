"""What receivers get, to the byte."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection

from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.statements import prepared_by_index
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.cast import Cast
from webhooks.arrays import array_of, array_of_texts
from webhooks.payloads import Message, kept_payload, messages_of


def noted(cast: Cast, **fields: object) -> AuditEvent:
    """A record of Acme."""
    values = {
        "event": "key.created", "actor_kind": "user", "actor_id": "usr_x", "actor_label": "o@acme.example",
        "target_kind": "key", "target_id": "key_x", "target_label": "B\u00fcro \U0001f511 \"x\"", "result": "done",
        "data": {"project": "prj_x"}, "ip": "203.0.113.9", "user_agent": "", "request_id": "req_x",
    }  # fmt: skip
    with tenant_scope(cast.acme.id):
        row = AuditEvent.objects.create(**{**values, **fields})
        row.refresh_from_db()
    return row


def messages(records: list[UUID]) -> dict[str, Message]:
    with system_scope("test"), prepared_by_index() as prepared:
        return messages_of(prepared, [str(each) for each in records])


def test_a_payload_is_the_whole_record_and_the_same_bytes_each_time(cast: Cast):
    row = noted(cast)
    with tenant_scope(cast.acme.id):
        body = kept_payload(row.id)
    assert messages([row.id]) == {str(row.id): (row.public_id, body)}
    moment = row.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    assert json.loads(body or b"") == {
        "type": "key.created",
        "timestamp": moment,
        "data": {
            "id": public_id("evt", row.id),
            "organization_id": public_id("org", cast.acme.id),
            "actor": {"kind": "user", "id": "usr_x", "label": "o@acme.example"},
            "target": {"kind": "key", "id": "key_x", "label": row.target_label},
            "result": "done",
            "data": {"project": "prj_x"},
            "ip": "203.0.113.9",
            "user_agent": "",
            "request_id": "req_x",
            "created_at": moment,
        },
    }


def test_a_payload_without_target_and_address_says_none_and_one_with_a_huge_number_keeps_it(cast: Cast):
    row = noted(cast, target_kind="", ip=None, data={"number": 2**70, "text": '\n\\u0041"\u2028'})
    with tenant_scope(cast.acme.id):
        found = json.loads(kept_payload(row.id) or b"")["data"]
    assert (found["target"], found["ip"]) == (None, None)
    assert found["data"] == {"number": 2**70, "text": '\n\\u0041"\u2028'}


@pytest.mark.parametrize("moment", ["infinity", "0044-03-15 BC", "20000-01-01"])
def test_a_record_of_a_time_that_nobody_can_read_keeps_no_other_back(cast: Cast, moment: str):
    row, odd = noted(cast), new_id()
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_event (id, org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, "
            "target_id, target_label, result, data, user_agent, request_id) "
            "VALUES (%s, %s, %s, 'key.created', '', '', '', '', '', '', 'done', '{}', '', '')",
            [odd, cast.acme.id, moment],
        )
        assert kept_payload(odd) is None
    assert list(messages([odd, row.id])) == [str(row.id)]


def test_nothing_is_told_of_records_of_others_or_of_none(cast: Cast):
    row = noted(cast)
    with tenant_scope(cast.globex.id):
        assert kept_payload(row.id) is None
    assert list(messages([row.id, new_id()])) == [str(row.id)]
    assert messages([new_id()]) == {}


@pytest.mark.parametrize(
    ("texts"),
    [[], [""], ["NULL", "null", " "], ["a,b", "{}", '"', "\\", '\\"'], ["\n\r\t\x01", "\u2028\U0001f511"]],
)
def test_texts_come_back_as_they_were(db, texts: list[str]):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[]", [array_of_texts(texts)])
        assert cursor.fetchone() == (texts,)


def test_values_come_back_as_they_were(db):
    moment, row_id = datetime(2026, 1, 1, 10, 0, 0, 5, UTC), new_id()
    with connection.cursor() as cursor:
        given = [array_of([1, None, -2]), array_of([moment, None]), array_of([row_id, str(row_id)]), array_of([])]
        cursor.execute("SELECT %s::int[], %s::timestamptz[], %s::uuid[], %s::int[]", given)
        assert cursor.fetchone() == ([1, None, -2], [moment, None], [row_id, row_id], [])
