"""What staff look at inside an organization is on the organization's own record, before they see it.

The log lies above the kernel, so the function that records is named in settings (TENANTRY_STAFF_READ_RECORDER).
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from unfold.admin import ModelAdmin

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID


def staff_principal(request: HttpRequest) -> StaffPrincipal:
    """The member of staff at work, as the actor of services."""
    user: Any = request.user
    return StaffPrincipal.of(user_id=user.id, email=user.email)


def note_look(
    request: HttpRequest,
    organization_ids: Iterable[UUID | None],
    *,
    what: str,
    kind: str,
    reference: str,
    label: str,
    search: str = "",
) -> None:
    """Says in organizations' own logs that staff look at something of theirs, before they see it.

    `what` is `object`, `list` or `download`. Of what belongs to no organization nothing is said.
    """
    whose = {each for each in organization_ids if each not in (None, INSTALLATION_ID)}
    if not whose:
        return
    import_string(settings.TENANTRY_STAFF_READ_RECORDER)(
        actor=staff_principal(request),
        organization_ids=whose,
        what=what,
        kind=kind,
        reference=reference,
        label=label,
        search=search,
    )


class RecordedModelAdmin(ModelAdmin):
    """Whoever looks at its lists is recorded; subclasses call `note_object`."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list. Each organization with a row on the page, or named by the search, has on record who has looked."""
        response = super().changelist_view(request, extra_context)
        listed = getattr(response, "context_data", None) or {}
        if isinstance(listed.get("cl"), ChangeList):
            self._note_list(request, listed["cl"])
        return response

    def _note_list(self, request: HttpRequest, listed: ChangeList) -> None:
        named = {parse_public_id("org", word) for word in listed.query.split()}
        named |= {_uuid(str(value)) for name, value in request.GET.items() if name in ("org_id", "org_id__exact")}
        note_look(
            request,
            named | {self.organization_of(row) for row in listed.result_list},
            what="list",
            kind=self.opts.model_name or "",
            reference=self.opts.label_lower,
            label=f"List of {self.opts.verbose_name_plural}",
            search=listed.query,
        )

    def organization_of(self, row: Any) -> UUID | None:
        """Whose row it is; None for what belongs to no organization."""
        return getattr(row, "org_id", None) or getattr(row, "organization_id", None)

    def note_object(self, request: HttpRequest, row: Any) -> None:
        """Says that somebody looks at this one row."""
        note_look(
            request,
            [self.organization_of(row)],
            what="object",
            kind=self.opts.model_name or "",
            reference=getattr(row, "public_id", str(row.pk)),
            label=str(row),
        )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
