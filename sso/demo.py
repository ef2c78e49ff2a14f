"""Sign-in in the demo: two connections that are at rest, as no provider is behind them; domains; handover."""

import secrets

from config.kernel.context import RequestContext, request_context
from config.kernel.permissions import Role
from config.kernel.principals import SYSTEM
from orgs.models import EmailDomain, Organization
from orgs.services.email_domains import prove_by_staff, register_email_domain
from projects.models import Project
from sso.causes import CLIENT_REFUSED, PROVIDER_UNREACHABLE
from sso.certificates import make_own_pair, parse_certificate
from sso.models import Configuration, Connection, ConnectionLogEntry, HandoverAddress
from sso.providers import Provider
from sso.services import log
from sso.services.connections import create_connection
from sso.services.group_mappings import map_group
from sso.services.handover_addresses import register_handover_address

ADDRESS = "198.51.100.24"
SECRET_BYTES = 24


def ensure_sign_in(organization: Organization) -> None:
    """What the pages of sign-in show, in the organization in scope. Each part is made once."""
    ensure_connections(organization)
    ensure_email_domains(organization)
    ensure_handover_addresses(organization)


def ensure_email_domains(organization: Organization) -> None:
    """One that staff proved, and one that waits for its record. The people's own domain is left to visitors."""
    if EmailDomain.objects.exists():
        return
    host = f"{organization.slug}.example"
    prove_by_staff(actor=SYSTEM, domain=f"people.{host}", reason="The demo's own domain, which is in no DNS.")
    register_email_domain(actor=SYSTEM, domain=f"laboratory.{host}")


def ensure_handover_addresses(organization: Organization) -> None:
    """Where the first project takes people over."""
    project = Project.objects.active().order_by("id").first()
    if project is None or HandoverAddress.objects.exists():
        return
    for address in ("http://localhost:3000/signed-in", f"https://app.{organization.slug}.example/signed-in"):
        register_handover_address(actor=SYSTEM, project_id=project.id, address=address)


def ensure_connections(organization: Organization) -> None:
    """One of each protocol in the organization in scope, with groups and lines of their logs. Made once."""
    if Connection.objects.exists():
        return
    host = f"{organization.slug}.example"
    okta = create_connection(
        actor=SYSTEM,
        name="Okta",
        provider=Provider(
            protocol=Connection.Protocol.OIDC,
            issuer=f"https://{organization.slug}.okta.example",
            client_id="0oa5f2k9example",
            client_secret=secrets.token_urlsafe(SECRET_BYTES),
            groups_attribute="groups",
        ),
    )
    for group, role in (("Engineering", Role.DEVELOPER), ("IT operations", Role.ADMIN)):
        map_group(actor=SYSTEM, connection_id=okta.id, group=group, role=role)
    adfs = create_connection(
        actor=SYSTEM,
        name="ADFS of the old office",
        provider=Provider(
            protocol=Connection.Protocol.SAML,
            entity_id=f"https://adfs.{host}/adfs/services/trust",
            sso_url=f"https://adfs.{host}/adfs/ls/",
            certificates=(parse_certificate(make_own_pair(f"adfs.{host}")[1]),),
        ),
    )
    with request_context(RequestContext(ip=ADDRESS)):
        for connection, cause, detail in (
            (okta, PROVIDER_UNREACHABLE, f"The host {organization.slug}.okta.example has no address."),
            (okta, CLIENT_REFUSED, "The token endpoint answered invalid_client: client id or secret is wrong."),
            (adfs, PROVIDER_UNREACHABLE, "Nobody came back from the provider."),
        ):
            log.note(
                Configuration.objects.get(connection=connection),
                ConnectionLogEntry.Outcome.TEST_FAILED,
                code=cause.code,
                detail=detail,
            )
