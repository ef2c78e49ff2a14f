"""Groups of the identity provider, and the roles that their people get."""

from uuid import UUID

from django.db import transaction

from audit.services import record
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.principals import Principal
from orgs.services.authority import lock_organization, require_authority_over
from sso import events
from sso.models import GroupMapping
from sso.services.authority import locked_connection, require_sso_manager
from sso.services.connections import assignable_role
from sso.services.targets import connection_target

MOST = 200


@transaction.atomic
def map_group(
    *, actor: Principal, connection_id: UUID, group: str, role: str, custom_role_id: UUID | None = None
) -> GroupMapping:
    """Gives the people of a group a role from their next sign-in on; a group that has one already gets the new one.

    Raises Absent, Invalid for owner, Forbidden for a role above the actor's own, now or before, Conflict beyond MOST.
    """
    lock_organization()
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    group = group.strip()
    if not group:
        raise Invalid.field("group", "Write the group as the identity provider names it.")
    new_role, custom_role = assignable_role(actor, role=role, custom_role_id=custom_role_id, field="role")
    mappings = GroupMapping.objects.filter(connection=connection)
    mapping = mappings.select_related("custom_role").filter(group=group).first()
    if mapping is None and mappings.count() >= MOST:
        raise Conflict(f"A connection has at most {MOST} groups: remove one first.", code="too_many")
    before = ""
    if mapping is None:
        mapping = GroupMapping(connection=connection, group=group)
    else:
        require_authority_over(actor, mapping.permissions)
        before = mapping.role_name
        if (mapping.role, mapping.custom_role_id) == (new_role, custom_role.id if custom_role else None):
            return mapping
    mapping.role, mapping.custom_role = new_role, custom_role
    mapping.save()
    record(
        events.GROUP_MAPPED,
        actor=actor,
        target=connection_target(connection),
        data={"group": group, "role": mapping.role_name, "before": before},
    )
    return mapping


@transaction.atomic
def unmap_group(*, actor: Principal, connection_id: UUID, mapping_id: UUID) -> None:
    """A group gives no role any more; its people have the connection's default role from their next sign-in on.

    Raises Absent, Forbidden for a role above the actor's own.
    """
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    mapping = GroupMapping.objects.select_related("custom_role").filter(connection=connection, id=mapping_id).first()
    if mapping is None:
        raise Absent
    require_authority_over(actor, mapping.permissions)
    group, role = mapping.group, mapping.role_name
    mapping.delete()
    record(
        events.GROUP_UNMAPPED,
        actor=actor,
        target=connection_target(connection),
        data={"group": group, "role": role},
    )
