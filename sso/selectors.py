"""Reads that tell the rest of the house about connections."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from config.kernel.tenancy.scope import system_scope
from orgs.models import EmailDomain, Organization
from orgs.services.sign_in_policies import LiveConnection
from orgs.sign_in import domain_of
from sso.addresses import start_url
from sso.models import Configuration


def live_connections() -> list[LiveConnection]:
    """Named by TENANTRY_LIVE_CONNECTIONS: the enabled connections in scope with their live configuration. One query."""
    rows = Configuration.objects.filter(state=Configuration.State.LIVE, connection__is_enabled=True)
    return [
        LiveConnection(
            connection_id=row.connection_id,
            configuration_id=row.id,
            live_since=row.updated_at,
            name=row.connection.name,
            start_path=urlsplit(start_url(row.connection)).path,
        )
        for row in rows.select_related("connection").order_by("connection__name", "id")
    ]


@dataclass(frozen=True)
class WayIn:
    """A connection by which somebody gets into an organization: where it starts, and then leads back to."""

    organization: str
    connection: str
    address: str


def ways_in(organization_ids: Iterable[UUID], *, to: str) -> list[WayIn]:
    """The enabled connections of these organizations. `to` is a path here. Two queries."""
    names = dict(Organization.objects.filter(id__in=organization_ids).values_list("id", "name"))
    with system_scope("the connections by which a person gets in"):
        rows = list(
            Configuration.objects.filter(org_id__in=names, state=Configuration.State.LIVE, connection__is_enabled=True)
            .select_related("connection")
            .order_by("org_id", "connection__name")
        )
    return [
        WayIn(
            organization=names[row.org_id],
            connection=row.connection.name,
            address=f"{urlsplit(start_url(row.connection)).path}?{urlencode({'next': to})}",
        )
        for row in rows
    ]


def connections_of_domain(email: str, *, to: str) -> list[WayIn]:
    """The enabled connections of the organization that has proven this address's domain. Looks at no person."""
    with system_scope("whose e-mail domain it is"):
        proven = EmailDomain.objects.proven().filter(domain=domain_of(email)).values_list("org_id", flat=True)
        active = Organization.objects.filter(id__in=list(proven), status=Organization.Status.ACTIVE)
        found = list(active.values_list("id", flat=True))
    return ways_in(found, to=to) if found else []
