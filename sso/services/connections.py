"""Connections to identity providers: make, change, disable, delete.

How the provider is reached is judged before (sso.providers), since that calls it; here everything is written at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from audit.services import record
from config.kernel.errors import Conflict, Invalid
from config.kernel.permissions import Role
from config.kernel.principals import Principal
from orgs.encryption import seal
from orgs.models import CustomRole, SignInPolicy, SsoSignIn
from orgs.services.authority import lock_organization, require_authority_over, role_from
from sso import events
from sso.certificates import make_own_pair
from sso.models import Configuration, Connection
from sso.providers import Provider
from sso.services.authority import locked_connection, require_sso_manager
from sso.services.configurations import write_configuration
from sso.services.targets import connection_target


@dataclass(frozen=True)
class Ending:
    """What disabling or deleting a connection would mean. `refusal` is why it is refused, or empty."""

    people: int
    enforcement: str
    is_last: bool

    @property
    def refusal(self) -> str:
        """A sentence, or nothing."""
        if not self.is_last or self.enforcement == SignInPolicy.Enforcement.OFF:
            return ""
        return (
            "Single sign-on is enforced, and this is the only enabled connection: nobody would get in any more. "
            "Switch the enforcement off, or enable another connection first."
        )


def assignable_role(
    actor: Principal, *, role: str, custom_role_id: UUID | None, field: str
) -> tuple[Role, CustomRole | None]:
    """The role that a connection may give. Raises Invalid for owner, Absent, Forbidden above the actor's own."""
    if role == Role.OWNER:
        raise Invalid.field(field, "An identity provider makes nobody an owner: choose another role.")
    new_role, custom_role, permissions = role_from(role=role, custom_role_id=custom_role_id)
    require_authority_over(actor, permissions)
    return new_role, custom_role


def preview_ending(connection: Connection) -> Ending:
    """Who signs in through a connection, and whether enforcement stands against its end. Two or three queries."""
    policy = SignInPolicy.objects.of_organization(connection.org_id)
    others = Connection.objects.filter(is_enabled=True).exclude(id=connection.id).exists()
    return Ending(
        people=SsoSignIn.objects.filter(connection_id=connection.id).values("user").distinct().count(),
        enforcement=str(policy.enforcement) if policy else SignInPolicy.Enforcement.OFF,
        is_last=connection.is_enabled and not others,
    )


@transaction.atomic
def create_connection(
    *,
    actor: Principal,
    name: str,
    provider: Provider | None = None,
    protocol: str = "",
    enabled: bool = False,
    allow_idp_initiated: bool = False,
    role: str = Role.VIEWER,
    custom_role_id: UUID | None = None,
) -> Connection:
    """Makes a connection. Its first configuration is live at once, since nobody relied on another one before.

    With `protocol` in place of a provider it has none yet, so that its addresses can be typed into the provider first.
    Raises Invalid, Absent, Forbidden for a role above the actor's own, Conflict for a name that is taken.
    """
    lock_organization()
    require_sso_manager(actor)
    default_role, custom_role = assignable_role(actor, role=role, custom_role_id=custom_role_id, field="default_role")
    protocol = provider.protocol if provider else Connection.Protocol(protocol)
    if enabled and provider is None:
        raise _not_configured()
    connection = Connection(
        name=checked_name(name),
        protocol=protocol,
        is_enabled=enabled,
        allow_idp_initiated=checked_idp_initiated(protocol, wanted=allow_idp_initiated),
        role=default_role,
        custom_role=custom_role,
    )
    if protocol == Connection.Protocol.SAML:
        private_key, connection.sp_certificate = make_own_pair(connection.public_id)
        seal(connection, "sp_private_key", private_key)
    with _free_name():
        connection.save(force_insert=True)
    if provider is not None:
        write_configuration(connection, provider, before=None, is_live=True)
    record(
        events.CONNECTION_CREATED,
        actor=actor,
        target=connection_target(connection),
        data={"protocol": connection.protocol, "enabled": enabled, "role": connection.role_name},
    )
    return connection


@transaction.atomic
def update_connection(
    *,
    actor: Principal,
    connection_id: UUID,
    name: str | None = None,
    enabled: bool | None = None,
    allow_idp_initiated: bool | None = None,
    role: str | None = None,
    custom_role_id: UUID | None = None,
) -> Connection:
    """Changes what is not part of the configuration; None leaves as it is.

    Raises Absent, Invalid, Forbidden, Conflict for a name that is taken, and for disabling the only enabled connection
    of an organization that enforces single sign-on.
    """
    lock_organization()
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    changes: dict[str, list[Any]] = {}
    if name is not None and (name := checked_name(name)) != connection.name:
        changes["name"] = [connection.name, name]
        connection.name = name
    if allow_idp_initiated is not None and allow_idp_initiated != connection.allow_idp_initiated:
        changes["allow_idp_initiated"] = [connection.allow_idp_initiated, allow_idp_initiated]
        connection.allow_idp_initiated = checked_idp_initiated(connection.protocol, wanted=allow_idp_initiated)
    if role is not None:
        before = connection.role_name
        default_role, custom_role = assignable_role(
            actor, role=role, custom_role_id=custom_role_id, field="default_role"
        )
        if (connection.role, connection.custom_role_id) != (default_role, custom_role.id if custom_role else None):
            connection.role, connection.custom_role = default_role, custom_role
            changes["default_role"] = [before, connection.role_name]
    if enabled is not None and enabled != connection.is_enabled:
        if not enabled:
            _require_endable(connection)
        elif not Configuration.objects.filter(connection=connection, state=Configuration.State.LIVE).exists():
            raise _not_configured()
        changes["enabled"] = [connection.is_enabled, enabled]
        connection.is_enabled = enabled
    if not changes:
        return connection
    with _free_name():
        connection.save()
    record(events.CONNECTION_UPDATED, actor=actor, target=connection_target(connection), data={"changes": changes})
    return connection


@transaction.atomic
def delete_connection(*, actor: Principal, connection_id: UUID) -> None:
    """Deletes a connection with its configurations, mappings and log; people keep their memberships.

    Raises Absent, Forbidden, and Conflict for the only enabled one of an organization that enforces single sign-on.
    """
    lock_organization()
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    people = _require_endable(connection).people
    target, protocol = connection_target(connection), connection.protocol
    try:
        connection.delete()
    except ProtectedError:
        raise Conflict("Something still uses this connection: disable it instead.", code="in_use") from None
    record(events.CONNECTION_DELETED, actor=actor, target=target, data={"protocol": protocol, "people": people})


def checked_name(name: str) -> str:
    """The name without the space around it. Raises Invalid for none."""
    if not name.strip():
        raise Invalid.field("name", "Give the connection a name, such as that of its identity provider.")
    return name.strip()


def checked_idp_initiated(protocol: str, *, wanted: bool) -> bool:
    """Only SAML knows sign-ins that the provider begins. Raises Invalid."""
    if wanted and protocol != Connection.Protocol.SAML:
        raise Invalid.field("allow_idp_initiated", "Only SAML knows sign-ins that the provider begins.")
    return wanted


def _not_configured() -> Conflict:
    return Conflict("Name the identity provider first, then enable the connection.", code="not_configured")


def _require_endable(connection: Connection) -> Ending:
    ending = preview_ending(connection)
    if ending.refusal:
        raise Conflict(ending.refusal, code="sso_enforced")
    return ending


@contextmanager
def _free_name() -> Iterator[None]:
    """Turns a taken name into Conflict."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise Conflict(
            "A connection of this name exists: choose another name.",
            code="name_taken",
            errors={"name": ["Taken already."]},
        ) from None
