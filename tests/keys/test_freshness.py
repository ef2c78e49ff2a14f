"""Four server processes with warm memories: whatever changes, no question asked a second later gets the old answer."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import create_key, revoke_key
from orgs.services.organizations import disable_organization, enable_organization
from projects.services.domains import register_domain, remove_domain
from projects.services.projects import archive_project
from tests.browser import site
from tests.cast import Cast

SERVERS = 4
MAXIMUM_AGE = 1.0
PATIENCE = 20.0
pytestmark = pytest.mark.xdist_group("freshness")


@pytest.fixture(scope="module")
def ports(web_servers: Callable[..., list[int]]) -> list[int]:
    """Four web servers. The last two cannot reach Valkey."""
    away = {"REDIS_URL": f"redis://{site.ADDRESS}:{site.free_port()}/0"}
    return web_servers({}, {}, away, away, threads=2)


class World:
    """A caller that may ask, and a key that is asked about, in a project of its own."""

    def __init__(self, cast: Cast, ports: list[int]) -> None:
        self.cast, self.ports = cast, ports
        self.actor = cast.principal(cast.owner)
        with tenant_scope(cast.acme.id):
            self.key, self.plaintext = self.made(kind="secret", permissions=["usage:track"])
            self.page, self.public = self.made(kind="publishable")
            self.domain = register_domain(actor=self.actor, project_id=cast.project.id, domain="shop.example")
        self.everywhere("valid")

    def made(self, **fields: Any) -> tuple[Key, str]:
        values = {"mode": "live", "name": "Asked", "project_id": self.cast.project.id, **fields}
        return create_key(actor=SYSTEM, holder=frozenset(), **values)

    def ask(self, port: int, **question: Any) -> str:
        """The code that a server answers, or the status of a refusal."""
        conversation = http.client.HTTPConnection(site.ADDRESS, port, timeout=20)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.cast.secret_key}"}
            body = json.dumps({"key": self.plaintext, **question})
            conversation.request("POST", "/api/v1/keys/verify", body, headers)
            answer = conversation.getresponse()
            content = answer.read()
        finally:
            conversation.close()
        return json.loads(content)["code"] if answer.status == 200 else str(answer.status)

    def everywhere(self, code: str, **question: Any) -> None:
        """Asks each server until it answers so, and a second time from memory."""
        for port in self.ports:
            end = time.monotonic() + PATIENCE
            while (told := self.ask(port, **question)) != code:
                assert time.monotonic() < end, told
            assert self.ask(port, **question) == code

    def only_afterwards(self, change: Callable[[], Any], old: str, new: str, **question: Any) -> None:
        """After `change`: the old answer for a second at most, and then the new one only, from every server."""
        self.everywhere(old, **question)
        change()
        committed = time.monotonic()
        pending = set(self.ports)
        while pending or time.monotonic() < committed + MAXIMUM_AGE + 0.5:
            for port in self.ports:
                asked = time.monotonic()
                told = self.ask(port, **question)
                assert told in (old, new)
                assert told == new or asked < committed + MAXIMUM_AGE, f"{told} {asked - committed:.2f} s later"
                if told == new:
                    pending.discard(port)


@pytest.fixture
def world(committed_cast: Cast, ports: list[int]) -> World:
    """Everything known to every server."""
    return World(committed_cast, ports)


def test_a_revoked_key(world: World):
    def revoke() -> None:
        with tenant_scope(world.cast.acme.id):
            revoke_key(actor=world.actor, project_id=world.cast.project.id, key=world.key.public_id)

    world.only_afterwards(revoke, "valid", "revoked")


def test_a_permission_taken_from_a_key_past_every_service(world: World):
    def take() -> None:
        with tenant_scope(world.cast.acme.id):
            Key.objects.filter(id=world.key.id).update(permissions=[])

    world.only_afterwards(take, "valid", "permission_missing", permission="usage:track")


def test_a_key_deleted_by_raw_sql(world: World):
    def delete() -> None:
        with tenant_scope(world.cast.acme.id), connection.cursor() as cursor:
            cursor.execute("DELETE FROM keys_key WHERE id = %s", [world.key.id])

    world.only_afterwards(delete, "valid", "not_found")


def test_a_disabled_organization_and_an_enabled_one(world: World):
    def disable() -> None:
        with tenant_scope(world.cast.acme.id):
            disable_organization(actor=SYSTEM, reason="A test")

    def enable() -> None:
        with tenant_scope(world.cast.acme.id):
            enable_organization(actor=SYSTEM)

    world.only_afterwards(disable, "valid", "401")
    world.only_afterwards(enable, "401", "valid")


def test_an_archived_project(world: World):
    def archive() -> None:
        with tenant_scope(world.cast.acme.id):
            archive_project(actor=world.actor, project_id=world.cast.project.id)

    world.only_afterwards(archive, "valid", "401")  # the asking key is of that project too


def test_a_domain_that_is_no_longer_registered(world: World):
    def remove() -> None:
        with tenant_scope(world.cast.acme.id):
            remove_domain(actor=world.actor, project_id=world.cast.project.id, domain=world.domain.public_id)

    world.plaintext = world.public
    world.only_afterwards(remove, "valid", "origin_not_allowed", origin="https://shop.example")


def test_servers_that_lose_their_database_connections_go_on_rightly(world: World):
    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )

    world.everywhere("valid")
    cut()
    with tenant_scope(world.cast.acme.id):
        revoke_key(actor=world.actor, project_id=world.cast.project.id, key=world.key.public_id)
    committed = time.monotonic()
    cut()
    for port in world.ports:
        end = time.monotonic() + PATIENCE
        while True:
            asked = time.monotonic()
            told = world.ask(port)
            assert told != "valid" or asked < committed + MAXIMUM_AGE
            if told == "revoked":
                break
            assert asked < end, told
            time.sleep(0.05)


def test_a_limited_key_is_refused_where_nobody_can_count(world: World):
    with tenant_scope(world.cast.acme.id):
        Key.objects.filter(id=world.key.id).update(rate_limit=1000, rate_window_seconds=3600)
    time.sleep(MAXIMUM_AGE)
    assert [world.ask(port) for port in world.ports] == ["valid", "valid", "rate_limited", "rate_limited"]
