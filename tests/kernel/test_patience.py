"""Guessing is slowed down: by whom, for how long, and never for the owner who comes from their own place."""

import threading
from collections.abc import Iterator

import pytest
import time_machine
from django.core.cache import cache

from config.kernel.context import RequestContext, request_context
from config.kernel.errors import RateLimited, Unavailable
from config.kernel.throttling import Secret, forgive, require_patience

OWNER = "olivia@acme.example"


@pytest.fixture(autouse=True)
def _clean() -> None:
    cache.clear()


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2026-03-01 12:00:00+00:00", tick=False) as moved:
        yield moved


def guess(account: str = OWNER, address: str = "192.0.2.1", device: str = "") -> int:
    """One wrong guess. Returns the seconds that it would have had to wait; 0 when somebody looked at it."""
    with request_context(RequestContext(ip=address)):
        try:
            require_patience(Secret.PASSWORD, account=account, device=device)
        except RateLimited as error:
            return error.retry_after
    return 0


def succeed(account: str = OWNER, address: str = "192.0.2.1", device: str = "") -> None:
    with request_context(RequestContext(ip=address)):
        require_patience(Secret.PASSWORD, account=account, device=device)
        forgive(Secret.PASSWORD, account=account, device=device)


def test_waits_double_up_to_the_longest_and_early_tries_do_not_count(clock: time_machine.Traveller):
    assert [guess() for _ in range(6)] == [0] * 6
    waits = []
    for _ in range(12):
        wait = guess()
        assert guess() == wait, "a refused try made the wait longer"
        waits.append(wait)
        clock.shift(wait)
        assert guess() == 0, "the try after the wait is looked at"
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_a_right_secret_after_the_wait_counts_and_forgets_what_was_wrong(clock: time_machine.Traveller):
    for _ in range(6):
        guess()
    clock.shift(guess())
    succeed()
    assert [guess() for _ in range(6)] == [0] * 6


def test_somebody_elsewhere_does_not_keep_the_owner_from_their_own_address(clock: time_machine.Traveller):
    succeed(address="192.0.2.1")
    for number in range(200):
        guess(address=f"198.51.100.{number}")
    assert guess(address="203.0.113.9") > 0, "guesses at one account from everywhere are counted together"
    assert guess(address="192.0.2.1") == 0


def test_somebody_elsewhere_does_not_keep_the_owner_from_their_own_browser(clock: time_machine.Traveller):
    for number in range(200):
        guess(address=f"198.51.100.{number}")
    assert guess(address="203.0.113.9", device="their laptop") == 0
    for _ in range(6):
        guess(address="203.0.113.9", device="their laptop")
    assert guess(address="203.0.113.10", device="their laptop") > 0, "a browser that somebody took may guess no faster"


def test_an_owner_in_a_new_place_waits_no_more_than_a_minute_for_others_guesses(clock: time_machine.Traveller):
    for number in range(200):
        guess(address=f"198.51.100.{number}")
        clock.shift(5)
    wait = guess(address="203.0.113.9")
    assert 0 < wait <= 60
    clock.shift(wait)
    assert guess(address="203.0.113.9") == 0


def test_one_address_at_many_accounts_waits_too(clock: time_machine.Traveller):
    assert [guess(account=f"{number}@x.example") for number in range(51)] == [0] * 51
    assert guess(account="another@x.example") > 0
    assert guess(account="another@x.example", address="192.0.2.2") == 0


def test_an_attackers_own_account_buys_them_no_guess(clock: time_machine.Traveller):
    for number in range(51):
        guess(account=f"{number}@x.example")
    waits = []
    for number in range(3):
        wait = guess(account=f"more-{number}@x.example")
        waits.append(wait)
        clock.shift(wait)
        succeed(account="mallory@x.example", address="192.0.2.1")
        guess(account=f"more-{number}@x.example")
    assert waits == [1, 2, 4]


def test_a_line_of_ipv6_is_one_address(clock: time_machine.Traveller):
    for number in range(1, 7):
        guess(address=f"2001:db8::{number:x}")
    assert guess(address="2001:db8::ffff") > 0
    assert guess(address="2001:db8:0:1::1") == 0


def test_accounts_and_secrets_are_counted_apart(clock: time_machine.Traveller):
    for _ in range(6):
        guess()
    assert guess() > 0
    assert guess(account="somebody@else.example") == 0
    with request_context(RequestContext(ip="192.0.2.1")):
        require_patience(Secret.SECOND_FACTOR, account=OWNER)


def test_failures_are_forgotten_after_a_quiet_hour():
    from django.conf import settings
    from redis import Redis

    for _ in range(6):
        guess()
    store = Redis.from_url(settings.CACHES["default"]["LOCATION"])
    keys = list(store.scan_iter("tenantry:patience:*"))
    assert len(keys) == 3
    assert all(3590 <= store.ttl(key) <= 3600 for key in keys)
    assert not [key for key in keys if OWNER.encode() in key or b"192.0.2.1" in key]


def test_guesses_at_the_same_moment_are_counted_one_by_one():
    looked_at = []

    def work() -> None:
        looked_at.append(guess() == 0)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(looked_at) == 6


def test_without_redis_nobody_tries_anything(settings: object):
    settings.CACHES = {
        **settings.CACHES,
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"},
    }  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        require_patience(Secret.PASSWORD, account=OWNER)
    with pytest.raises(Unavailable):
        forgive(Secret.PASSWORD, account=OWNER)
