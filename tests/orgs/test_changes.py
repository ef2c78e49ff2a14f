"""What processes are told of the rows that they keep: everything that was committed, once, and nothing else."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.models import Key
from orgs import changes
from orgs.changes import ChangeFeed
from orgs.models import Change, Membership, Organization, ServiceAccount, ServiceGrant, User
from orgs.tidying import tidy
from projects.models import Domain, Project, ProjectMembership
from tests.cast import Cast

Told = list[tuple[str, UUID | None]]


@pytest.fixture
def told() -> Told:
    """What the feed of the test has told."""
    return []


@pytest.fixture
def feed(told: Told) -> ChangeFeed:
    """One that reads when the test says so, and has read what was before."""
    feed = ChangeFeed()
    feed.subscribe(lambda kind, entity: told.append((kind, entity)))
    return feed


def listening(feed: ChangeFeed, told: Told) -> None:
    feed.read()
    told.clear()


CHANGES: dict[str, Callable[[Cast], Any]] = {
    "key": lambda cast: Key.objects.filter(id=cast.key.id).update(permissions=[]),
    "project": lambda cast: Project.objects.filter(id=cast.project.id).update(status="archived"),
    "domain": lambda cast: Domain.objects.create(
        project=cast.project, pattern="a.example", is_loopback=False, created_by="x"
    ),
    "organization": lambda cast: Organization.objects.filter(id=cast.acme.id).update(status="disabled"),
    "membership": lambda cast: Membership.objects.of_user(cast.viewer.id).update(role="admin"),
    "project role": lambda cast: ProjectMembership.objects.create(
        project=cast.project, membership=Membership.objects.of_user(cast.viewer.id).get(), role="admin"
    ),
    "grant": lambda cast: ServiceGrant.objects.create(
        account=ServiceAccount.objects.create(name="A"), permissions=["keys:verify"], granted_by="x"
    ),
    "person": lambda cast: User.objects.filter(id=cast.viewer.id).update(is_active=False),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_noted_with_what_is_kept_of_it(cast: Cast, feed: ChangeFeed, told: Told, name: str):
    expected = {
        "key": (Change.Kind.KEY, cast.key.id), "project": (Change.Kind.PROJECT, cast.project.id),
        "domain": (Change.Kind.PROJECT, cast.project.id), "organization": (Change.Kind.ORGANIZATION, cast.acme.id),
        "membership": (Change.Kind.ACCESS, cast.acme.id), "project role": (Change.Kind.ACCESS, cast.acme.id),
        "grant": (Change.Kind.ACCESS, cast.acme.id), "person": (Change.Kind.USER, cast.viewer.id),
    }  # fmt: skip
    listening(feed, told)
    with tenant_scope(cast.acme.id):
        CHANGES[name](cast)
    feed.read()
    assert told == [expected[name]]


def test_counting_remaining_uses_is_no_change(cast: Cast, feed: ChangeFeed, told: Told):
    listening(feed, told)
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(remaining=5)
    feed.read()
    assert told == []


def test_a_change_is_told_once_and_one_that_is_rolled_back_never(cast: Cast, feed: ChangeFeed, told: Told):
    listening(feed, told)
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(permissions=[])
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Project.objects.filter(id=cast.project.id).update(status="archived")
            raise ZeroDivisionError
    feed.read()
    feed.read()
    assert told == [("key", cast.key.id)]


def test_a_transaction_that_commits_after_younger_ones_is_not_missed(
    committed_cast: Cast, feed: ChangeFeed, told: Told
):
    listening(feed, told)
    changed, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with tenant_scope(committed_cast.acme.id), transaction.atomic():
            Key.objects.filter(id=committed_cast.key.id).update(permissions=[])
            changed.set()
            go_on.wait(20)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert changed.wait(20)
    with tenant_scope(committed_cast.acme.id):
        Project.objects.filter(id=committed_cast.project.id).update(status="archived")
    feed.read()
    feed.read()
    assert told == [("project", committed_cast.project.id)]
    go_on.set()
    thread.join(20)
    feed.read()
    feed.read()
    assert told == [("project", committed_cast.project.id), ("key", committed_cast.key.id)]


def test_what_is_kept_may_be_used_for_a_second_after_the_start_of_a_reading(feed: ChangeFeed, cast: Cast):
    feed.start = lambda: None  # type: ignore[method-assign] # the test reads by itself
    assert not feed.is_fresh
    before = time.monotonic()
    feed.read()
    assert feed.is_fresh
    assert before < feed.usable_until <= time.monotonic() + changes.MAXIMUM_AGE
    feed.usable_until = time.monotonic()
    assert not feed.is_fresh


def test_a_database_that_went_back_in_time_makes_everything_unknown(feed: ChangeFeed, told: Told, cast: Cast):
    listening(feed, told)
    feed._lower += 1_000_000
    feed.read()
    assert told[0] == ("", None)


def test_whoever_was_silent_for_long_begins_from_nothing(feed: ChangeFeed, told: Told, cast: Cast):
    listening(feed, told)
    feed._read_at -= changes.LONGEST_SILENCE + 1
    feed.read()
    assert told == [("", None)]


def test_old_notes_are_forgotten_and_young_ones_kept(cast: Cast):
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(permissions=[])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orgs_change SET made_at = now() - interval '2 hours' WHERE kind <> 'key'")
    tidy()
    with system_scope("a test looks at everything"):
        assert set(Change.objects.values_list("kind", flat=True)) == {"key"}


def test_a_deletion_past_every_service_is_told(cast: Cast, feed: ChangeFeed, told: Told):
    listening(feed, told)
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute("DELETE FROM keys_key WHERE id = %s", [cast.key.id])
    feed.read()
    assert ("key", cast.key.id) in told
