"""Members."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from orgs.api.people import person
from orgs.models import Membership
from orgs.serializers import MemberRecord, RoleChoice
from orgs.services import members
from orgs.services.authority import lock_organization


class Members(ApiView):
    """The members of an organization."""

    access = {"GET": organization(Permission.VIEW_ORG)}

    @listing("list_members", MemberRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The members, newest first."""
        return self.page(Membership.objects.with_people(), MemberRecord)


class Member(ApiView):
    """One member."""

    access = {
        "GET": organization(Permission.VIEW_ORG),
        "PATCH": organization(Permission.MANAGE_MEMBERS),
        "DELETE": organization(Permission.MANAGE_MEMBERS),
    }

    @operation("get_member", MemberRecord)
    def get(self, request: Request, organization: str, user: str) -> Response:
        """One member."""
        return self.answer(member(user), MemberRecord)

    @operation("update_member", MemberRecord, body=RoleChoice, matches=True, refusals=[Conflict])
    def patch(self, request: Request, organization: str, user: str) -> Response:
        """Gives a member another role, never one above the caller's own. The last owner stays one."""
        user_id = required_id("usr", user)
        with self.matching(lambda: locked_member(user_id), MemberRecord):
            membership = members.change_role(actor=self.admission.principal, user_id=user_id, **self.read())
        return self.answer(membership, MemberRecord)

    @operation("remove_member", refusals=[Conflict])
    def delete(self, request: Request, organization: str, user: str) -> Response:
        """Ends a membership from that person's next request on. The last owner stays."""
        members.remove_member(actor=self.admission.principal, user_id=required_id("usr", user))
        return Response(status=204)


class Leaving(ApiView):
    """Leaving an organization."""

    access = {"POST": organization(Permission.VIEW_ORG)}

    @operation("leave_organization", refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Ends the caller's own membership. The last owner stays."""
        members.leave(actor=person(self.admission))
        return Response(status=204)


def member(reference: str) -> Membership:
    """The member of a user's public id. Raises Absent."""
    membership = Membership.objects.with_people().of_user(required_id("usr", reference)).first()
    if membership is None:
        raise Absent
    return membership


def locked_member(user_id: UUID) -> Membership:
    """A member, locked in the order in which every change of people locks. Raises Absent."""
    lock_organization()
    return members.member_of(user_id)
