"""Staff pages of memberships, roles and invitations."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.permissions import Role
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, StaffForm, choice_field
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from orgs.models import Invitation, Membership
from orgs.services import invitations, members


class RoleForm(StaffForm):
    """Which built-in role."""

    role = choice_field("Role", [(role.value, role.value.capitalize()) for role in Role if role != Role.CUSTOM])


def change_role(*, actor: StaffPrincipal, row: Membership, role: str) -> Outcome:
    """Another role."""
    with tenant_scope(row.org_id):
        changed = members.change_role(actor=actor, user_id=row.user_id, role=role)
    return Outcome(f"{row.user.email} is {changed.role_name} now.")


def remove(*, actor: StaffPrincipal, row: Membership) -> Outcome:
    """No member any more."""
    with tenant_scope(row.org_id):
        members.remove_member(actor=actor, user_id=row.user_id)
    return Outcome(f"{row.user.email} is no member any more.")


def resend(*, actor: StaffPrincipal, row: Invitation) -> Outcome:
    """A new mail."""
    with tenant_scope(row.org_id):
        invitations.resend(actor=actor, invitation_id=row.id)
    return Outcome(f"A new mail is on its way to {row.email}.")


def revoke(*, actor: StaffPrincipal, row: Invitation) -> Outcome:
    """Takes it back."""
    with tenant_scope(row.org_id):
        invitations.revoke(actor=actor, invitation_id=row.id)
    return Outcome(f"The invitation of {row.email} is revoked.")


class MembershipAdmin(OfOrganizationAdmin):
    """Who belongs where."""

    list_display = ("user", "role_name", "organization", "created_at")
    list_select_related = ("user", "custom_role")
    search_help_text = "A public id of a user (usr_…) or an organization (org_…)"
    fields = ("user", "role_name", "organization", "created_at", "updated_at")
    staff_actions = (
        StaffAction("change-role", "Change role", "Holds from their next request on.", change_role, form=RoleForm),
        StaffAction("remove", "Remove", "The person loses the organization at once.", remove, danger=True),
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)

    @admin.display(description="Role")
    def role_name(self, row: Membership) -> str:
        """The custom role's name, or the built-in one."""
        return row.role_name


class CustomRoleAdmin(OfOrganizationAdmin):
    """Roles that organizations wrote themselves."""

    prefix = "rol"
    list_display = ("name", "organization", "description", "created_at")
    fields = ("name", "description", "public_id", "organization", "permissions", "created_at", "updated_at")


class InvitationAdmin(OfOrganizationAdmin):
    """Offers to join. The token's hash is not shown."""

    prefix = "inv"
    list_display = ("email", "state", "organization", "expires_at", "created_at")
    fields = (
        "email",
        "state",
        "public_id",
        "organization",
        "role_name",
        "invited_by",
        "sent_at",
        "expires_at",
        "accepted_at",
        "revoked_at",
        "created_at",
    )
    staff_actions = (
        StaffAction(
            "resend",
            "Send again",
            "Mails a new link; the old one stops working.",
            resend,
            applies=lambda row: row.accepted_at is None and row.revoked_at is None,
        ),
        StaffAction(
            "revoke",
            "Revoke",
            "The link stops working.",
            revoke,
            applies=lambda row: row.accepted_at is None and row.revoked_at is None,
            danger=True,
        ),
    )

    @admin.display(description="Role")
    def role_name(self, row: Invitation) -> str:
        """The custom role's name, or the built-in one."""
        return row.role_name
