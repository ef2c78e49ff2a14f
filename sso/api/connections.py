"""Connections to identity providers."""

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict, RateLimited
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from orgs.services.authority import lock_organization
from sso.models import Connection, ConnectionLogEntry, GroupMapping
from sso.providers import Provider, provider_of
from sso.serializers.connections import (
    PROVIDER_FIELDS,
    ConnectionChanges,
    ConnectionRecord,
    EndingRecord,
    GroupMappingRecord,
    LogEntryRecord,
    LogQuery,
    NewConnection,
    NewGroupMapping,
    role_arguments,
)
from sso.services import connections, group_mappings
from sso.services.authority import locked_connection
from sso.services.configurations import change_configuration, discard_draft, latest_configuration

MANAGE = organization(Permission.MANAGE_SSO)


def connection_of(reference: str) -> Connection:
    """The connection of a public id, with its configurations. Raises Absent."""
    found = Connection.objects.with_configurations().by_reference(reference)
    if found is None:
        raise Absent
    return found


class Connections(ApiView):
    """The connections of an organization."""

    access = {"GET": MANAGE, "POST": MANAGE}
    provider: Provider

    @listing("list_sso_connections", ConnectionRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The connections, newest first."""
        return self.page(Connection.objects.with_configurations(), ConnectionRecord)

    def prepare(self) -> None:
        """Asks the identity provider who it is."""
        body = self.read()
        given = {name: value for name, value in body.items() if name in PROVIDER_FIELDS}
        self.provider = provider_of(body["protocol"], given)

    @idempotent
    @operation(
        "create_sso_connection", ConnectionRecord, body=NewConnection, status=201, refusals=[Conflict, RateLimited]
    )
    def post(self, request: Request, organization: str) -> Response:
        """Connects an identity provider, whose answer holds the addresses that belong into it.

        OpenID Connect: `issuer`, `client_id`, `client_secret`; the issuer's discovery document is read and must name
        the same issuer. SAML: `entity_id`, `sso_url` and `certificates`, or `metadata_xml`, or `metadata_url`. Nobody
        gives newcomers a role that may do more than their own.
        """
        body = self.read()
        made = connections.create_connection(
            actor=self.admission.principal,
            name=body["name"],
            provider=self.provider,
            enabled=body["enabled"],
            allow_idp_initiated=body["allow_idp_initiated"],
            **role_arguments(body["default_role"]),
        )
        return self.answer(connection_of(made.public_id), ConnectionRecord, status=201)


class OneConnection(ApiView):
    """One connection."""

    access = {"GET": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}

    @operation("get_sso_connection", ConnectionRecord)
    def get(self, request: Request, organization: str, connection: str) -> Response:
        """One connection."""
        return self.answer(connection_of(connection), ConnectionRecord)

    @operation(
        "update_sso_connection",
        ConnectionRecord,
        body=ConnectionChanges,
        matches=True,
        refusals=[Conflict, RateLimited],
    )
    def patch(self, request: Request, organization: str, connection: str) -> Response:
        """Changes a connection. How the provider is reached becomes a draft while the connection is enabled.

        The draft goes live when a test of it passed; until then people sign in as before. Disabling the only enabled
        connection of an organization that enforces single sign-on answers 409 `sso_enforced`.
        """
        found = connection_of(connection)
        body = self.read()
        given = {name: body.pop(name) for name in PROVIDER_FIELDS & set(body)}
        provider = provider_of(found.protocol, given, before=latest_configuration(found)) if given else None
        role = role_arguments(body.pop("default_role", None))
        with self.matching(lambda: locked(found.id), ConnectionRecord):
            if provider is not None:
                change_configuration(actor=self.admission.principal, connection_id=found.id, provider=provider)
            connections.update_connection(actor=self.admission.principal, connection_id=found.id, **body, **role)
        return self.answer(connection_of(connection), ConnectionRecord)

    @operation("delete_sso_connection", refusals=[Conflict])
    def delete(self, request: Request, organization: str, connection: str) -> Response:
        """Deletes a connection with its log; people keep their memberships.

        The only enabled connection of an organization that enforces single sign-on answers 409 `sso_enforced`.
        """
        connections.delete_connection(actor=self.admission.principal, connection_id=required_id("con", connection))
        return Response(status=204)


class ConnectionEnding(ApiView):
    """The preview of disabling or deleting a connection."""

    access = {"GET": MANAGE}

    @operation("preview_sso_connection_ending", EndingRecord)
    def get(self, request: Request, organization: str, connection: str) -> Response:
        """Who signs in through it, and whether enforcement stands against its end. Changes nothing."""
        return Response(EndingRecord(connections.preview_ending(connection_of(connection))).data)


class ConnectionDraft(ApiView):
    """The changed configuration that waits for its test."""

    access = {"DELETE": MANAGE}

    @operation("discard_sso_connection_draft")
    def delete(self, request: Request, organization: str, connection: str) -> Response:
        """Throws the draft away; what is live stays."""
        discard_draft(actor=self.admission.principal, connection_id=required_id("con", connection))
        return Response(status=204)


class ConnectionLog(ApiView):
    """What happened at a connection."""

    access = {"GET": MANAGE}

    @listing("list_sso_connection_log", LogEntryRecord, query=LogQuery)
    def get(self, request: Request, organization: str, connection: str) -> Response:
        """Sign-ins, tests, logouts and failures with their exact causes, newest first, of the last 90 days."""
        rows = ConnectionLogEntry.objects.filter(connection=connection_of(connection))
        wanted = {name: self.query[name] for name in ("outcome", "email") if name in self.query}
        return self.page(rows.filter(**wanted), LogEntryRecord)


class GroupMappings(ApiView):
    """Groups of the identity provider, and their roles."""

    access = {"GET": MANAGE, "POST": MANAGE}

    @listing("list_sso_group_mappings", GroupMappingRecord)
    def get(self, request: Request, organization: str, connection: str) -> Response:
        """The mappings, newest first."""
        return self.page(GroupMapping.objects.filter(connection=connection_of(connection)), GroupMappingRecord)

    @idempotent
    @operation("map_sso_group", GroupMappingRecord, body=NewGroupMapping, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str, connection: str) -> Response:
        """Gives a group's people a role from their next sign-in on; never owner, and never more than the caller's own.

        A group that has a role already gets this one.
        """
        body = self.read()
        mapping = group_mappings.map_group(
            actor=self.admission.principal,
            connection_id=required_id("con", connection),
            group=body["group"],
            **role_arguments(body["role"]),
        )
        return self.answer(mapping, GroupMappingRecord, status=201)


class OneGroupMapping(ApiView):
    """One mapping."""

    access = {"DELETE": MANAGE}

    @operation("unmap_sso_group")
    def delete(self, request: Request, organization: str, connection: str, mapping: str) -> Response:
        """The group gives no role any more."""
        group_mappings.unmap_group(
            actor=self.admission.principal,
            connection_id=required_id("con", connection),
            mapping_id=required_id("sgm", mapping),
        )
        return Response(status=204)


def locked(connection_id: UUID) -> Connection:
    """A connection, locked in the order in which its changes lock. Raises Absent."""
    lock_organization()
    return connection_of(locked_connection(connection_id).public_id)
