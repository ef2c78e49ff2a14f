"""Staff pages of service accounts. A secret is shown once, when it is made."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextInputWidget

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import (
    Outcome,
    ReasonForm,
    StaffAction,
    StaffForm,
    StaffModelAdmin,
    list_link,
    text_field,
)
from keys.services import service_accounts as services
from keys.services.keys import LONGEST_OVERLAP
from orgs.models import ServiceAccount


class NewServiceAccountForm(StaffForm):
    """A product."""

    name = text_field("Name", max_length=services.NAME_LENGTH, help_text="What organizations will know it by.")
    description = text_field(
        "Description",
        max_length=services.DESCRIPTION_LENGTH,
        required=False,
        help_text="What it does, for those who grant it permissions.",
    )


class RotationForm(StaffForm):
    """For how long earlier secrets work on."""

    overlap_days = forms.IntegerField(
        label="Overlap in days",
        min_value=0,
        max_value=LONGEST_OVERLAP.days,
        initial=services.USUAL_OVERLAP.days,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Earlier secrets work on for so long; 0 ends them at once.",
    )


class ServiceReasonForm(ReasonForm):
    """Why, for the installation's own log."""

    reason = text_field("Reason", help_text="Kept in the installation's log.")


def rotate(*, actor: StaffPrincipal, row: ServiceAccount, overlap_days: int) -> Outcome:
    """A new secret."""
    secret, plaintext = services.rotate_service_account_secret(
        actor=actor, account_id=row.id, overlap=timedelta(days=overlap_days)
    )
    return Outcome(f"{row.name} has a new secret, whose keyid is {secret.key_id}:", secret=plaintext)


def disable(*, actor: StaffPrincipal, row: ServiceAccount, reason: str) -> Outcome:
    """Refuses its signatures."""
    services.disable_service_account(actor=actor, account_id=row.id, reason=reason)
    return Outcome(f"{row.name} is disabled.")


def enable(*, actor: StaffPrincipal, row: ServiceAccount) -> Outcome:
    """Accepts its signatures again."""
    services.enable_service_account(actor=actor, account_id=row.id)
    return Outcome(f"{row.name} is enabled.")


class ServiceAccountAdmin(StaffModelAdmin):
    """The products behind Tenantry."""

    list_display = ("name", "public_id", "active", "key_ids", "created_at")
    search_help_text = "The beginning of a name, or a public id (svc_…)"
    fields = ("name", "description", "public_id", "active", "key_ids", "created_at", "disabled_at")
    add_form_class = NewServiceAccountForm
    add_explanation = "It can do nothing until organizations grant it permissions. Its secret is shown once."
    staff_actions = (
        StaffAction(
            "rotate",
            "Rotate secret",
            "Makes a new secret, shown once. Earlier ones work until the overlap ends.",
            rotate,
            form=RotationForm,
        ),
        StaffAction(
            "disable",
            "Disable",
            "Its signatures are refused from the next request on. Grants and secrets are kept.",
            disable,
            form=ServiceReasonForm,
            applies=lambda row: row.is_active,
            danger=True,
        ),
        StaffAction(
            "enable",
            "Enable",
            "Its signatures are accepted again, as far as its grants go.",
            enable,
            applies=lambda row: not row.is_active,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).with_usable_secrets()

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        account_id = parse_public_id("svc", word)
        return rows.filter(id=account_id) if account_id else rows.filter(name__startswith=word)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """A name has spaces, so the words are taken together."""
        term = " ".join(search_term.replace("\0", "").split())
        return (self.narrow(queryset, term) if term else queryset), False

    def add(self, *, actor: StaffPrincipal, **values: Any) -> tuple[ServiceAccount, Outcome]:
        account, secret, plaintext = services.create_service_account(actor=actor, **values)
        words = f"{account.name} is registered as {account.public_id}. The keyid of its secret is {secret.key_id}:"
        return account, Outcome(words, secret=plaintext)

    def links(self, row: ServiceAccount) -> list[tuple[str, str]]:
        return [("Grants", list_link("orgs_servicegrant", account_id__exact=row.id))]

    @admin.display(boolean=True, description="Active")
    def active(self, row: ServiceAccount) -> bool:
        """Not disabled."""
        return row.is_active

    @admin.display(description="Keyids of working secrets")
    def key_ids(self, row: ServiceAccount) -> str:
        """The secrets that work, oldest first."""
        return ", ".join(
            f"{secret.key_id} (until {secret.expires_at:%Y-%m-%d %H:%M} UTC)" if secret.expires_at else secret.key_id
            for secret in row.secrets.all()
        )
