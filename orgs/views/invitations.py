"""Invitations, from the inside: list, send, send many, resend, revoke."""

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent, Invalid
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission, Role, may_assign
from orgs.forms.invitations import BulkInviteForm, InvitationFilterForm, InviteForm
from orgs.forms.role_choice import role_arguments
from orgs.models import Invitation
from orgs.selectors import custom_roles
from orgs.services.invitations import LineResult, invite, invite_many, resend, revoke

ALL = "all"
STATE_FILTERS = [("pending", "Waiting"), ("expired", "Expired"), ("accepted", "Accepted"), ("revoked", "Revoked")]
# The session's key of what became of the last list, by organization.
BULK_RESULT = "bulk_invitation"


@dataclass(frozen=True)
class InvitationRow:
    """A line of the list, and what the viewer may do with it."""

    invitation: Invitation
    is_open: bool
    resendable: bool


class InvitationsPage(Page):
    """The invitations, newest first; those that are still open unless the filter says otherwise."""

    access = {"GET": organization(Permission.MANAGE_MEMBERS)}
    template_name = "orgs/invitations.html"
    navigation = "invitations"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        filters = InvitationFilterForm(request.GET)
        if not filters.is_valid():
            raise Invalid("Choose a state of the list.")
        state = filters.cleaned_data["state"]
        rows = Invitation.objects.with_roles()
        if not state:
            rows = rows.open()
        elif state != ALL:
            rows = rows.in_state(Invitation.State(state))
        context = self.listed(rows)
        context["rows"] = [self._row(invitation) for invitation in context["rows"]]
        return self.show({**context, "state": state, "state_filters": [*STATE_FILTERS, (ALL, "All")]})

    def _row(self, invitation: Invitation) -> InvitationRow:
        is_open = invitation.state in (Invitation.State.PENDING, Invitation.State.EXPIRED)
        within = may_assign(holder=self.admission.permissions, assigned=invitation.permissions)
        return InvitationRow(invitation, is_open=is_open, resendable=is_open and within)


class RoleChoicePage(FormPage):
    """Base of the pages that invite into a role."""

    access = organization(Permission.MANAGE_MEMBERS)
    navigation = "invitations"

    def form_arguments(self) -> dict[str, Any]:
        return {
            "holder": self.admission.permissions,
            "custom_roles": custom_roles(),
            "initial": {"role": Role.DEVELOPER.value},
        }


class InvitePage(RoleChoicePage):
    """One invitation."""

    form_class = InviteForm
    template_name = "orgs/invite.html"

    def save(self, form: InviteForm) -> HttpResponse:
        invitation = invite(
            actor=self.admission.principal,
            email=form.cleaned_data["email"],
            **role_arguments(form.cleaned_data["role"]),
        )
        messages.success(self.request, f"{invitation.email} is invited. The link is on its way by mail.")
        return redirect("orgs:invitations", self.admission.organization.slug)


class BulkInvitePage(RoleChoicePage):
    """Many invitations into one role; each line stands by itself."""

    form_class = BulkInviteForm
    template_name = "orgs/invite_bulk.html"

    def form_arguments(self) -> dict[str, Any]:
        files = {"files": self.request.FILES} if self.request.method == "POST" else {}
        return {**super().form_arguments(), **files}

    def save(self, form: BulkInviteForm) -> HttpResponse:
        results = invite_many(
            actor=self.admission.principal,
            emails=form.cleaned_data["emails"],
            **role_arguments(form.cleaned_data["role"]),
        )
        self.request.session[BULK_RESULT] = {
            "organization": self.admission.organization.public_id,
            "lines": [line_of(result) for result in results],
        }
        return redirect("orgs:invite-bulk-result", self.admission.organization.slug)


def line_of(result: LineResult) -> dict[str, Any]:
    """A line as the session keeps it: number, address, and the reason when it was refused."""
    return {name: value for name, value in asdict(result).items() if name in ("line", "email", "code", "detail")}


class BulkInviteResultPage(Page):
    """What became of each line of the last list."""

    access = {"GET": organization(Permission.MANAGE_MEMBERS)}
    template_name = "orgs/invite_bulk_result.html"
    navigation = "invitations"

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        kept = request.session.get(BULK_RESULT, {})
        if kept.get("organization") != self.admission.organization.public_id:
            return redirect("orgs:invite-bulk", self.admission.organization.slug)
        lines = kept["lines"]
        return self.show({"lines": lines, "sent": sum(not line["code"] for line in lines)})


class InvitationActionPage(Page):
    """Base of the buttons beside an invitation."""

    access = {"POST": organization(Permission.MANAGE_MEMBERS)}

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        invitation = Invitation.objects.by_reference(kwargs["invitation"])
        if invitation is None:
            raise Absent
        messages.success(request, self.act(invitation))
        return redirect("orgs:invitations", self.admission.organization.slug)

    def act(self, invitation: Invitation) -> str:
        """Calls the service; returns what to tell."""
        raise NotImplementedError


class ResendPage(InvitationActionPage):
    """Another mail with a new link."""

    def act(self, invitation: Invitation) -> str:
        resend(actor=self.admission.principal, invitation_id=invitation.id)
        return f"A new link is on its way to {invitation.email}. The old one no longer works."


class RevokePage(InvitationActionPage):
    """Takes an invitation back."""

    def act(self, invitation: Invitation) -> str:
        revoke(actor=self.admission.principal, invitation_id=invitation.id)
        return f"The invitation of {invitation.email} is revoked."
