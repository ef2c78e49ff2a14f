"""Who gets which delivery: one worker each, in turn between endpoints, and only what may be sent now."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs.encryption import seal
from orgs.models import Organization
from tests.at_once import at_once
from tests.cast import Cast
from webhooks import claiming
from webhooks.answers import Call
from webhooks.claiming import LEASE, Claims
from webhooks.models import Delivery, Endpoint
from webhooks.services.secrets import new_secret
from webhooks.signing import keys_of


@pytest.fixture
def clock():
    """The time, which moves only when it is told to."""
    with time_machine.travel(datetime.now(UTC), tick=False) as moved:
        yield moved


def endpoint_with(organization: Organization, deliveries: int, **fields) -> Endpoint:
    """An endpoint with so many deliveries that have been due for a while. Their records are in no ledger."""
    with tenant_scope(organization.id):
        endpoint = Endpoint(url="https://x.example/", events=["*"], created_by="usr_x", **fields)
        seal(endpoint, "secret", new_secret())
        endpoint.save()
        Delivery.objects.bulk_create(
            Delivery(endpoint=endpoint, event_id=UUID(int=number), event="key.created", due_at=timezone.now())
            for number in range(deliveries)
        )
    return endpoint


def taken_of(claims: list, endpoint: Endpoint) -> int:
    return sum(claim.target.id == str(endpoint.id) for claim in claims)


def test_each_endpoint_gets_its_turn_however_much_another_has_waiting(cast: Cast):
    crowded, quiet = endpoint_with(cast.acme, 40), endpoint_with(cast.globex, 1)
    taken = Claims().take(100, room=3)
    assert (taken_of(taken, crowded), taken_of(taken, quiet)) == (3, 1)


def test_the_turn_goes_round_when_there_is_little_room(cast: Cast):
    endpoints = [endpoint_with(cast.acme, 6) for _ in range(4)]
    claims = Claims()
    taken = [claim for _ in range(4) for claim in claims.take(2, room=2)]
    assert [taken_of(taken, endpoint) for endpoint in endpoints] == [2, 2, 2, 2]


def test_the_turn_goes_round_more_endpoints_than_one_claim_looks_at(cast: Cast, monkeypatch):
    monkeypatch.setattr(claiming, "LOOKED_AT", 2)
    endpoints = [endpoint_with(cast.acme, 1) for _ in range(5)]
    claims = Claims()
    taken = [claim for _ in range(4) for claim in claims.take(10, room=2)]
    assert [taken_of(taken, endpoint) for endpoint in endpoints] == [1] * 5


def test_a_worker_takes_no_more_of_an_endpoint_than_it_has_room_for(cast: Cast):
    fast, dead = endpoint_with(cast.acme, 20), endpoint_with(cast.acme, 20)
    taken = Claims().take(100, room=2, rooms={str(fast.id): 15, str(dead.id): 0})
    assert (taken_of(taken, fast), taken_of(taken, dead)) == (15, 0)


def test_what_may_not_be_sent_now_is_left_alone(cast: Cast):
    later = timezone.now() + timedelta(minutes=1)
    endpoint_with(cast.acme, 2, held_until=later)
    endpoint_with(cast.acme, 2, state="disabled", disabled_cause="by_hand")
    endpoint_with(cast.globex, 2)
    Organization.objects.filter(id=cast.globex.id).update(status="disabled")
    future = endpoint_with(cast.acme, 2)
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(endpoint=future).update(due_at=later)
    assert Claims().take(100, room=10) == []
    with system_scope("test"):
        assert not Delivery.objects.filter(claimed_until__isnull=False).exists()


def test_what_is_taken_is_free_again_when_its_lease_is_over_or_it_is_let_go(cast: Cast, clock):
    endpoint = endpoint_with(cast.acme, 3)
    taken = Claims().take(100, room=10)
    assert Claims().take(100, room=10) == []
    Claims().release(taken[:1])
    again = Claims().take(100, room=10)
    assert [claim.id for claim in again] == [taken[0].id]
    clock.shift(LEASE)
    assert taken_of(Claims().take(100, room=10), endpoint) == 3


def test_letting_go_takes_nothing_from_who_has_it_now(cast: Cast, clock):
    endpoint_with(cast.acme, 1)
    old = Claims().take(1, room=1)
    clock.shift(LEASE)
    assert len(Claims().take(1, room=1)) == 1
    Claims().release(old)
    assert Claims().take(1, room=1) == []


def test_a_changed_endpoint_is_read_anew_at_once(cast: Cast):
    endpoint = endpoint_with(cast.acme, 3)
    claims = Claims()
    (before,) = claims.take(1, room=1)
    with tenant_scope(cast.acme.id):
        endpoint.url = "https://y.example/"
        seal(endpoint, "secret", new_secret())
        endpoint.save()
    (after,) = claims.take(1, room=1)
    assert (before.target.url, after.target.url) == ("https://x.example/", "https://y.example/")
    assert before.target.keys.secret != after.target.keys.secret


def test_an_endpoint_whose_secret_cannot_be_read_stops_no_other(cast: Cast):
    broken, fine = endpoint_with(cast.acme, 1), endpoint_with(cast.acme, 1)
    with tenant_scope(cast.acme.id):
        Endpoint.objects.filter(id=broken.id).update(secret=b"\x01 not what was sealed, and long enough")
    taken = Claims().take(10, room=2)
    assert [claim.target.id for claim in taken] == [str(fine.id)]


@pytest.mark.parametrize(
    ("column", "text"), [("secret", "whsec_no base64"), ("headers", "{"), ("signing_key", "whsk_")]
)
def test_an_endpoint_whose_secret_is_none_stops_no_other(cast: Cast, column: str, text: str):
    broken, fine = endpoint_with(cast.acme, 1), endpoint_with(cast.acme, 1)
    with tenant_scope(cast.acme.id):
        seal(broken, column, text)
        broken.save()
    taken = Claims().take(10, room=2)
    assert [claim.target.id for claim in taken] == [str(fine.id)]


def test_secrets_that_cannot_be_read_are_tried_once_for_each_change(cast: Cast, monkeypatch):
    tried = []
    monkeypatch.setattr(claiming, "keys_of", lambda endpoint: tried.append(endpoint.url) or keys_of(endpoint))
    broken = endpoint_with(cast.acme, 5)
    with tenant_scope(cast.acme.id):
        right = bytes(Endpoint.objects.get(id=broken.id).secret)
        Endpoint.objects.filter(id=broken.id).update(secret=b"\x01 not what was sealed, and long enough")
    claims = Claims()
    assert [claims.take(1, room=1) for _ in range(3)] == [[], [], []]
    assert tried == [broken.url]
    with tenant_scope(cast.acme.id):
        Endpoint.objects.filter(id=broken.id).update(secret=right)
    assert [taken_of(claims.take(1, room=1), broken) for _ in range(2)] == [1, 1]
    assert tried == [broken.url] * 2


def test_what_an_error_may_print_of_a_claim_and_a_call_tells_no_secret(cast: Cast):
    endpoint = endpoint_with(cast.acme, 1)
    with tenant_scope(cast.acme.id):
        endpoint.url = "https://x.example/the-secret-path"
        seal(endpoint, "headers", '{"Authorization": "Bearer the-bearer"}')
        endpoint.save()
    (claim,) = Claims().take(1, room=1)
    call = Call(claim.target.url, claim.target.headers, b"{}", claim)
    assert claim.target.headers == ("Authorization: Bearer the-bearer",)
    told = f"{claim!r} {call!r}"
    assert (str(endpoint.id) in told, "the-secret-path" in told, "the-bearer" in told) == (True, False, False)


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_claim_at_once_never_get_the_same(committed_cast: Cast, workers: int):
    for _ in range(3):
        endpoint_with(committed_cast.acme, 20)

    def work() -> list[str]:
        claims, found = Claims(), []
        while taken := claims.take(7, room=4):
            found += [claim.id for claim in taken]
        return found

    found = [each for one in at_once([work] * workers) for each in one]
    # A row that another one had locked at that moment is left for the next claim.
    found += [claim.id for claim in Claims().take(100, room=100)]
    assert len(found) == len(set(found)) == 60


def test_a_claim_holds_no_lock_beyond_its_statement(committed_cast: Cast):
    endpoint = endpoint_with(committed_cast.acme, 1)
    assert len(Claims().take(1, room=1)) == 1
    with tenant_scope(committed_cast.acme.id), transaction.atomic():
        assert Delivery.objects.select_for_update(nowait=True).get(endpoint=endpoint).claimed_until is not None
