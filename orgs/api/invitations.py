"""Invitations."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN, Admission, organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, Forbidden
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from orgs.api.people import whole_person
from orgs.models import Invitation, Organization
from orgs.selectors import verified_emails_of
from orgs.serializers import (
    InvitationLines,
    InvitationQuery,
    InvitationRecord,
    InvitationToken,
    NewInvitation,
    NewInvitations,
    OrganizationRecord,
)
from orgs.services import invitations


class Invitations(ApiView):
    """The invitations of an organization."""

    access = {
        "GET": organization(Permission.MANAGE_MEMBERS),
        "POST": organization(Permission.MANAGE_MEMBERS),
    }

    @listing("list_invitations", InvitationRecord, query=InvitationQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The invitations, newest first, also those that were accepted, revoked or have expired."""
        rows = Invitation.objects.with_roles()
        if "state" in self.query:
            rows = rows.in_state(self.query["state"])
        return self.page(rows, InvitationRecord)

    @idempotent
    @operation("create_invitation", InvitationRecord, body=NewInvitation, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Invites an address and mails it a link, for a role not above the caller's own."""
        invitation = invitations.invite(actor=self.admission.principal, **self.read())
        return self.answer(invitation, InvitationRecord, status=201)


class BulkInvitations(ApiView):
    """Several invitations at once."""

    access = {"POST": organization(Permission.MANAGE_MEMBERS)}

    @idempotent
    @operation("create_invitations", InvitationLines, body=NewInvitations)
    def post(self, request: Request, organization: str) -> Response:
        """Invites each address by itself: one that is refused spoils no other."""
        lines = invitations.invite_many(actor=self.admission.principal, **self.read())
        return Response(InvitationLines({"data": lines}).data)


class OneInvitation(ApiView):
    """One invitation."""

    access = {
        "GET": organization(Permission.MANAGE_MEMBERS),
        "DELETE": organization(Permission.MANAGE_MEMBERS),
    }

    @operation("get_invitation", InvitationRecord)
    def get(self, request: Request, organization: str, invitation: str) -> Response:
        """One invitation."""
        found = Invitation.objects.with_roles().by_reference(invitation)
        if found is None:
            raise Absent
        return self.answer(found, InvitationRecord)

    @operation("revoke_invitation")
    def delete(self, request: Request, organization: str, invitation: str) -> Response:
        """Takes an open invitation back: its link stops working."""
        invitations.revoke(actor=self.admission.principal, invitation_id=required_id("inv", invitation))
        return Response(status=204)


class Resending(ApiView):
    """Sending an invitation again."""

    access = {"POST": organization(Permission.MANAGE_MEMBERS)}

    @operation("resend_invitation", InvitationRecord)
    def post(self, request: Request, organization: str, invitation: str) -> Response:
        """Mails an open invitation again, with a new link and a new expiry; the old link stops working."""
        sent = invitations.resend(actor=self.admission.principal, invitation_id=required_id("inv", invitation))
        return self.answer(sent, InvitationRecord)


class Acceptance(ApiView):
    """Joining an organization."""

    access = {"POST": SIGNED_IN}

    @idempotent
    @operation("accept_invitation", OrganizationRecord, body=InvitationToken, refusals=[Absent, Conflict, Forbidden])
    def post(self, request: Request) -> Response:
        """Makes the caller a member, if the invited address is theirs and verified. Answers with the organization.

        Needs a personal token that is not narrowed to one organization or to chosen permissions.
        """
        actor = whole_person(self.admission)
        membership = invitations.accept(
            actor=actor, token=self.read()["token"], verified_emails=verified_emails_of(actor.user_id)
        )
        joined = Organization.objects.get(id=membership.org_id)
        admission = Admission(actor, permissions=membership.permissions, organization=joined, membership=membership)
        return self.answer(admission, OrganizationRecord)
