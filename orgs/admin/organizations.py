"""Staff pages of organizations."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from config.kernel.errors import Invalid
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.slugs import SLUG_LENGTH
from config.kernel.staff import (
    Outcome,
    ReasonForm,
    StaffAction,
    StaffForm,
    StaffModelAdmin,
    TenantModelAdmin,
    choice_field,
    list_link,
    organization_link,
    text_field,
)
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Organization, User
from orgs.services import organizations

Status = Organization.Status


class PlanForm(StaffForm):
    """Which plan."""

    plan = choice_field("Plan", Organization.Plan.choices)


class ConfirmationForm(StaffForm):
    """The slug, typed."""

    confirmation = text_field("Slug", help_text="Type the organization's slug to confirm.")


class NewOrganizationForm(StaffForm):
    """A new customer."""

    name = text_field("Name", max_length=120)
    slug = text_field("Slug", max_length=SLUG_LENGTH, help_text="Lower-case letters, digits and hyphens.")
    plan = choice_field("Plan", Organization.Plan.choices)
    owner = text_field("Owner", max_length=254, help_text="The e-mail address of a user, who becomes its owner.")


def disable(*, actor: StaffPrincipal, row: Organization, reason: str) -> Outcome:
    """Refuses its credentials."""
    with tenant_scope(row.id):
        organizations.disable_organization(actor=actor, reason=reason)
    return Outcome(f"{row.name} is disabled.")


def enable(*, actor: StaffPrincipal, row: Organization) -> Outcome:
    """Accepts its credentials again."""
    with tenant_scope(row.id):
        organizations.enable_organization(actor=actor)
    return Outcome(f"{row.name} is enabled.")


def change_plan(*, actor: StaffPrincipal, row: Organization, plan: str) -> Outcome:
    """Another plan."""
    with tenant_scope(row.id):
        changed = organizations.change_plan(actor=actor, plan=plan)
    return Outcome(f"{row.name} is on the plan {changed.plan}.")


def delete(*, actor: StaffPrincipal, row: Organization, confirmation: str) -> Outcome:
    """Begins the grace period."""
    with tenant_scope(row.id):
        deleted = organizations.delete_organization(actor=actor, confirmation=confirmation)
    return Outcome(f"{row.name} will be erased after {deleted.erase_after:%Y-%m-%d %H:%M} UTC.")


def restore(*, actor: StaffPrincipal, row: Organization) -> Outcome:
    """Takes the deletion back."""
    with tenant_scope(row.id):
        organizations.restore_organization(actor=actor)
    return Outcome(f"{row.name} is restored.")


class OrganizationAdmin(StaffModelAdmin):
    """The customers."""

    list_display = ("name", "slug", "plan", "status", "created_at")
    list_filter = ("plan", "status")
    search_help_text = "The beginning of a name or slug, or a public id (org_…)"
    fields = ("name", "slug", "public_id", "plan", "status", "erase_after", "created_at", "updated_at")
    add_form_class = NewOrganizationForm
    staff_actions = (
        StaffAction(
            "disable",
            "Disable",
            "Every key, token and session of the organization is refused from the next request on. Nothing is deleted.",
            disable,
            form=ReasonForm,
            applies=lambda row: row.status == Status.ACTIVE,
            danger=True,
        ),
        StaffAction(
            "enable",
            "Enable",
            "The organization's people and credentials work again.",
            enable,
            applies=lambda row: row.status == Status.DISABLED,
        ),
        StaffAction(
            "change-plan", "Change plan", "Takes effect at once.", change_plan, form=PlanForm,
            applies=lambda row: row.status != Status.DELETING,
        ),
        StaffAction(
            "restore",
            "Restore",
            "Takes the deletion back.",
            restore,
            applies=lambda row: row.status == Status.DELETING,
        ),
        StaffAction(
            "delete",
            "Delete",
            "Credentials stop working at once; everything is erased when the grace period is over.",
            delete,
            form=ConfirmationForm,
            applies=lambda row: row.status != Status.DELETING,
            danger=True,
        ),
    )  # fmt: skip

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        organization_id = parse_public_id("org", word)
        if organization_id:
            return rows.filter(id=organization_id)
        return rows.filter(Q(slug__startswith=word.lower()) | Q(name__istartswith=word))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """A name has spaces, so the words are taken together."""
        term = " ".join(search_term.replace("\0", "").split())
        return (self.narrow(queryset, term) if term else queryset), False

    def add(self, *, actor: StaffPrincipal, **values: Any) -> tuple[Organization, Outcome]:
        owner = User.objects.by_email(values.pop("owner"))
        if owner is None:
            raise Invalid.field("owner", "No user has this address: create the user first.")
        organization = organizations.create_organization(actor=actor, owner=owner, **values)
        return organization, Outcome(f"{organization.name} is created and owned by {owner.email}.")

    def organization_of(self, row: Organization) -> UUID:
        return row.id

    def links(self, row: Organization) -> list[tuple[str, str]]:
        lists = {
            "Members": "orgs_membership",
            "Roles": "orgs_customrole",
            "Invitations": "orgs_invitation",
            "Projects": "projects_project",
            "Keys": "keys_key",
            "Usage by month": "projects_usagemonth",
            "E-mail domains": "orgs_emaildomain",
            "Service grants": "orgs_servicegrant",
            "Exports": "orgs_dataexport",
            "Audit log": "audit_auditevent",
        }
        return [(words, list_link(model, org_id__exact=row.id)) for words, model in lists.items()]


class OfOrganizationAdmin(TenantModelAdmin):
    """Tenant rows with the name of their organization, in the same query."""

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        names = Organization.objects.filter(id=OuterRef("org_id")).values("name")[:1]
        return super().get_queryset(request).annotate(organization_name=Subquery(names))

    @admin.display(description="Organization")
    def organization(self, row: Any) -> str:
        """A link to it."""
        return organization_link(row.org_id, row.organization_name or "")


class RetiredSlugAdmin(StaffModelAdmin):
    """Slugs that go on leading to their organization."""

    list_display = ("slug", "organization", "created_at")
    list_select_related = ("organization",)
    ordering = ("slug",)
    search_help_text = "The beginning of a slug"
    fields = ("slug", "organization", "created_at")

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        return rows.filter(slug__startswith=word.lower())


class DataExportAdmin(OfOrganizationAdmin):
    """Archives that owners asked for. Their content is not for staff."""

    prefix = "exp"
    list_display = ("public_id", "organization", "state", "rows", "size", "created_at")
    fields = (
        "public_id",
        "organization",
        "state",
        "requested_by",
        "tables_done",
        "tables_total",
        "rows",
        "size",
        "created_at",
        "finished_at",
    )
