"""How often one address gets through with one publishable key: anybody can copy the key and forge an Origin."""

from functools import partial

import pytest
import time_machine
from django.conf import settings
from django.test import override_settings

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import create_key
from tests.api.rows import everything
from tests.at_once import at_once
from tests.conftest import JSONClient

LICENCES, TRACK = "/api/v1/licenses/verify", "/api/v1/track"
SHOP = "https://shop.example.com"
NOON = "2031-05-04T12:00:20Z"
LIMITED = override_settings(TENANTRY_PAGE_LICENCES=2, TENANTRY_PAGE_EVENTS=2)
ROUTES = [LICENCES, TRACK]


def sent(key: str, path: str, address: str = "203.0.113.9", events: int = 1):
    body = {"events": [{"name": "page.viewed"}] * events} if path == TRACK else {}
    return JSONClient(key).post(path, body, HTTP_ORIGIN=SHOP, REMOTE_ADDR=address)


@pytest.mark.parametrize("path", ROUTES)
@LIMITED
def test_beyond_the_limit_a_page_is_told_when_to_come_back(cast, path):
    with time_machine.travel(NOON, tick=False):
        assert [sent(cast.publishable_key, path).status_code < 300 for _ in range(2)] == [True, True]
        before = everything()
        refused = sent(cast.publishable_key, path)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert (refused["Retry-After"], refused.json()["retry_after"]) == ("40", 40)
        assert refused["Access-Control-Allow-Origin"] == SHOP
        assert "Retry-After" in refused["Access-Control-Expose-Headers"]
        assert everything() == before
    with time_machine.travel("2031-05-04T12:01:00Z", tick=False):
        assert sent(cast.publishable_key, path).status_code < 300


@LIMITED
def test_each_route_key_and_address_is_counted_alone(cast):
    with tenant_scope(cast.acme.id):
        _, other = create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind="publishable", mode="live", name="Other page",
        )  # fmt: skip
    with time_machine.travel(NOON, tick=False):
        for path in ROUTES:
            for _ in range(3):
                last = sent(cast.publishable_key, path)
            assert last.status_code == 429
            assert sent(cast.publishable_key, path, "203.0.113.10").status_code < 300
            assert sent(other, path).status_code < 300


@LIMITED
def test_an_ipv6_address_counts_with_its_network(cast):
    with time_machine.travel(NOON, tick=False):
        for host in range(2):
            assert sent(cast.publishable_key, LICENCES, f"2001:db8:0:1::{host + 1}").status_code == 200
        assert sent(cast.publishable_key, LICENCES, "2001:db8:0:1:ffff::1").status_code == 429
        assert sent(cast.publishable_key, LICENCES, "2001:db8:0:2::1").status_code == 200


def test_events_are_counted_and_not_requests(cast):
    """A request is not refused for being large: so that what a page gathered offline comes through at some time."""
    with override_settings(TENANTRY_PAGE_EVENTS=10), time_machine.travel(NOON, tick=False):
        assert sent(cast.publishable_key, TRACK, events=9).status_code == 202
        assert sent(cast.publishable_key, TRACK, events=50).status_code == 202
        assert sent(cast.publishable_key, TRACK).status_code == 429


@LIMITED
def test_secret_keys_are_not_limited(cast):
    for _ in range(3):
        body = {"events": [{"name": "order.placed"}]}
        assert JSONClient(cast.secret_key).post(TRACK, body).status_code == 202


@override_settings(TENANTRY_PAGE_LICENCES=0, TENANTRY_PAGE_EVENTS=0)
@pytest.mark.parametrize("path", ROUTES)
def test_zero_is_no_limit(cast, path):
    assert {sent(cast.publishable_key, path).status_code < 300 for _ in range(70)} == {True}


def test_there_is_a_limit_by_default():
    assert settings.TENANTRY_PAGE_LICENCES > 0
    assert settings.TENANTRY_PAGE_EVENTS > 0


@override_settings(TENANTRY_PAGE_LICENCES=7)
def test_of_many_at_once_no_more_pass_than_may(committed_cast):
    ask = partial(sent, committed_cast.publishable_key, LICENCES)
    assert ask().status_code == 200, "its host is noted by one"
    with time_machine.travel(NOON, tick=False):
        statuses = [answer.status_code for answer in at_once([ask] * 20)]
    assert sorted(statuses) == [200] * 7 + [429] * 13
