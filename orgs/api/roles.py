"""Roles: the built-in ones, and those that an organization wrote itself."""

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, Forbidden
from config.kernel.identifiers import required_id
from config.kernel.paging import page_of
from config.kernel.permissions import ROLE_PERMISSIONS, Permission
from orgs.models import CustomRole
from orgs.serializers import NewRole, RoleChanges, RoleRecord
from orgs.services import roles
from orgs.services.authority import lock_organization

BUILT_IN: dict[str, dict[str, Any]] = {
    role.value: {
        "id": role.value,
        "name": role.value.capitalize(),
        "description": "",
        "built_in": True,
        "permissions": permissions,
        "created_at": None,
        "updated_at": None,
    }
    for role, permissions in ROLE_PERMISSIONS.items()
}


class Roles(ApiView):
    """The roles of an organization."""

    access = {"GET": organization(Permission.VIEW_ORG), "POST": organization(Permission.MANAGE_MEMBERS)}

    @listing("list_roles", RoleRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The built-in roles, highest first, then the organization's own, newest first.

        The built-in ones are on the first page and do not count towards `limit`.
        """
        page = page_of(CustomRole.objects.all(), **self.query)
        first = [] if "cursor" in self.query else list(BUILT_IN.values())
        rows = [*first, *map(shown, page.rows)]
        return Response({"data": RoleRecord(rows, many=True).data, "next": page.next})

    @idempotent
    @operation("create_role", RoleRecord, body=NewRole, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Writes a role, with no permission that the caller lacks."""
        role = roles.create_role(actor=self.admission.principal, **self.read())
        return self.answer(shown(role), RoleRecord, status=201)


class OneRole(ApiView):
    """One role."""

    access = {
        "GET": organization(Permission.VIEW_ORG),
        "PATCH": organization(Permission.MANAGE_MEMBERS),
        "DELETE": organization(Permission.MANAGE_MEMBERS),
    }

    @operation("get_role", RoleRecord)
    def get(self, request: Request, organization: str, role: str) -> Response:
        """One role, built-in or the organization's own."""
        if role in BUILT_IN:
            return self.answer(BUILT_IN[role], RoleRecord)
        found = CustomRole.objects.filter(id=required_id("rol", role)).first()
        if found is None:
            raise Absent
        return self.answer(shown(found), RoleRecord)

    @operation("update_role", RoleRecord, body=RoleChanges, matches=True, refusals=[Conflict])
    def patch(self, request: Request, organization: str, role: str) -> Response:
        """Changes a role of the organization's own; whoever has it has the new permissions at once."""
        role_id = custom_role_id(role)
        with self.matching(lambda: locked_role(role_id), RoleRecord):
            updated = roles.update_role(actor=self.admission.principal, role_id=role_id, **self.read())
        return self.answer(shown(updated), RoleRecord)

    @operation("delete_role", refusals=[Conflict])
    def delete(self, request: Request, organization: str, role: str) -> Response:
        """Deletes a role of the organization's own that nobody has or is invited to."""
        roles.delete_role(actor=self.admission.principal, role_id=custom_role_id(role))
        return Response(status=204)


def shown(role: CustomRole) -> dict[str, Any]:
    """A custom role in the shape of the built-in ones."""
    return {
        "id": role.public_id,
        "name": role.name,
        "description": role.description,
        "built_in": False,
        "permissions": role.permission_set,
        "created_at": role.created_at,
        "updated_at": role.updated_at,
    }


def custom_role_id(text: str) -> UUID:
    """The id of a role that can be changed. Raises Absent, Forbidden for a built-in role."""
    if text in BUILT_IN:
        raise Forbidden("The built-in roles cannot be changed: write a role of your own instead.")
    return required_id("rol", text)


def locked_role(role_id: UUID) -> dict[str, Any]:
    """A custom role, locked in the order in which every change of people locks. Raises Absent."""
    lock_organization()
    role = CustomRole.objects.select_for_update().filter(id=role_id).first()
    if role is None:
        raise Absent
    return shown(role)
