"""Several sign-ins of one person at the same moment, over connections of their own."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from allauth.account.models import EmailAddress
from django.db import connection as database
from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import BrowserSession, Membership, User
from sso.addresses import acs_url
from sso.models import FederatedIdentity
from tests.cast import Cast
from tests.identity_providers.connecting import (
    connect_openid,
    connect_saml,
    log_of,
    path_of,
    post_answer,
    prove_domain,
    start,
)
from tests.identity_providers.running import OpenIDProvider, SamlProvider

pytestmark = pytest.mark.xdist_group("identity providers")

AT_ONCE = 4


def test_parallel_first_sign_ins_make_one_person(committed_cast: Cast, openid: OpenIDProvider):
    acme = committed_cast.acme
    prove_domain(acme, "acme.example")
    connection = connect_openid(acme, openid)
    openid.say(accounts={"sub-nora": {"email": "nora@acme.example"}})
    browsers = [Client() for _ in range(AT_ONCE)]
    paths = [path_of(openid.walk(start(browser, connection), "sub-nora")) for browser in browsers]
    together = Barrier(AT_ONCE)

    def come(number: int) -> int:
        together.wait()
        try:
            return browsers[number].get(paths[number]).status_code
        finally:
            database.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert list(threads.map(come, range(AT_ONCE))) == [302] * AT_ONCE
    user = User.objects.get(email="nora@acme.example")
    assert EmailAddress.objects.filter(user=user).count() == 1
    assert BrowserSession.objects.filter(user=user).count() == AT_ONCE
    with tenant_scope(acme.id):
        assert Membership.objects.filter(user=user).count() == 1
        assert FederatedIdentity.objects.filter(user=user).count() == 1
    assert [entry.outcome for entry in log_of(acme)] == ["signed_in"] * AT_ONCE


def test_an_assertion_posted_several_times_at_once_opens_once(committed_cast: Cast, saml: SamlProvider):
    acme = committed_cast.acme
    prove_domain(acme, "acme.example")
    connection = connect_saml(acme, saml)
    saml.say(
        acs=acs_url(connection),
        people={"nora": {"id": "nora@acme.example", "attributes": {"email": "nora@acme.example"}}},
    )
    posted = saml.walk(start(Client(), connection), "nora")
    together = Barrier(AT_ONCE)

    def post(_number: int) -> int:
        together.wait()
        try:
            return post_answer(connection, posted).status_code
        finally:
            database.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = sorted(threads.map(post, range(AT_ONCE)))
    assert answers == [303] + [403] * (AT_ONCE - 1)
    assert [entry.code for entry in log_of(acme)] == ["replayed"] * (AT_ONCE - 1)
