"""What people and programs see of the chain: pages, REST, and a log that is verified without us."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.checkpoints import make_checkpoint
from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from tests.audit.months import write_at
from tests.audit.test_sealing import seal_everything, write
from tests.browsers import signed_in
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper
from tests.conftest import JSONClient
from tests.texts import without_what_varies

EVENTS = "/api/v1/orgs/acme/audit-events"
CHECKPOINTS = "/api/v1/orgs/acme/audit-checkpoints"
AUDIT = "/orgs/acme/audit/"


@pytest.fixture
def sealed(committed_cast: Cast) -> Cast:
    """Acme's log, in which all is sealed and signed but the last two records."""
    write(committed_cast.acme.id, 3)
    committed_cast.token(committed_cast.viewer), committed_cast.token(committed_cast.outsider)
    seal_everything()
    make_checkpoint(committed_cast.acme.id)
    write(committed_cast.acme.id, 2)
    return committed_cast


def program(cast: Cast, user: Any) -> JSONClient:
    return JSONClient(cast.token(user))


def browser(user: Any) -> Client:
    return signed_in(Client(), user)


def records(cast: Cast) -> list[dict[str, Any]]:
    return program(cast, cast.viewer).get(f"{EVENTS}?limit=100").json()["data"]


def test_rest_tells_the_place_of_each_record(sealed: Cast):
    rows = records(sealed)
    assert [(row["sequence"], row["sealed"]) for row in rows[:2]] == [(None, False)] * 2
    places = [row["sequence"] for row in rows[2:]]
    assert sorted(places) == list(range(1, len(rows) - 1))
    assert all(row["sealed"] for row in rows[2:])
    one = program(sealed, sealed.viewer).get(f"{EVENTS}/{rows[2]['id']}").json()
    assert one == rows[2]


def test_checkpoints_are_listed_for_ones_own_organization_alone(sealed: Cast):
    answer = program(sealed, sealed.viewer).get(CHECKPOINTS)
    (row,) = answer.json()["data"]
    assert row["organization_id"] == sealed.acme.public_id
    assert row["sequence"] == len(records(sealed)) - 2
    assert len(bytes.fromhex(row["digest"])) == 32
    assert program(sealed, sealed.outsider).get(CHECKPOINTS).status_code == 404
    assert program(sealed, sealed.outsider).get("/api/v1/orgs/globex/audit-checkpoints").json()["data"] == []


def test_the_log_says_up_to_where_it_is_sealed(sealed: Cast):
    page = browser(sealed.viewer).get(AUDIT).content.decode()
    assert f"record {len(records(sealed)) - 2}</a>" in page
    assert "2 newer records will follow within seconds" in page
    assert "Sealing is behind" not in page


def test_the_last_seal_leads_to_no_record_that_the_plan_keeps_no_more(committed_cast: Cast):
    tamper("DELETE FROM audit_event")
    write_at(committed_cast.acme.id, timezone.now() - timedelta(days=91))
    seal_everything()
    page = browser(committed_cast.viewer).get(AUDIT).content.decode()
    assert "Sealed up to record 1," in page
    with tenant_scope(committed_cast.acme.id):
        assert AuditEvent.objects.get().public_id not in page
    write(committed_cast.acme.id)
    seal_everything()
    assert "record 2</a>" in browser(committed_cast.viewer).get(AUDIT).content.decode()


def test_the_log_says_when_sealing_is_behind(sealed: Cast):
    tamper("UPDATE audit_event SET created_at = created_at - interval '2 minutes'")
    page = browser(sealed.viewer).get(AUDIT).content.decode()
    assert "Sealing is behind" in page
    assert "will follow within seconds" not in page


def test_a_log_without_a_seal_says_nothing_of_it(committed_cast: Cast):
    page = browser(committed_cast.viewer).get(AUDIT).content.decode()
    assert "Sealed up to" not in page


def test_a_record_shows_its_place_and_whether_it_holds(sealed: Cast):
    newest, *_, first = [row["id"] for row in sorted(records(sealed), key=lambda row: -(row["sequence"] or 10**9))]
    page = browser(sealed.viewer)
    assert "Not sealed yet" in page.get(f"{AUDIT}{newest}/").content.decode()
    whole = page.get(f"{AUDIT}{first}/").content.decode()
    assert "Holds" in whole
    assert "does not fit its seal" not in whole
    for event in (first, records(sealed)[2]["id"]):
        tamper("UPDATE audit_event SET actor_label = 'Somebody else'")
        assert "does not fit its seal" in page.get(f"{AUDIT}{event}/").content.decode()


def test_the_page_takes_the_same_queries_for_few_and_many(sealed: Cast):
    client = browser(sealed.viewer)
    client.get(AUDIT)
    with CaptureQueriesContext(connection) as few:
        client.get(AUDIT)
    write(sealed.acme.id, 20)
    seal_everything()
    with CaptureQueriesContext(connection) as many:
        client.get(AUDIT)
    assert len(few) == len(many)
    with CaptureQueriesContext(connection) as listed:
        program(sealed, sealed.viewer).get(f"{EVENTS}?limit=2")
    with CaptureQueriesContext(connection) as listed_more:
        program(sealed, sealed.viewer).get(f"{EVENTS}?limit=30")
    assert len(listed) == len(listed_more)


def test_a_tampered_record_says_so_by_its_address_too(sealed: Cast):
    with tenant_scope(sealed.acme.id):
        event = AuditEvent.objects.order_by("id").first()
    tamper("DELETE FROM audit_event WHERE id = %s", event.id)
    absent = browser(sealed.viewer).get(f"{AUDIT}{public_id('evt', event.id)}/")
    assert absent.status_code == 404
    assert "Holds" not in without_what_varies(absent.content.decode())
