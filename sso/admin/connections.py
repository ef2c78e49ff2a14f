"""Staff pages of connections to identity providers. Secrets and keys are never shown."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from sso import addresses
from sso.models import Connection
from sso.services.connections import update_connection


def disable(*, actor: StaffPrincipal, row: Connection) -> Outcome:
    """Nobody signs in through it any more."""
    with tenant_scope(row.org_id):
        update_connection(actor=actor, connection_id=row.id, enabled=False)
    return Outcome(f"{row} is disabled.")


class OfConnectionAdmin(OfOrganizationAdmin):
    """Rows of connections, found by the connection too."""

    list_select_related: tuple[str, ...] = ("connection",)
    search_help_text = "A public id of a connection (con_…) or an organization (org_…)"

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        connection_id = parse_public_id("con", word)
        return rows.filter(connection_id=connection_id) if connection_id else super().narrow(rows, word)


class ConnectionAdmin(OfOrganizationAdmin):
    """Organizations' ways in through their identity providers."""

    prefix = "con"
    list_display = ("name", "organization", "protocol", "is_enabled", "last_sign_in_at", "created_at")
    search_help_text = "A public id of a connection (con_…) or an organization (org_…)"
    fields = (
        "name",
        "public_id",
        "organization",
        "protocol",
        "is_enabled",
        "allow_idp_initiated",
        "role",
        "custom_role",
        "start_url",
        "sp_certificate",
        "last_sign_in_at",
        "created_at",
    )
    staff_actions = (
        StaffAction(
            "disable",
            "Disable",
            "Nobody signs in through it from now on. Where single sign-on is enforced and it is the only one, "
            "`manage.py sso_disable` is the way.",
            disable,
            applies=lambda row: row.is_enabled,
            danger=True,
        ),
    )

    def links(self, row: Any) -> list[tuple[str, str]]:
        return [
            (words, f"/admin/sso/{model}/?q={row.public_id}")
            for words, model in (
                ("Configurations", "configuration"),
                ("Groups", "groupmapping"),
                ("Log", "connectionlogentry"),
                ("Identities", "federatedidentity"),
            )
        ]

    @admin.display(description="Start")
    def start_url(self, row: Connection) -> str:
        """Where a sign-in begins."""
        return addresses.start_url(row)


class ConfigurationAdmin(OfConnectionAdmin):
    """How identity providers are reached, also formerly. The client secret is not shown."""

    prefix = "cfg"
    list_display = ("connection", "number", "state", "organization", "tested_at", "created_at")
    search_help_text = "A public id of a configuration (cfg_…), a connection (con_…) or an organization (org_…)"
    fields = (
        "connection",
        "public_id",
        "organization",
        "number",
        "state",
        "issuer",
        "client_id",
        "entity_id",
        "sso_url",
        "metadata_url",
        "metadata_read_at",
        "metadata_tried_at",
        "metadata_failure",
        "signs_response_only",
        "email_attribute",
        "name_attribute",
        "groups_attribute",
        "tested_at",
        "created_at",
    )


class CertificateAdmin(OfOrganizationAdmin):
    """Certificates by which identity providers sign."""

    list_display = ("short_fingerprint", "configuration", "organization", "not_before", "not_after")
    list_select_related = ("configuration",)
    search_help_text = "A public id of a configuration (cfg_…) or an organization (org_…)"
    fields = (
        "fingerprint",
        "configuration",
        "organization",
        "not_before",
        "not_after",
        "warned_days",
        "pem",
        "created_at",
    )

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        configuration_id = parse_public_id("cfg", word)
        return rows.filter(configuration_id=configuration_id) if configuration_id else super().narrow(rows, word)

    @admin.display(description="SHA-256")
    def short_fingerprint(self, row: Any) -> str:
        """Its beginning, which tells certificates apart."""
        return f"{row.fingerprint[:16]}…"


class GroupMappingAdmin(OfConnectionAdmin):
    """Groups of identity providers, and the roles that they give."""

    prefix = "sgm"
    list_display = ("group", "connection", "organization", "role", "created_at")
    search_help_text = "A public id of a mapping (sgm_…), a connection (con_…) or an organization (org_…)"
    fields = ("group", "public_id", "connection", "organization", "role", "custom_role", "created_at")


class ConnectionLogEntryAdmin(OfConnectionAdmin):
    """What happened at connections. What was received of people is for their organization alone."""

    prefix = "sle"
    list_display = ("outcome", "code", "connection", "organization", "created_at")
    search_help_text = "A public id of a line (sle_…), a connection (con_…) or an organization (org_…)"
    fields = (
        "outcome",
        "public_id",
        "connection",
        "organization",
        "configuration_number",
        "code",
        "detail",
        "ip",
        "request_id",
        "created_at",
    )


class UsedAssertionAdmin(OfOrganizationAdmin):
    """Assertions that came already, kept by digest while they would be good."""

    list_display = ("created_at", "organization", "expires_at")
    search_help_text = "A public id of an organization (org_…)"
    fields = ("organization", "created_at", "expires_at")


class FederatedIdentityAdmin(OfConnectionAdmin):
    """Who people are at their identity providers."""

    list_display = ("subject", "user", "connection", "organization", "created_at")
    list_select_related = ("connection", "user")
    search_help_text = "A public id of a user (usr_…), a connection (con_…) or an organization (org_…)"
    fields = ("subject", "issuer", "user", "connection", "organization", "created_at")

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        user_id = parse_public_id("usr", word)
        return rows.filter(user_id=user_id) if user_id else super().narrow(rows, word)
