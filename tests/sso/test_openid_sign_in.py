"""Complete sign-ins at a real OpenID provider."""

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import BrowserSession, Membership, SsoSignIn, User
from sso.models import Connection, FederatedIdentity
from tests.cast import Cast
from tests.identity_providers.connecting import come_by_openid, connect_openid, log_of, prove_domain
from tests.identity_providers.running import OpenIDProvider

pytestmark = pytest.mark.xdist_group("identity providers")

NEWCOMER = {"email": "Nora@Acme.example", "email_verified": True, "name": "Nora Newcomer", "groups": ["staff"]}


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    openid.say(accounts={"sub-nora": NEWCOMER, "sub-dora": {"email": "dora@acme.example", "name": "Dora"}})
    return connect_openid(cast.acme, openid)


def test_a_newcomer_becomes_a_member_with_the_default_role(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    answer = come_by_openid(browser, connection, openid, "sub-nora", "?next=/orgs/acme/")
    assert (answer.status_code, answer["Location"]) == (302, "/orgs/acme/")
    user = User.objects.get(email="nora@acme.example")
    assert (user.name, user.has_usable_password()) == ("Nora Newcomer", False)
    assert EmailAddress.objects.get(user=user).verified
    with tenant_scope(cast.acme.id):
        assert Membership.objects.get(user=user).role == "viewer"
        identity = FederatedIdentity.objects.get(user=user)
        assert (identity.issuer, identity.subject) == (openid.issuer, "sub-nora")
        came = SsoSignIn.objects.get(user=user)
        assert (came.connection_id, came.subject) == (connection.id, "sub-nora")
        assert Connection.objects.get().last_sign_in_at == came.last_at
    session = BrowserSession.objects.get(user=user)
    assert (session.method, session.organization_id, session.connection_id) == ("sso", cast.acme.id, connection.id)
    assert session.provider_session
    assert browser.get("/orgs/acme/").status_code == 200
    [entry] = log_of(cast.acme)
    assert (entry.outcome, entry.email, entry.subject) == ("signed_in", "nora@acme.example", "sub-nora")
    assert entry.claims["email"] == "Nora@Acme.example"
    assert not {"nonce", "at_hash", "jti"} & set(entry.claims)
    for theirs in (SocialApp, SocialAccount, SocialToken):
        assert not theirs.objects.exists()
