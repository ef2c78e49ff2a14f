"""Rows of connections for tests that only need them to be there: made at once, without a provider behind them."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from sso.models import Certificate, Configuration, Connection, ConnectionLogEntry, GroupMapping


@dataclass(frozen=True)
class Rows:
    """A connection, one of its groups, one line of its log."""

    connection: Connection
    mapping: GroupMapping
    line: ConnectionLogEntry


def connection_rows(*, name: str = "ADFS of the northern hemisphere", enabled: bool = True) -> Rows:
    """A SAML connection of the organization in scope with a live configuration, a draft, a group and a line of log."""
    now = timezone.now()
    connection = Connection.objects.create(name=name, protocol="saml", role="viewer", is_enabled=enabled)
    for number, state in ((1, "live"), (2, "draft")):
        configuration = Configuration.objects.create(
            connection=connection,
            number=number,
            state=state,
            entity_id="https://idp.acme.example/saml",
            sso_url="https://idp.acme.example/saml/sign-in/with/quite/a/long/address",
            metadata_url="https://idp.acme.example/metadata",
            metadata_read_at=now,
            metadata_tried_at=now,
            metadata_failure="The host idp.acme.example does not answer in time.",
            groups_attribute="groups",
        )
        for days in (-3, 5):
            Certificate.objects.create(
                configuration=configuration,
                pem="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                fingerprint=f"{abs(days):02x}" * 32,
                not_before=now - timedelta(days=300),
                not_after=now + timedelta(days=days),
            )
    mapping = GroupMapping.objects.create(
        connection=connection, group="9b2f6c1e-5d0a-4f57-8a43-engineering-of-the-northern-hemisphere", role="developer"
    )
    for outcome, code, detail in (
        ("signed_in", "", ""),
        ("test_passed", "", ""),
        ("refused", "audience_wrong", "The audience is https://other.example, ours is another one."),
    ):
        line = ConnectionLogEntry.objects.create(
            connection=connection,
            configuration_number=1,
            outcome=outcome,
            code=code,
            detail=detail,
            email="a-person-with-quite-a-long-address@subdivision.acme.example",
            subject="00u1",
            claims={"email": "a-person-with-quite-a-long-address@subdivision.acme.example", "groups": ["a", "b"]},
            ip="192.0.2.7",
        )
    return Rows(connection, mapping, line)
