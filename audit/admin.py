"""Staff pages of the ledger: to read, never to change."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from audit.models import AuditEventQuerySet, AuditExport
from config.kernel.identifiers import parse_public_id
from config.kernel.staff import REACHABLE_ROWS, StaffModelAdmin, TenantModelAdmin, organization_link
from config.kernel.tenancy.scope import INSTALLATION_ID


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
        "after one of these also the name of an event, or an actor's or target's public id"
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
        """The indexes begin with the organization, so nothing else is searched for without one."""
        anchored = "org_id__exact" in request.GET or any(
            word == "installation" or parse_public_id("org", word) or parse_public_id("evt", word)
            for word in search_term.split()
        )
        if search_term.strip() and not anchored:
            messages.warning(request, "Name an organization too: org_… or `installation`.")
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        if word == "installation" or parse_public_id("org", word) or parse_public_id("evt", word):
            return super().narrow(rows, word)
        if "." in word:
            return AuditEventQuerySet.matching(rows, event=word)  # type: ignore[arg-type]
        # Two walks along an index each; an OR would read the whole log of the organization.
        as_actor = rows.filter(actor_id=word).order_by("-id").values("id")[:REACHABLE_ROWS]
        as_target = rows.filter(target_id=word).order_by("-id").values("id")[:REACHABLE_ROWS]
        return rows.filter(id__in=as_actor.union(as_target))


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
    fields = ("public_id", "organization", "sequence", "digest_text", "sealed_at", "statement", "created_at")


class AuditBeginningAdmin(LedgerAdmin):
    """Where the logs begin of which old records were dropped."""

    search_help_text = "A public id of an organization (org_…), or `installation`"
    list_display = ("__str__", "sequence", "dropped_before", "organization")
    fields = ("organization", "sequence", "dropped_before", "statement", "created_at")


class AuditExportAdmin(TenantModelAdmin):
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

    @admin.display(description="Organization")
    def organization(self, row: AuditExport) -> str:
        """A link to it."""
        return organization_link(row.org_id)


class SealerAdmin(StaffModelAdmin):
    """How far the sealer has come."""

    list_display = ("__str__", "horizon", "sealed_at")
    fields = ("cluster", "horizon", "rescan_after", "sealed_at")
