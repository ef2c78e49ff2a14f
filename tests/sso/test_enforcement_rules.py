"""Whom enforcement holds for, for how long, and every way that seems to lead around it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.utils import timezone

from config.kernel.errors import Conflict
from config.kernel.permissions import Role
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.scope import tenant_scope
from keys.services.sessions import open_session
from orgs.models import EmailDomain, Invitation, Membership, Organization, PilotMember, SignInPolicy, SsoSignIn, User
from orgs.services.email_domains import remove_email_domain
from orgs.services.invitations import accept, invite, issue_token
from orgs.services.second_factor import new_device
from orgs.sign_in import MethodRefused, governing_organizations, validate_auth_method
from sso.models import Connection
from tests.browsers import signed_in
from tests.cast import Cast, person
from tests.conftest import JSONClient
from tests.sso.enforcing import by_sso, came, connect, enforce

OVERVIEW = "/orgs/acme/"
OTHER_METHODS = [method for method in Method if method not in (Method.SSO, Method.BREAK_GLASS)]


def is_governed(user: User) -> bool:
    return bool(governing_organizations(user=User.objects.get(id=user.id)))


@pytest.fixture
def enforced(cast: Cast) -> Any:
    """Acme requires single sign-on; its live configuration."""
    configuration = connect(cast.acme)
    enforce(cast.acme)
    return configuration


@pytest.mark.parametrize("method", OTHER_METHODS)
def test_the_one_rule_refuses_every_other_method(cast: Cast, enforced: Any, method: Method):
    with pytest.raises(MethodRefused) as refusal:
        validate_auth_method(method=method, user=cast.owner)
    assert refusal.value.organization_ids == {cast.acme.id}
    validate_auth_method(method=method, user=cast.outsider)
    for email in ("nobody@acme.example", "Nobody@ACME.example "):
        with pytest.raises(MethodRefused):
            validate_auth_method(method=method, email=email)


@pytest.mark.parametrize("method", [Method.SSO, Method.BREAK_GLASS])
def test_own_ways_count_for_their_own_organization_alone(cast: Cast, enforced: Any, method: Method):
    validate_auth_method(method=method, user=cast.owner, organization_id=cast.acme.id)
    for organization_id in (cast.globex.id, None):
        with pytest.raises(MethodRefused):
            validate_auth_method(method=method, user=cast.owner, organization_id=organization_id)


@pytest.mark.parametrize("status", ["pending", "lost"])
def test_a_domain_that_is_not_proven_governs_nobody(cast: Cast, status: str):
    connect(cast.globex)
    with tenant_scope(cast.globex.id):
        EmailDomain.objects.update(status=status)
    enforce(cast.globex)
    assert not is_governed(cast.owner)
    assert signed_in(Client(), cast.owner).get(OVERVIEW).status_code == 200


def test_another_organizations_domain_below_or_beside_ours_governs_nobody_of_ours(cast: Cast):
    connect(cast.globex, domain="eu.acme.example")
    enforce(cast.globex)
    assert not is_governed(cast.owner)
    assert governing_organizations(email="x@eu.acme.example")
    assert not governing_organizations(email="x@notacme.example")


def test_people_of_a_lost_or_removed_domain_get_in_by_their_other_ways_though_they_came_by_it_before(
    cast: Cast, enforced: Any
):
    connect(cast.acme, domain="acme.test", name="Second")
    came(cast.viewer, enforced)
    assert is_governed(cast.viewer)
    with tenant_scope(cast.acme.id):
        row = EmailDomain.objects.get(domain="acme.example")
        EmailDomain.objects.filter(id=row.id).update(status="lost")
    assert not is_governed(cast.viewer)
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.filter(id=row.id).update(status="proven")
        remove_email_domain(actor=cast.principal(cast.owner), email_domain=row.public_id, confirmation=row.domain)
        assert not SsoSignIn.objects.exists()
    assert not is_governed(cast.viewer)


@pytest.mark.parametrize("status", [Organization.Status.DISABLED, Organization.Status.DELETING])
def test_an_organization_at_rest_governs_nobody(cast: Cast, enforced: Any, status: str):
    erase_after = timezone.now() + timedelta(days=3) if status == Organization.Status.DELETING else None
    Organization.objects.filter(id=cast.acme.id).update(status=status, erase_after=erase_after)
    assert not is_governed(cast.owner)
    if status == Organization.Status.DELETING:
        assert signed_in(Client(), cast.owner).get(OVERVIEW).status_code == 200


def test_a_foreign_primary_address_is_no_way_out(cast: Cast, enforced: Any):
    came(cast.developer, enforced)
    EmailAddress.objects.filter(user=cast.developer).delete()
    EmailAddress.objects.create(user=cast.developer, email="dora@home.example", verified=True, primary=True)
    User.objects.filter(id=cast.developer.id).update(email="dora@home.example")
    assert is_governed(cast.developer)
    assert signed_in(Client(), cast.developer).get(OVERVIEW).status_code == 403
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.developer).delete()
    assert not is_governed(cast.developer), "no longer one of its people"


def test_a_second_verified_address_is_no_way_out_and_an_unverified_one_no_way_in(cast: Cast, enforced: Any):
    User.objects.filter(id=cast.developer.id).update(email="dora@home.example")
    assert is_governed(cast.developer), "the address of the domain is still a proven one of theirs"
    browser = Client()
    browser.post("/login/", {"login": "dora@home.example", "password": cast.password})
    assert browser.get("/profile/").status_code == 302
    EmailAddress.objects.filter(user=cast.developer).update(verified=False)
    assert not is_governed(cast.developer)


def test_an_address_spelt_in_other_letters_is_the_same_domain(cast: Cast):
    connect(cast.acme, domain="xn--bcher-kva.example")
    enforce(cast.acme)
    assert governing_organizations(email="x@bücher.example")
    assert governing_organizations(email="x@BÜCHER.example")
    assert not governing_organizations(email="x@bucher.example")
    reader = person("reader@home.example")
    EmailAddress.objects.create(user=reader, email="reader@bücher.example", verified=True)
    assert is_governed(reader)


def test_a_linked_account_elsewhere_is_no_way_out(cast: Cast, enforced: Any):
    SocialAccount.objects.create(user=cast.developer, provider="google", uid="1001")
    with pytest.raises(MethodRefused):
        validate_auth_method(method=Method.GOOGLE, user=cast.developer, email="dora@home.example")


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER])
def test_it_holds_for_every_role_the_last_owner_included(cast: Cast, enforced: Any, role: Role):
    who = cast.member(role.value)
    ended = signed_in(Client(), who).get(OVERVIEW)
    assert ended.status_code == 403
    assert f"/sso/{public_id_of_connection(enforced)}/start?next=%2Forgs%2Facme%2F" in ended.content.decode()
    assert by_sso(who, enforced).get(OVERVIEW).status_code == 200


def public_id_of_connection(configuration: Any) -> str:
    with tenant_scope(configuration.org_id):
        return Connection.objects.get(id=configuration.connection_id).public_id


def test_a_session_by_another_organizations_connection_does_not_open_this_one(cast: Cast, enforced: Any):
    other = connect(cast.globex, domain="globex.example")
    enforce(cast.globex)
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=cast.viewer, role="viewer")
    EmailAddress.objects.create(user=cast.viewer, email="victor@globex.example", verified=True)
    browser = by_sso(cast.viewer, other)
    assert browser.get("/orgs/globex/").status_code == 200
    answer = browser.get(OVERVIEW)
    assert (answer.status_code, answer["Location"]) == (302, "/sso/required/?next=%2Forgs%2Facme%2F")


def test_a_single_sign_on_holds_for_the_organizations_hours(cast: Cast, enforced: Any, time_machine: Any, api: Any):
    enforce(cast.acme, session_hours=8)
    browser, token = by_sso(cast.viewer, enforced), cast.token(cast.viewer)
    came(cast.viewer, enforced)
    issued = open_session(user=cast.viewer, method=Method.SSO, sso_organization_id=cast.acme.id)
    start = timezone.now()
    time_machine.move_to(start + timedelta(minutes=14), tick=False)
    assert browser.get(OVERVIEW).status_code == 200
    assert JSONClient(token).get("/api/v1/orgs/acme/members").status_code == 200
    assert JSONClient(issued.access_token).get("/api/v1/orgs/acme/members").status_code == 200
    time_machine.move_to(start + timedelta(hours=8, seconds=1), tick=False)
    answer = browser.get(f"{OVERVIEW}members/?q=x")
    assert answer["Location"] == "/sso/required/?next=%2Forgs%2Facme%2Fmembers%2F%3Fq%3Dx"
    connection = public_id_of_connection(enforced)
    assert browser.get(answer["Location"])["Location"] == (
        f"/sso/{connection}/start?next=%2Forgs%2Facme%2Fmembers%2F%3Fq%3Dx"
    )
    refused = JSONClient(token).get("/api/v1/orgs/acme/members")
    assert (refused.status_code, refused.json()["code"]) == (403, "sso_required")
    came(cast.viewer, enforced)
    assert JSONClient(token).get("/api/v1/orgs/acme/members").status_code == 200


def test_the_page_that_leads_on_offers_every_connection_or_says_that_there_is_none(cast: Cast, enforced: Any):
    connect(cast.acme, name="ADFS")
    browser = by_sso(cast.viewer, enforced)
    page = browser.get("/sso/required/?next=/orgs/acme/").content.decode()
    assert re.findall(r"Continue with (\w+)", page) == ["ADFS", "Okta"]
    assert page.count("/start?next=%2Forgs%2Facme%2F") == 2
    with tenant_scope(cast.acme.id):
        Connection.objects.update(is_enabled=False)
    page = browser.get("/sso/required/?next=/orgs/acme/").content.decode()
    assert "There is no way in right now" in page
    assert "/sso/break-glass/" in page


def test_the_page_that_leads_on_leads_nowhere_else(cast: Cast, enforced: Any):
    browser = by_sso(cast.viewer, enforced)
    for evil in ("https://evil.example/", "//evil.example/", "javascript:alert(1)", "evil"):
        answer = browser.get("/sso/required/", {"next": evil})
        assert "evil" not in answer["Location"]
        assert "javascript" not in answer["Location"]


def test_guests_need_a_second_factor_in_their_session_and_behind_their_tokens(cast: Cast, enforced: Any):
    with tenant_scope(cast.acme.id):
        Membership.objects.create(user=cast.outsider, role="viewer")
    answer = signed_in(Client(), cast.outsider).get(OVERVIEW)
    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/login/second-factor/")
    token = JSONClient(cast.token(cast.outsider))
    assert token.get("/api/v1/orgs/acme").json()["code"] == "second_factor_required"
    assert token.get("/api/v1/orgs/globex").status_code == 200
    new_device(user=cast.outsider, confirmed=True)
    assert signed_in(Client(), cast.outsider).get(OVERVIEW).status_code == 302
    assert signed_in(Client(), cast.outsider, second_factor=SecondFactor.TOTP).get(OVERVIEW).status_code == 200
    assert token.get("/api/v1/orgs/acme").status_code == 200


def test_guests_are_refused_where_the_organization_chose_so(cast: Cast, enforced: Any):
    enforce(cast.acme, guests=SignInPolicy.Guests.REFUSED)
    with tenant_scope(cast.acme.id):
        Membership.objects.create(user=cast.outsider, role="viewer")
    browser = signed_in(Client(), cast.outsider, second_factor=SecondFactor.TOTP)
    assert browser.get(OVERVIEW).status_code == 403
    answer = JSONClient(cast.token(cast.outsider)).get("/api/v1/orgs/acme")
    assert (answer.status_code, answer.json()["code"]) == (403, "guests_refused")
    assert browser.get("/orgs/globex/").status_code == 200
    enforce(cast.acme, enforcement=SignInPolicy.Enforcement.PILOT)
    assert signed_in(Client(), cast.outsider).get(OVERVIEW).status_code == 200


def test_invitations_keep_to_the_domains_where_guests_are_refused(cast: Cast, enforced: Any):
    actor = cast.principal(cast.owner)
    with tenant_scope(cast.acme.id):
        early = invite(actor=actor, email=cast.outsider.email, role="viewer")
        issued = issue_token(invitation_id=early.id)
    assert issued is not None
    enforce(cast.acme, guests=SignInPolicy.Guests.REFUSED)
    with tenant_scope(cast.acme.id):
        with pytest.raises(Conflict) as refusal:
            invite(actor=actor, email="friend@elsewhere.example", role="viewer")
        assert refusal.value.code == "outside_domains"
        invite(actor=actor, email="new@acme.example", role="viewer")
        assert set(Invitation.objects.values_list("email", flat=True)) == {"oscar@globex.example", "new@acme.example"}
    with pytest.raises(Conflict) as refusal:
        accept(actor=cast.principal(cast.outsider), token=issued[1], verified_emails={cast.outsider.email})
    assert refusal.value.code == "outside_domains"
    with tenant_scope(cast.acme.id):
        assert not Membership.objects.filter(user=cast.outsider).exists()


def test_pilots_are_governed_whatever_address_they_have_on_file(cast: Cast):
    connect(cast.acme)
    with tenant_scope(cast.acme.id):
        PilotMember.objects.create(membership=Membership.objects.get(user=cast.developer))
    enforce(cast.acme, enforcement=SignInPolicy.Enforcement.PILOT, required_from=None)
    assert is_governed(cast.developer)
    assert not is_governed(cast.viewer)
    assert governing_organizations(email=cast.developer.email)
    assert not governing_organizations(email="nobody@acme.example")


def test_nobody_takes_an_address_of_an_enforced_domain_by_hand(cast: Cast, enforced: Any):
    browser = signed_in(Client(), cast.outsider)
    browser.post("/email/", {"email": "oscar@acme.example", "action_add": ""})
    assert not EmailAddress.objects.filter(email="oscar@acme.example").exists()


def test_asking_who_governs_costs_one_query_where_nobody_does_and_two_elsewhere(
    cast: Cast, django_assert_num_queries: Any
):
    with django_assert_num_queries(1):
        assert governing_organizations(user_id=cast.owner.id) == []
    connect(cast.acme)
    enforce(cast.acme)
    with django_assert_num_queries(2):
        assert len(governing_organizations(user_id=cast.owner.id)) == 1
