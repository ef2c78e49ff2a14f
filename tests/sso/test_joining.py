"""Who gets in by the word of a provider, as whom and as what. One that tells the truth, so the rules alone refuse."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from config.kernel.permissions import Role
from config.kernel.principals import UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import CustomRole, EmailDomain, Membership, Organization, RemovedMember, User
from orgs.services.invitations import accept_by_address, invite
from orgs.services.members import remove_member
from sso.models import Connection, FederatedIdentity, GroupMapping
from tests.browsers import signed_in
from tests.cast import Cast
from tests.identity_providers.connecting import come_by_openid, connect_openid, log_of, prove_domain
from tests.identity_providers.running import OpenIDProvider
from tests.sso.refusals import facts, require_refused

pytestmark = pytest.mark.xdist_group("identity providers")


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    return connect_openid(cast.acme, openid)


def come(openid: OpenIDProvider, connection: Connection, subject: str = "sub", **claims: Any) -> Any:
    """Somebody with these claims signs in, in a browser of their own."""
    openid.say(accounts={subject: claims})
    return come_by_openid(Client(), connection, openid, subject)


def role_of(cast: Cast, email: str) -> str:
    with tenant_scope(cast.acme.id):
        return Membership.objects.get(user__email=email).role


def events_of(organization_id: Any, name: str) -> list[AuditEvent]:
    with tenant_scope(organization_id):
        return list(AuditEvent.objects.filter(event=name).order_by("id"))


def test_a_member_keeps_role_and_password_and_is_linked_once(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    for _ in range(2):
        assert come(openid, connection, "sub-dora", email="dora@acme.example").status_code == 302
    assert role_of(cast, "dora@acme.example") == "developer"
    assert User.objects.get(email="dora@acme.example").check_password(cast.password)
    with tenant_scope(cast.acme.id):
        assert FederatedIdentity.objects.get(user=cast.developer).subject == "sub-dora"
    [linked] = events_of(cast.acme.id, "sso_identity.linked")
    assert linked.target_label == "dora@acme.example"
    assert [entry.outcome for entry in log_of(cast.acme)] == ["signed_in", "signed_in"]


def test_a_newcomer_is_recorded(cast: Cast, openid: OpenIDProvider, connection: Connection):
    assert come(openid, connection, email="nora@acme.example").status_code == 302
    [joined] = events_of(cast.acme.id, "member.joined")[-1:]
    assert joined.data == {"role": "Viewer", "connection": connection.public_id}
    created = events_of(INSTALLATION_ID, "user.created")[-1]
    assert (created.target_label, created.data) == ("nora@acme.example", {"how": "single sign-on"})
    signed_in = events_of(INSTALLATION_ID, "user.signed_in")[-1]
    assert signed_in.data["method"] == "sso"


def test_a_verified_further_address_is_the_persons_too(cast: Cast, openid: OpenIDProvider, connection: Connection):
    EmailAddress.objects.create(user=cast.outsider, email="oscar@acme.example", verified=True, primary=False)
    assert come(openid, connection, email="oscar@acme.example").status_code == 302
    assert role_of(cast, "oscar@globex.example") == "viewer"


REFUSED = {
    "an address outside the domains": ({"email": "nora@other.example"}, "domain_not_proven"),
    "a subdomain": ({"email": "nora@sub.acme.example"}, "domain_not_proven"),
    "a domain that looks alike": ({"email": "nora@\u0430cme.example"}, "domain_not_proven"),
    "an address that the provider does not vouch for": (
        {"email": "nora@acme.example", "email_verified": False},
        "email_unverified",
    ),
    "the same as a text": ({"email": "nora@acme.example", "email_verified": "false"}, "email_unverified"),
    "no address": ({"name": "Nora"}, "email_missing"),
    "no address at all": ({"email": "nora"}, "email_missing"),
    "two addresses in one": ({"email": "olivia@acme.example,nora@acme.example"}, "email_missing"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_who_is_refused(cast: Cast, openid: OpenIDProvider, connection: Connection, case: str):
    claims, code = REFUSED[case]
    before = facts(cast)
    require_refused(cast, come(openid, connection, **claims), code, before)


def test_a_domain_that_was_lost_speaks_for_nobody(cast: Cast, openid: OpenIDProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.update(status="lost")
    require_refused(cast, come(openid, connection, email="nora@acme.example"), "domain_not_proven", facts(cast))


def test_an_account_whose_address_was_never_confirmed_is_not_taken_over(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    """Somebody signed up with another person's address and waits for them to come."""
    squatter = User.objects.create_user("nora@acme.example", "a password of the squatter")
    EmailAddress.objects.create(user=squatter, email="nora@acme.example", verified=False, primary=True)
    require_refused(cast, come(openid, connection, email="nora@acme.example"), "account_unverified", facts(cast))
    assert not EmailAddress.objects.get(user=squatter).verified


def test_an_unconfirmed_further_address_of_somebody_else_keeps_nobody_out(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    EmailAddress.objects.create(user=cast.outsider, email="nora@acme.example", verified=False, primary=False)
    assert come(openid, connection, email="nora@acme.example").status_code == 302
    assert User.objects.get(email="nora@acme.example") != cast.outsider
    with tenant_scope(cast.acme.id):
        assert not Membership.objects.filter(user=cast.outsider).exists()


def test_a_subject_that_moved_to_another_address(cast: Cast, openid: OpenIDProvider, connection: Connection):
    assert come(openid, connection, "sub-nora", email="nora@acme.example").status_code == 302
    for email in ("olivia@acme.example", "new@acme.example"):
        before = facts(cast)
        require_refused(cast, come(openid, connection, "sub-nora", email=email), "subject_moved", before)
        assert "nora@acme.example" in log_of(cast.acme)[0].detail


def test_a_subject_that_moved_to_another_address_of_the_same_person(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    assert come(openid, connection, "sub-dora", email="dora@acme.example").status_code == 302
    EmailAddress.objects.create(user=cast.developer, email="d.ora@acme.example", verified=True, primary=False)
    assert come(openid, connection, "sub-dora", email="d.ora@acme.example").status_code == 302


def test_an_address_that_moved_to_another_subject(cast: Cast, openid: OpenIDProvider, connection: Connection):
    assert come(openid, connection, "sub-nora", email="nora@acme.example").status_code == 302
    before = facts(cast)
    answer = come(openid, connection, "sub-thief", email="nora@acme.example")
    require_refused(cast, answer, "email_of_another_subject", before)


def test_a_person_who_left_the_domain_no_longer_comes_in(cast: Cast, openid: OpenIDProvider, connection: Connection):
    assert come(openid, connection, "sub-dora", email="dora@acme.example").status_code == 302
    EmailAddress.objects.filter(user=cast.developer).update(email="dora@home.example")
    User.objects.filter(id=cast.developer.id).update(email="dora@home.example")
    require_refused(cast, come(openid, connection, "sub-dora", email="dora@acme.example"), "subject_moved", facts(cast))


def test_a_disabled_person(cast: Cast, openid: OpenIDProvider, connection: Connection):
    User.objects.filter(id=cast.developer.id).update(is_active=False)
    require_refused(cast, come(openid, connection, email="dora@acme.example"), "user_disabled", facts(cast))


def test_an_organization_at_rest(cast: Cast, openid: OpenIDProvider, connection: Connection):
    Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    before = facts(cast)
    answer = Client().get(f"/sso/{connection.public_id}/start")
    require_refused(cast, answer, "organization_inactive", before)


def test_a_removed_member_comes_back_by_an_invitation_only(cast: Cast, openid: OpenIDProvider, connection: Connection):
    owner = UserPrincipal.of(user_id=cast.owner.id, email=cast.owner.email)
    with tenant_scope(cast.acme.id):
        remove_member(actor=owner, user_id=cast.developer.id)
        assert RemovedMember.objects.get().user == cast.developer
    require_refused(cast, come(openid, connection, email="dora@acme.example"), "member_removed", facts(cast))
    with tenant_scope(cast.acme.id):
        invitation = invite(actor=owner, email="dora@acme.example", role="viewer")
    dora = UserPrincipal.of(user_id=cast.developer.id, email=cast.developer.email)
    accept_by_address(actor=dora, invitation_id=invitation.id, verified_emails={"dora@acme.example"})
    assert come(openid, connection, email="dora@acme.example").status_code == 302
    assert role_of(cast, "dora@acme.example") == "viewer"


def map_groups(cast: Cast, connection: Connection, **roles: str) -> None:
    with tenant_scope(cast.acme.id):
        for group, role in roles.items():
            GroupMapping.objects.create(connection=connection, group=group, role=role)


def test_groups_give_roles_at_each_sign_in(cast: Cast, openid: OpenIDProvider, connection: Connection):
    map_groups(cast, connection, engineers="developer", admins="admin")
    expected = [
        (["engineers"], "developer"),
        (["engineers", "admins"], "admin"),
        (["Admins"], "viewer"),
        ([], "viewer"),
        ("engineers", "developer"),
    ]
    for groups, role in expected:
        assert come(openid, connection, email="nora@acme.example", groups=groups).status_code == 302
        assert role_of(cast, "nora@acme.example") == role
    changes = [event.data["changes"]["role"] for event in events_of(cast.acme.id, "member.role_changed")]
    assert changes == [["Developer", "Admin"], ["Admin", "Viewer"], ["Viewer", "Developer"]]


def test_a_provider_that_tells_no_groups_changes_no_role(cast: Cast, openid: OpenIDProvider, connection: Connection):
    map_groups(cast, connection, engineers="developer")
    assert come(openid, connection, email="adam@acme.example").status_code == 302
    assert role_of(cast, "adam@acme.example") == "admin"


def test_without_mappings_groups_change_no_role(cast: Cast, openid: OpenIDProvider, connection: Connection):
    assert come(openid, connection, email="adam@acme.example", groups=["anything"]).status_code == 302
    assert role_of(cast, "adam@acme.example") == "admin"


def test_an_owner_stays_an_owner(cast: Cast, openid: OpenIDProvider, connection: Connection):
    map_groups(cast, connection, engineers="developer")
    assert come(openid, connection, email="olivia@acme.example", groups=["engineers"]).status_code == 302
    assert role_of(cast, "olivia@acme.example") == Role.OWNER
    assert events_of(cast.acme.id, "member.role_changed") == []


def test_a_group_may_give_a_role_of_the_organizations_own(cast: Cast, openid: OpenIDProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        auditor = CustomRole.objects.create(name="Auditor", permissions=["view_audit", "view_org"])
        GroupMapping.objects.create(connection=connection, group="audit", role="custom", custom_role=auditor)
    assert come(openid, connection, email="nora@acme.example", groups=["audit"]).status_code == 302
    with tenant_scope(cast.acme.id):
        membership = Membership.objects.get(user__email="nora@acme.example")
    assert (membership.role, membership.custom_role_id) == ("custom", auditor.id)


def test_claims_go_by_the_names_that_the_configuration_gives(cast: Cast, openid: OpenIDProvider):
    prove_domain(cast.acme, "acme.example")
    connection = connect_openid(cast.acme, openid, groups_attribute="name", name_attribute="email")
    map_groups(cast, connection, bosses="admin")
    assert come(openid, connection, email="nora@acme.example", name="bosses").status_code == 302
    assert role_of(cast, "nora@acme.example") == "admin"
    assert User.objects.get(email="nora@acme.example").name == "nora@acme.example"


def test_whoever_is_signed_in_as_somebody_else_is_signed_out(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    browser = signed_in(Client(), cast.outsider)
    openid.say(accounts={"sub-dora": {"email": "dora@acme.example"}})
    assert come_by_openid(browser, connection, openid, "sub-dora").status_code == 302
    assert browser.session["_auth_user_id"] == str(cast.developer.id)


def test_an_admin_unlinks_somebody_who_got_another_account_at_the_provider(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    assert come(openid, connection, "sub-dora", email="dora@acme.example").status_code == 302
    assert come(openid, connection, "sub-olivia", email="olivia@acme.example").status_code == 302
    assert come(openid, connection, "sub-new", email="dora@acme.example").status_code == 403
    people = f"/orgs/acme/sign-in/connections/{connection.public_id}/people/"
    admin = signed_in(Client(), cast.admin)
    page = admin.get(people).content.decode()
    assert "sub-dora" in page
    with tenant_scope(cast.acme.id):
        theirs = {row.user_id: row for row in FederatedIdentity.objects.all()}
    # Whoever may do more than the admin stays linked: the admin could come in as them otherwise.
    assert admin.post(f"{people}{theirs[cast.owner.id].public_id}/unlink/").status_code == 403
    assert admin.post(f"{people}{theirs[cast.developer.id].public_id}/unlink/").status_code == 302
    with tenant_scope(cast.acme.id):
        assert [row.user for row in FederatedIdentity.objects.all()] == [cast.owner]
    [unlinked] = events_of(cast.acme.id, "sso_identity.unlinked")
    assert (unlinked.actor_label, unlinked.target_label) == ("adam@acme.example", "dora@acme.example")
    assert come(openid, connection, "sub-new", email="dora@acme.example").status_code == 302


def test_the_list_of_people_takes_one_query_for_all_of_them(cast: Cast, openid: OpenIDProvider, connection: Connection):
    people = f"/orgs/acme/sign-in/connections/{connection.public_id}/people/"
    admin = signed_in(Client(), cast.admin)
    assert "Nobody came in yet" in admin.get(people).content.decode()
    counts = []
    for user in (cast.developer, cast.viewer):
        with tenant_scope(cast.acme.id):
            FederatedIdentity.objects.create(connection=connection, issuer="i", subject=user.email, user=user)
        with CaptureQueriesContext(database) as queries:
            assert user.email in admin.get(people).content.decode()
        counts.append(len(queries))
    assert counts[0] == counts[1]
