"""An organization that enforces single sign-on, made of rows, and browsers of its people."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, Organization, SignInPolicy, SsoSignIn, User
from sso.models import Configuration, Connection
from tests.browsers import signed_in

DOMAIN = "acme.example"


def connect(organization: Organization, *, domain: str = DOMAIN, name: str = "Okta") -> Configuration:
    """A proven domain and an enabled connection with its live configuration."""
    with tenant_scope(organization.id):
        EmailDomain.objects.get_or_create(
            domain=domain, defaults={"token": "t", "status": EmailDomain.Status.PROVEN, "proven_at": timezone.now()}
        )
        connection = Connection.objects.create(name=name, protocol="oidc", role="viewer", is_enabled=True)
        return Configuration.objects.create(
            connection=connection, number=1, state="live", issuer="https://idp.example", client_id="tenantry"
        )


def enforce(
    organization: Organization, *, confirmed: bool = True, since: timedelta = timedelta(minutes=5), **fields: Any
) -> SignInPolicy:
    """Single sign-on is required, for as long as `since`."""
    now = timezone.now()
    with tenant_scope(organization.id):
        policy, _ = SignInPolicy.objects.update_or_create(
            org_id=organization.id,
            defaults={
                "enforcement": SignInPolicy.Enforcement.REQUIRED,
                "required_from": now - since,
                "switched_on_at": now - since,
                "confirmed_at": now - since if confirmed else None,
                **fields,
            },
        )
    return policy


def by_sso(who: User, configuration: Configuration, **facts: Any) -> Client:
    """A browser that has just come in through the connection."""
    return signed_in(
        Client(),
        who,
        method=Method.SSO,
        organization_id=configuration.org_id,
        connection_id=configuration.connection_id,
        configuration_id=configuration.id,
        **facts,
    )


def came(who: User, configuration: Configuration, *, ago: timedelta = timedelta(0)) -> SsoSignIn:
    """A row of their last single sign-on."""
    with tenant_scope(configuration.org_id):
        row, _ = SsoSignIn.objects.update_or_create(
            user=who,
            org_id=configuration.org_id,
            defaults={
                "connection_id": configuration.connection_id,
                "subject": str(who.id),
                "last_at": timezone.now() - ago,
            },
        )
    return row
