"""Staff pages of what organizations ask of their people's sign-in, and of programs that wait for consent."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.staff import StaffModelAdmin
from orgs.admin.organizations import OfOrganizationAdmin
from orgs.models import PilotMember


class OfPersonAdmin(OfOrganizationAdmin):
    """Rows of people in organizations, found by the person too."""

    list_select_related = ("user",)
    search_help_text = "A public id of a user (usr_…) or an organization (org_…)"

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)


class SignInPolicyAdmin(OfOrganizationAdmin):
    """Whether single sign-on is enforced, and since when. It is switched off by `manage.py sso_disable`."""

    list_display = ("enforcement", "organization", "required_from", "confirmed_at", "guests", "require_second_factor")
    search_help_text = "A public id of an organization (org_…)"
    fields = (
        "organization",
        "enforcement",
        "required_from",
        "switched_on_at",
        "switched_on_by",
        "confirmed_at",
        "rolled_back_at",
        "guests",
        "session_hours",
        "require_second_factor",
        "updated_at",
    )


class PilotMemberAdmin(OfOrganizationAdmin):
    """Members who try single sign-on before it is required."""

    list_display = ("person", "organization", "created_at")
    list_select_related = ("membership__user",)
    search_help_text = "A public id of an organization (org_…)"
    fields = ("person", "organization", "created_at")

    @admin.display(description="Member")
    def person(self, row: PilotMember) -> str:
        """Their address."""
        return row.membership.user.email


class BreakGlassCodeAdmin(OfPersonAdmin):
    """Who holds a break-glass code. Codes are kept by digest only, which is not shown."""

    list_display = ("user", "organization", "created_at", "used_at")
    fields = ("user", "organization", "created_at", "used_at")


class SsoSignInAdmin(OfPersonAdmin):
    """When people last came in through their organization's identity provider."""

    list_display = ("user", "organization", "subject", "last_at")
    fields = ("user", "organization", "connection_id", "subject", "last_at", "created_at")


class RemovedMemberAdmin(OfPersonAdmin):
    """Who was removed, and is not brought back by single sign-on."""

    list_display = ("user", "organization", "created_at")
    fields = ("user", "organization", "created_at")


class DeviceAuthorizationAdmin(StaffModelAdmin):
    """Programs without a browser that asked to be signed in. Their codes are kept by digest only."""

    list_display = ("client_name", "user", "organization", "status", "ip", "created_at", "expires_at")
    list_select_related = ("user", "organization")
    search_help_text = "A public id of a request (dev_…) or a user (usr_…)"
    fields = (
        "client_name",
        "public_id",
        "user",
        "organization",
        "status",
        "ip",
        "user_agent",
        "polled_at",
        "created_at",
        "expires_at",
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        device_id, user_id = parse_public_id("dev", word), parse_public_id("usr", word)
        if device_id:
            return rows.filter(id=device_id)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)
