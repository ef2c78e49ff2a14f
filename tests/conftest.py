"""Fixtures of the whole suite: real PostgreSQL and Valkey, the cast, and the doors that people and programs use."""

import gc
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import time_machine
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client, TransactionTestCase

from config.kernel import throttling
from keys import signing
from orgs.models import User
from tests import database
from tests.brokers import Broker, another_broker
from tests.browser import site
from tests.browsers import signed_in
from tests.cast import Cast, standing
from tests.servers import WORKER
from tests.zones import Zone, served

MODULE_BEFORE = pytest.StashKey[str]()


def pytest_configure() -> None:
    """Hashing slowly is for attackers, not for tests; and how long an example takes is up to what else runs here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    too_slow = hypothesis.HealthCheck.too_slow
    hypothesis.settings.register_profile("unhurried", deadline=None, suppress_health_check=[too_slow])
    hypothesis.settings.load_profile("unhurried")


def pytest_collection_finish() -> None:
    """What was collected stays until the end, so the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: Any) -> Iterator[None]:
    """The worker's database, made by the owner and used as the runtime role."""
    with django_db_blocker.unblock():
        name = database.create_test_database(WORKER)
        connection.close()
        connections["default"].settings_dict["NAME"] = name
        connections["default"].settings_dict["CONN_MAX_AGE"] = 0
        standing.set_up(name)

    def after_commits(_test: Any) -> None:
        standing.put_back()

    TransactionTestCase._fixture_teardown = after_commits  # type: ignore[method-assign]
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    database.drop_test_database(name)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Rate limits, nonces and remembered keys of one test must not meet the next."""
    cache.clear()
    signing.forget()
    throttling.forget_turns()


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> None:
    """Modules come in any order, so none may leave anything: neither its tests nor what it started and ended."""
    changed, before = standing.changed(), request.config.stash.get(MODULE_BEFORE, "")
    request.config.stash[MODULE_BEFORE] = request.node.nodeid
    if changed:
        standing.put_back()
        pytest.fail(f"{before} left other rows than it found in {', '.join(changed)}")


@pytest.fixture
def cast(db: None) -> Cast:
    """Acme's people, and the outsider."""
    return standing.copy()


@pytest.fixture
def committed_cast(transactional_db: None) -> Cast:
    """The cast for tests over several connections, which commit what they do."""
    return standing.copy()


@pytest.fixture(scope="module")
def surrounded(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Any]]:
    """`surrounded(furnish)`: what `furnish(cast)` makes stands beside the cast for all tests of the module.

    Its answer is a function that returns a copy of what `furnish` returned. For modules whose many tests need the same
    many rows, all of them, so that no test finds more or less than it would alone.
    """
    with ExitStack() as stack:

        def surround(furnish: Callable[[Cast], Any]) -> Callable[[], Any]:
            with django_db_blocker.unblock():
                return stack.enter_context(standing.surrounded(furnish))

        yield surround
        with django_db_blocker.unblock():
            stack.close()


@pytest.fixture(scope="module")
def web_servers(django_db_setup: None) -> Iterator[Callable[..., list[int]]]:
    """`web_servers({}, {"REDIS_URL": …})`: the ports of two web servers, the second with an environment of its own.

    They use the test's database and stand until the module ends. A server that ends writes what it gathered, after the
    last test has put the rows back: so they are put back once more.
    """
    with ExitStack() as stack:

        def serve(*given: Mapping[str, str], threads: int = 4) -> list[int]:
            home, ports = Path(os.environ["TENANTRY_HOME"]), [site.free_port() for _ in given]
            usual = [site.environment_of(f"test_{WORKER}", port=port, home=home) for port in ports]
            environments = [{**each, **own} for each, own in zip(usual, given, strict=True)]
            stack.enter_context(site.web_servers(environments, threads=threads))
            return ports

        stack.callback(standing.put_back)
        yield serve


@pytest.fixture
def empty_installation(transactional_db: None) -> None:
    """Nobody and nothing, as after the first migrate."""
    database.empty_tables(connection.settings_dict["NAME"])


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time, which moves only when it is told to."""
    with time_machine.travel(datetime.now(UTC), tick=False) as moved:
        yield moved


class JSONClient(Client):
    """A program: sends JSON bodies and its credential."""

    def __init__(self, credential: str | None = None) -> None:
        super().__init__(**({"HTTP_AUTHORIZATION": f"Bearer {credential}"} if credential else {}))

    def generic(self, method: str, path: str, data: Any = "", *args: Any, **extra: Any) -> Any:
        return super().generic(method, path, data, *args, **extra)

    def _send(self, method: str, path: str, body: Any, extra: dict[str, Any]) -> Any:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self.generic(method, path, data, extra.pop("content_type", "application/json"), **extra)

    def post(self, path: str, body: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return self._send("POST", path, body, extra)

    def put(self, path: str, body: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return self._send("PUT", path, body, extra)

    def patch(self, path: str, body: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return self._send("PATCH", path, body, extra)

    def delete(self, path: str, body: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        return self._send("DELETE", path, body, extra)


@pytest.fixture
def api(cast: Cast) -> Callable[[User | str | None], JSONClient]:
    """`api(cast.owner)` is a program with their token, `api("sk_…")` one with a key, `api(None)` one with nothing."""

    def client(who: User | str | None) -> JSONClient:
        return JSONClient(cast.token(who) if isinstance(who, User) else who)

    return client


@pytest.fixture
def browse(cast: Cast) -> Callable[[User | None], Client]:
    """`browse(cast.owner)` is their signed-in browser."""

    def client(who: User | None) -> Client:
        return signed_in(Client(), who) if who is not None else Client()

    return client


@pytest.fixture(scope="session", autouse=True)
def name_server() -> Iterator[Zone]:
    """The DNS of the whole run, so that no test asks the real one."""
    zone = Zone()
    with served(zone) as settings.TENANTRY_DNS_RESOLVER:
        yield zone


@pytest.fixture
def zone(name_server: Zone) -> Iterator[Zone]:
    """The DNS, in which nothing exists until a test says so."""
    name_server.forget()  # tests without this fixture may have asked it
    yield name_server
    name_server.forget()


@pytest.fixture
def delivering(django_capture_on_commit_callbacks: Any) -> Callable[[], AbstractContextManager[None]]:
    """`with delivering():` does at its end what the worker would: mails are in `mailoutbox` then."""

    @contextmanager
    def deliver() -> Iterator[None]:
        current_app.conf.task_always_eager = True
        try:
            with django_capture_on_commit_callbacks(execute=True):
                yield
        finally:
            current_app.conf.task_always_eager = False

    return deliver


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """One that tasks are sent to, and that may be killed."""
    with another_broker(monkeypatch) as made:
        yield made
