"""Organizations connected to the providers, and people who come in through them."""

from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.test import Client
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import seal
from orgs.models import EmailDomain, Organization
from sso.addresses import acs_url, back_channel_logout_url, redirect_uri
from sso.models import Certificate, Configuration, Connection, ConnectionLogEntry
from tests.identity_providers.running import OpenIDProvider, SamlProvider

CLIENT_ID = "tenantry"
CLIENT_SECRET = "a secret of: forty & more characters / %20+x"


def prove_domain(organization: Organization, domain: str) -> None:
    """Its people belong to the organization."""
    with tenant_scope(organization.id):
        EmailDomain.objects.create(domain=domain, token="t", status="proven", proven_at=timezone.now())


def connect_openid(
    organization: Organization,
    provider: OpenIDProvider,
    *,
    name: str = "OpenID",
    client_id: str = CLIENT_ID,
    fields: dict[str, Any] | None = None,
    **configuration: Any,
) -> Connection:
    """A live connection, known at the provider too. `fields` are the connection's own."""
    with tenant_scope(organization.id):
        connection = Connection.objects.create(
            name=name, protocol="oidc", **{"role": "viewer", "is_enabled": True, **(fields or {})}
        )
        row = Configuration(
            connection=connection, number=1, state="live", issuer=provider.issuer, client_id=client_id, **configuration
        )
        seal(row, "client_secret", CLIENT_SECRET)
        row.save()
    provider.register(
        client_id,
        CLIENT_SECRET,
        [redirect_uri(connection)],
        backchannel_logout_uri=back_channel_logout_url(connection),
        backchannel_logout_session_required=True,
    )
    return connection


def connect_saml(
    organization: Organization,
    provider: SamlProvider,
    *,
    name: str = "SAML",
    fields: dict[str, Any] | None = None,
    sp_key: str = "",
    certificates: list[str] | None = None,
    **configuration: Any,
) -> Connection:
    """A live connection. `sp_key` is our own private key, for what is encrypted."""
    with tenant_scope(organization.id):
        connection = Connection(name=name, protocol="saml", **{"role": "viewer", "is_enabled": True, **(fields or {})})
        if sp_key:
            seal(connection, "sp_private_key", sp_key)
        connection.save()
        row = Configuration.objects.create(
            connection=connection, number=1, state="live",
            **{"entity_id": provider.entity_id, "sso_url": provider.sso_url, **configuration},
        )  # fmt: skip
        for pem in certificates or [provider.certificate]:
            add_certificate(row, pem)
    provider.say(acs=acs_url(connection))
    return connection


def add_certificate(configuration: Configuration, pem: str) -> None:
    """One more by which the provider may sign."""
    parsed = x509.load_pem_x509_certificate(pem.encode())
    Certificate.objects.create(
        configuration=configuration, pem=pem, fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
        not_before=parsed.not_valid_before_utc, not_after=parsed.not_valid_after_utc,
    )  # fmt: skip


def path_of(address: str) -> str:
    """The address on our side, for Django's client."""
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def start(browser: Client, connection: Connection, query: str = "") -> str:
    """Begins a sign-in. Returns where the provider wants the browser."""
    answer = browser.get(f"/sso/{connection.public_id}/start{query}")
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"]


def come_by_openid(
    browser: Client, connection: Connection, provider: OpenIDProvider, login: str, query: str = ""
) -> Any:
    """The whole way of a sign-in. Returns our answer to the callback."""
    return browser.get(path_of(provider.walk(start(browser, connection, query), login)))


def post_answer(connection: Connection, posted: dict[str, str]) -> Any:
    """What the provider's page posts to us: from another site, hence without cookies."""
    fields = {name: posted[name] for name in ("SAMLResponse", "RelayState") if name in posted}
    return Client().post(f"/sso/{connection.public_id}/acs", fields)


def come_by_saml(browser: Client, connection: Connection, provider: SamlProvider, login: str, query: str = "") -> Any:
    """The whole way of a sign-in. Returns our last answer."""
    posted = provider.walk(start(browser, connection, query), login)
    answer = post_answer(connection, posted)
    return browser.get(answer["Location"]) if answer.status_code == 303 else answer


def log_of(organization: Organization) -> list[ConnectionLogEntry]:
    """Everything in the logs of its connections, the newest first."""
    with tenant_scope(organization.id):
        return list(ConnectionLogEntry.objects.order_by("-id"))
