"""Several sign-ins of one person at the same moment, over connections of their own."""

from functools import partial

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import BrowserSession, Membership, User
from sso.addresses import acs_url
from sso.models import FederatedIdentity
from tests.at_once import at_once
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
    answers = at_once([partial(browser.get, path) for browser, path in zip(browsers, paths, strict=True)])
    assert [answer.status_code for answer in answers] == [302] * AT_ONCE
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
    answers = at_once([partial(post_answer, connection, posted)] * AT_ONCE)
    assert sorted(answer.status_code for answer in answers) == [303] + [403] * (AT_ONCE - 1)
    assert [entry.code for entry in log_of(acme)] == ["replayed"] * (AT_ONCE - 1)
