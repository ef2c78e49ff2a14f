"""What staff may change, always through services: recorded with the member of staff as its actor."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import signing
from keys.models import Agent, Key, PersonalToken, SigningKey, TokenSession
from keys.services.agents import create_agent
from keys.services.sessions import open_session
from orgs.models import Invitation, Membership, Organization, TOTPDevice, User
from orgs.services.second_factor import new_device
from projects.models import Project
from tests.cast import Cast
from tests.conftest import JSONClient


def act(browser: Client, page: str, row: Any, action: str, **values: str) -> Any:
    return browser.post(f"/admin/{page}/{row.pk}/do/{action}/", values)


def recorded(cast: Cast, name: str, org_id: Any) -> AuditEvent:
    with tenant_scope(org_id):
        row = AuditEvent.objects.filter(event=name).order_by("-id").first()
    assert row is not None, name
    assert (row.actor_kind, row.actor_id) == ("staff", cast.staff.public_id)
    return row


def status_of(cast: Cast) -> str:
    return Organization.objects.get(id=cast.acme.id).status


def test_an_organization_is_disabled_with_a_reason_and_enabled(
    staff: Client, cast: Cast, api: Callable[..., Any], browse: Callable[..., Client]
):
    page = "orgs/organization"
    assert act(staff, page, cast.acme, "disable").status_code == 422, "no reason"
    assert status_of(cast) == "active"
    assert act(staff, page, cast.acme, "disable", reason="unpaid").status_code == 302
    assert status_of(cast) == "disabled"
    assert recorded(cast, "organization.disabled", cast.acme.id).data == {"reason": "unpaid"}
    assert act(staff, page, cast.acme, "disable", reason="again").status_code == 404, "it does not apply"
    assert act(staff, page, cast.acme, "enable").status_code == 302
    assert status_of(cast) == "active"
    recorded(cast, "organization.enabled", cast.acme.id)


def test_a_plan_is_changed(staff: Client, cast: Cast):
    assert act(staff, "orgs/organization", cast.acme, "change-plan", plan="golden").status_code == 422
    assert act(staff, "orgs/organization", cast.acme, "change-plan", plan="pro").status_code == 302
    assert Organization.objects.get(id=cast.acme.id).plan == "pro"
    assert recorded(cast, "organization.plan_changed", cast.acme.id).data == {"changes": {"plan": ["free", "pro"]}}


def test_an_organization_is_deleted_only_by_its_slug_and_restored(staff: Client, cast: Cast):
    page = "orgs/organization"
    wrong = act(staff, page, cast.acme, "delete", confirmation="acne")
    assert wrong.status_code == 422
    assert "Type acme to confirm" in wrong.content.decode()
    assert status_of(cast) == "active"
    assert act(staff, page, cast.acme, "delete", confirmation="acme").status_code == 302
    assert status_of(cast) == "deleting"
    assert act(staff, page, cast.acme, "restore").status_code == 302
    assert status_of(cast) == "active"
    recorded(cast, "organization.restored", cast.acme.id)


def test_an_organization_is_made_for_a_user(staff: Client, cast: Cast):
    values = {"name": "Initech", "slug": "initech", "plan": "pro", "owner": "nobody@acme.example"}
    refused = staff.post("/admin/orgs/organization/add/", values)
    assert refused.status_code == 422
    assert "create the user first" in refused.content.decode()
    assert staff.post("/admin/orgs/organization/add/", {**values, "owner": "OLIVIA@acme.example"}).status_code == 302
    made = Organization.objects.get(slug="initech")
    with tenant_scope(made.id):
        assert Membership.objects.get().user_id == cast.owner.id
    recorded(cast, "organization.created", made.id)
    taken = staff.post("/admin/orgs/organization/add/", {**values, "owner": cast.owner.email})
    assert taken.status_code == 422


def test_a_user_is_made_with_a_temporary_password_shown_once(staff: Client, cast: Cast):
    answer = staff.post("/admin/orgs/user/add/", {"email": "New@acme.example", "name": "New", "verified": "on"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    password = re.search(r'id="secret"[^>]*>([^<]+)<', answer.content.decode())
    assert password
    user = User.objects.get(email="new@acme.example")
    assert user.check_password(password[1])
    assert user.must_change_password
    assert not user.is_staff
    assert EmailAddress.objects.get(user=user).verified
    assert password[1] not in staff.get(f"/admin/orgs/user/{user.id}/change/").content.decode()
    recorded(cast, "user.created", INSTALLATION_ID)
    assert staff.post("/admin/orgs/user/add/", {"email": "new@acme.example"}).status_code == 422
    assert staff.post("/admin/orgs/user/add/", {"email": "no address"}).status_code == 422


def test_a_user_is_disabled_at_once_and_enabled(staff: Client, cast: Cast, browse: Callable[..., Client]):
    theirs = browse(cast.viewer)
    assert act(staff, "orgs/user", cast.viewer, "disable", reason="left").status_code == 302
    assert theirs.get("/admin/")["Location"].startswith("/login/")
    assert recorded(cast, "user.disabled", INSTALLATION_ID).data == {"reason": "left"}
    assert act(staff, "orgs/user", cast.viewer, "enable").status_code == 302
    assert User.objects.get(id=cast.viewer.id).is_active


def test_a_password_and_a_second_factor_are_reset(staff: Client, cast: Cast):
    new_device(user=cast.owner, name="Phone", confirmed=True)
    answer = act(staff, "orgs/user", cast.owner, "reset-password")
    password = re.search(r'id="secret"[^>]*>([^<]+)<', answer.content.decode())
    assert password
    assert User.objects.get(id=cast.owner.id).check_password(password[1])
    recorded(cast, "user.password_reset", INSTALLATION_ID)
    assert act(staff, "orgs/user", cast.owner, "reset-second-factor").status_code == 302
    assert not TOTPDevice.objects.filter(user=cast.owner).exists()
    recorded(cast, "user.second_factor_reset", INSTALLATION_ID)


@pytest.mark.parametrize("action", ["disable", "reset-password", "reset-second-factor"])
def test_staff_do_not_lock_themselves_out(staff: Client, cast: Cast, action: str):
    answer = act(staff, "orgs/user", cast.staff, action, reason="a slip")
    assert answer.status_code == 422
    assert "ask a colleague" in answer.content.decode()
    assert User.objects.get(id=cast.staff.id).is_active
    assert TOTPDevice.objects.filter(user=cast.staff).exists()


def test_the_last_owner_stays_even_for_staff(staff: Client, cast: Cast):
    with tenant_scope(cast.acme.id):
        owner = Membership.objects.of_user(cast.owner.id).get()
        viewer = Membership.objects.of_user(cast.viewer.id).get()
    refused = act(staff, "orgs/membership", owner, "remove")
    assert refused.status_code == 422
    assert "needs an owner" in refused.content.decode()
    assert act(staff, "orgs/membership", owner, "change-role", role="viewer").status_code == 422
    assert act(staff, "orgs/membership", viewer, "change-role", role="owner").status_code == 302
    assert act(staff, "orgs/membership", owner, "remove").status_code == 302
    with tenant_scope(cast.acme.id):
        assert set(Membership.objects.owners().values_list("user_id", flat=True)) == {cast.viewer.id}
    recorded(cast, "member.removed", cast.acme.id)


def test_keys_and_tokens_are_revoked(staff: Client, cast: Cast, api: Callable[..., Any]):
    cast.token(cast.owner)
    token = PersonalToken.objects.get(user=cast.owner)
    assert act(staff, "keys/key", cast.foreign_key, "revoke").status_code == 302
    with tenant_scope(cast.globex.id):
        assert Key.objects.get(id=cast.foreign_key.id).revoked_at
    recorded(cast, "key.revoked", cast.globex.id)
    assert act(staff, "keys/personaltoken", token, "revoke").status_code == 302
    token.refresh_from_db()
    assert token.revoked_at
    recorded(cast, "personal_token.revoked", INSTALLATION_ID)


def test_a_programs_session_and_an_agent_are_ended(staff: Client, cast: Cast):
    access = open_session(user=cast.owner, method="password").access_token
    session = TokenSession.objects.get()
    with tenant_scope(cast.acme.id):
        agent, _ = create_agent(actor=SYSTEM, holder=frozenset(), project_id=cast.project.id, name="Builder")
    assert JSONClient(access).get("/api/v1/whoami").status_code == 200
    assert act(staff, "keys/tokensession", session, "end").status_code == 302
    assert JSONClient(access).get("/api/v1/whoami").status_code == 401
    recorded(cast, "token_session.ended", INSTALLATION_ID)
    assert act(staff, "keys/tokensession", session, "end").status_code == 404, "it is over"
    assert act(staff, "keys/agent", agent, "revoke").status_code == 302
    recorded(cast, "agent.revoked", cast.acme.id)
    with tenant_scope(cast.acme.id):
        assert Agent.objects.get().revoked_at


def test_a_signing_key_is_rotated_and_withdrawn_with_a_reason(staff: Client, cast: Cast):
    signing.published()
    first = SigningKey.objects.get(signs_from__isnull=False)
    assert act(staff, "keys/signingkey", first, "rotate").status_code == 302
    second = SigningKey.objects.get(signs_from__isnull=False, signs_until=None)
    assert second != first
    recorded(cast, "signing_key.rotated", INSTALLATION_ID)
    assert act(staff, "keys/signingkey", first, "rotate").status_code == 404, "it signs no more"
    assert act(staff, "keys/signingkey", second, "withdraw").status_code == 422, "no reason"
    assert not SigningKey.objects.exclude(withdrawn_at=None).exists()
    assert act(staff, "keys/signingkey", second, "withdraw", reason="copied").status_code == 302
    assert SigningKey.objects.get(withdrawn_at__isnull=False) == second
    assert recorded(cast, "signing_key.withdrawn", INSTALLATION_ID).data == {"reason": "copied"}


def test_a_project_is_archived_and_restored(staff: Client, cast: Cast):
    assert act(staff, "projects/project", cast.project, "archive").status_code == 302
    with tenant_scope(cast.acme.id):
        assert not Project.objects.get(id=cast.project.id).is_active
    assert act(staff, "projects/project", cast.project, "restore").status_code == 302
    recorded(cast, "project.restored", cast.acme.id)


def test_an_invitation_is_revoked(staff: Client, cast: Cast):
    with tenant_scope(cast.acme.id):
        invitation = Invitation.objects.create(
            email="n@acme.example",
            role="viewer",
            token_hash=b"t" * 32,
            expires_at=timezone.now() + timedelta(days=1),
        )
    assert act(staff, "orgs/invitation", invitation, "revoke").status_code == 302
    with tenant_scope(cast.acme.id):
        assert Invitation.objects.get(id=invitation.id).revoked_at
    recorded(cast, "invitation.revoked", cast.acme.id)
    assert act(staff, "orgs/invitation", invitation, "resend").status_code == 404


def test_actions_need_the_forms_own_token(cast: Cast, enter: Callable[[User], Client]):
    browser = enter(cast.staff)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert act(strict, "orgs/organization", cast.acme, "disable", reason="forged").status_code == 403
    assert status_of(cast) == "active"
