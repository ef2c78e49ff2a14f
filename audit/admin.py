"""Staff pages of the ledger: to read, never to change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.checkpoints import tell_withdrawals
from audit.models import AuditCheckpoint, moment_of
from audit.searching import Criteria, search
from audit.words import MOST_WORDS, words_in
from config.kernel.identifiers import parse_public_id
from config.kernel.staff import StaffModelAdmin, TenantModelAdmin, organization_link
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope

# As many records as a search for words shows at once.
MOST_FOUND = 200


class LedgerAdmin(TenantModelAdmin):
    """Rows of organizations, and of the installation itself."""

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        if word == "installation":
            return rows.filter(org_id=INSTALLATION_ID)
        return super().narrow(rows, word)

    @admin.display(description="Organization")
    def organization(self, row: Any) -> str:
        """A link to it."""
        return "The installation" if row.org_id == INSTALLATION_ID else organization_link(row.org_id)


class AuditEventAdmin(LedgerAdmin):
    """Every organization's events, and the installation's own."""

    prefix = "evt"
    search_help_text = (
        "A public id of an event (evt_…) or an organization (org_…), or `installation`; "
        "beside an organization also words: names, events, ids, addresses"
    )
    list_display = ("created_at", "event", "result", "actor_label", "target_label", "organization")
    list_display_links = ("event",)
    fields = (
        "event",
        "description",
        "public_id",
        "organization",
        "result",
        "actor_kind",
        "actor_id",
        "actor_label",
        "target_kind",
        "target_id",
        "target_label",
        "data",
        "ip",
        "user_agent",
        "request_id",
        "created_at",
    )

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Ids and the organization by indexes; other words as in the organization's own log, so never without one."""
        words = search_term.replace("\0", "").split()
        named = [word for word in words if word == "installation" or is_id(word)]
        rows, may_repeat = super().get_search_results(request, queryset, " ".join(named))
        sought = words_in(" ".join(word for word in words if word not in named))
        if not words or words == named:
            return rows, may_repeat
        organization_id = organization_of(named, request.GET.get("org_id__exact", ""))
        if organization_id is None:
            messages.warning(request, "Name an organization too: org_… or `installation`.")
            return rows.none(), False
        if not 1 <= len(sought) <= MOST_WORDS:
            messages.warning(request, f"Search for 1 to {MOST_WORDS} words with letters or digits.")
            return rows.none(), False
        with tenant_scope(organization_id):
            found = search(Criteria(words=sought), limit=MOST_FOUND)
        if found.older:
            messages.info(request, f"Shown are the newest, back to {moment_of(found.older):%Y-%m-%d %H:%M:%S} UTC.")
        return rows.filter(id__in=[row.id for row in found.rows]), may_repeat


def is_id(word: str) -> bool:
    """Whether it is the id of an organization or a record."""
    return parse_public_id("org", word) is not None or parse_public_id("evt", word) is not None


def organization_of(words: list[str], number: str) -> UUID | None:
    """The organization that words name, or that a list is narrowed to by its `number`; None for neither."""
    for word in words:
        if word == "installation":
            return INSTALLATION_ID
        organization_id = parse_public_id("org", word)
        if organization_id:
            return organization_id
    try:
        return UUID(number)
    except ValueError:
        return None


class AuditSealAdmin(LedgerAdmin):
    """The links of every organization's chain."""

    prefix = "evt"
    search_help_text = "A public id of a record (evt_…) or an organization (org_…), or `installation`"
    list_display = ("record_id", "sequence", "created_at", "organization")
    fields = ("record_id", "organization", "sequence", "digest_text", "created_at")


class AuditCheckpointAdmin(LedgerAdmin):
    """The signed statements of every organization's chain."""

    prefix = "acp"
    search_help_text = "A public id of a checkpoint (acp_…) or an organization (org_…), or `installation`"
    list_display = ("public_id", "sequence", "sealed_at", "organization")
    fields = (
        "public_id",
        "organization",
        "sequence",
        "edition",
        "digest_text",
        "sealed_at",
        "statement",
        "key_withdrawn",
        "created_at",
    )

    @admin.display(description="Key withdrawn", empty_value="No")
    def key_withdrawn(self, row: AuditCheckpoint) -> datetime | None:
        """When its key was: since then it proves nothing."""
        tell_withdrawals([row])
        return row.withdrawn_at


class AuditBeginningAdmin(LedgerAdmin):
    """Where the logs begin of which old records were dropped."""

    search_help_text = "A public id of an organization (org_…), or `installation`"
    list_display = ("__str__", "sequence", "dropped_before", "organization")
    fields = ("organization", "sequence", "dropped_before", "edition", "statement", "created_at")


class AuditExportAdmin(LedgerAdmin):
    """Exports of organizations' records."""

    prefix = "aex"
    list_display = ("public_id", "state", "format", "rows_done", "created_at", "organization")
    fields = (
        "public_id",
        "organization",
        "state",
        "format",
        "filters",
        "requested_by_label",
        "rows_done",
        "rows_total",
        "size",
        "attempt",
        "created_at",
        "finished_at",
    )


class SealerAdmin(StaffModelAdmin):
    """How far the sealer has come."""

    list_display = ("__str__", "horizon", "sealed_at")
    fields = ("cluster", "horizon", "rescan_after", "sealed_at")
