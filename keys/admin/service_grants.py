"""Staff pages of service grants."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config.kernel.errors import Invalid
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import GRANT_PERMISSIONS
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, StaffForm, text_field
from config.kernel.tenancy.scope import tenant_scope
from keys.forms.credentials import permission_choices
from keys.services.service_grants import create_grant, withdraw_grant
from orgs.admin.organizations import OfOrganizationAdmin
from orgs.models import Organization, ServiceAccount, ServiceGrant
from projects.models import Project


class NewGrantForm(StaffForm):
    """Which product may do what, and where."""

    organization = text_field("Organization", help_text="Its id or slug.")
    service_account = text_field("Service account", help_text="Its public id (svc_…) or name.")
    project = text_field(
        "Project", required=False, help_text="The id or slug of the one project it is for; empty for all of them."
    )
    permissions = forms.MultipleChoiceField(
        label="Permissions",
        choices=permission_choices(GRANT_PERMISSIONS),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )


def withdraw(*, actor: StaffPrincipal, row: ServiceGrant) -> Outcome:
    """Ends the grant."""
    with tenant_scope(row.org_id):
        withdraw_grant(actor=actor, grant_id=row.id)
    return Outcome(f"The grant of {row.account.name} is withdrawn.")


class ServiceGrantAdmin(OfOrganizationAdmin):
    """What organizations let service accounts do."""

    prefix = "grt"
    list_display = ("account", "organization", "project", "permissions", "state", "created_at")
    list_select_related = ("account",)
    search_help_text = "A public id of a grant (grt_…), a service account (svc_…) or an organization (org_…)"
    fields = (
        "account",
        "public_id",
        "organization",
        "project",
        "permissions",
        "state",
        "granted_by",
        "created_at",
        "withdrawn_at",
    )
    add_form_class = NewGrantForm
    add_explanation = "The account may act there from its next request on. The organization's log tells of it."
    staff_actions = (
        StaffAction(
            "withdraw",
            "Withdraw",
            "The account's next request is judged without this grant.",
            withdraw,
            applies=lambda row: row.withdrawn_at is None,
            danger=True,
        ),
    )

    def lookup_allowed(self, lookup: str, value: str, request: Any = None) -> bool:
        """The link from a service account narrows by it."""
        return lookup == "account_id__exact" or super().lookup_allowed(lookup, value, request)

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        account_id = parse_public_id("svc", word)
        return rows.filter(account_id=account_id) if account_id else super().narrow(rows, word)

    def add(self, *, actor: StaffPrincipal, **values: Any) -> tuple[ServiceGrant, Outcome]:
        organization = Organization.objects.by_reference(values["organization"])
        if organization is None:
            raise Invalid.field("organization", "No organization has this id or slug.")
        reference = values["service_account"]
        account = (
            ServiceAccount.objects.by_reference(reference) or ServiceAccount.objects.filter(name=reference).first()
        )
        if account is None:
            raise Invalid.field("service_account", "No service account has this id or name.")
        with tenant_scope(organization.id):
            project = Project.objects.by_reference(values["project"]) if values["project"] else None
            if values["project"] and project is None:
                raise Invalid.field("project", "No project of this organization has this id or slug.")
            grant = create_grant(
                actor=actor,
                account_id=account.id,
                permissions=values["permissions"],
                project_id=project.id if project else None,
            )
        return grant, Outcome(f"{account.name} may act in {organization.name}.")

    @admin.display(description="Project")
    def project(self, row: ServiceGrant) -> str:
        """Its public id."""
        return public_id("prj", row.project_id) if row.project_id else "The whole organization"
