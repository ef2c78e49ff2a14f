"""How a connection's identity provider is reached. A change of one in force is a draft until a test of it passed."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Absent, Invalid
from config.kernel.principals import Principal
from orgs.encryption import seal, unseal
from sso import events
from sso.certificates import ParsedCertificate
from sso.models import Certificate, Configuration, Connection
from sso.providers import Provider
from sso.services.authority import locked_connection, require_sso_manager
from sso.services.targets import connection_target

PLAIN = (
    "issuer", "client_id", "entity_id", "sso_url", "metadata_url", "signs_response_only", "email_attribute",
    "name_attribute", "groups_attribute",
)  # fmt: skip


@transaction.atomic
def change_configuration(*, actor: Principal, connection_id: UUID, provider: Provider) -> Configuration:
    """Writes a new configuration and returns it, or the present one if nothing differs.

    While people sign in through the connection it is a draft, which replaces an earlier draft, and goes live by
    `activate_configuration`. A disabled connection has it at once. Raises Absent, Forbidden, Invalid.
    """
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    if provider.protocol != connection.protocol:
        raise Invalid.field("protocol", "A connection keeps its protocol: make another one for the other protocol.")
    before = latest_configuration(connection)
    changes = differences(before, provider)
    if before is not None and not changes:
        return before
    is_live = not connection.is_enabled or before is None
    replaced = [Configuration.State.DRAFT, *([Configuration.State.LIVE] if is_live else [])]
    Configuration.objects.filter(connection=connection, state__in=replaced).update(
        state=Configuration.State.RETIRED, updated_at=timezone.now()
    )
    made = write_configuration(connection, provider, before=before, is_live=is_live)
    record(
        events.CONFIGURATION_CHANGED,
        actor=actor,
        target=connection_target(connection),
        data={"number": made.number, "state": made.state, "changes": changes},
    )
    return made


@transaction.atomic
def discard_draft(*, actor: Principal, connection_id: UUID) -> None:
    """Throws a draft away; what is live stays. Raises Absent, also without a draft, and Forbidden."""
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    draft = Configuration.objects.filter(connection=connection, state=Configuration.State.DRAFT).first()
    if draft is None:
        raise Absent
    draft.state = Configuration.State.RETIRED
    draft.save(update_fields=["state", "updated_at"])
    record(
        events.CONFIGURATION_DISCARDED,
        actor=actor,
        target=connection_target(connection),
        data={"number": draft.number},
    )


def latest_configuration(connection: Connection) -> Configuration | None:
    """The draft if there is one, or else the live configuration."""
    states = [Configuration.State.DRAFT, Configuration.State.LIVE]
    return Configuration.objects.filter(connection=connection, state__in=states).order_by("-number").first()


def differences(before: Configuration | None, provider: Provider) -> dict[str, Any]:
    """Each field that differs: [old, new]. Of the client secret only that it does."""
    changes: dict[str, Any] = {}
    for name in PLAIN:
        old, new = getattr(before or Provider(provider.protocol), name), getattr(provider, name)
        if old != new:
            changes[name] = [old, new]
    if provider.client_secret is not None:
        same = before is not None and before.client_secret and unseal(before, "client_secret") == provider.client_secret
        if not same:
            changes["client_secret"] = ["", "changed"]
    had = set(before.certificates.values_list("fingerprint", flat=True)) if before else set()
    has = {certificate.fingerprint for certificate in provider.certificates}
    if had != has:
        changes["certificates"] = [sorted(had), sorted(has)]
    return changes


def write_configuration(
    connection: Connection, provider: Provider, *, before: Configuration | None, is_live: bool
) -> Configuration:
    """A new row under the next number, with its certificates. The secret of the one before is sealed anew for it.

    For another issuer it is not, or whoever changes the issuer would have the secret sent to one of their own. Raises
    Invalid without a client secret.
    """
    now = timezone.now() if provider.metadata_url else None
    last = Configuration.objects.filter(connection=connection).aggregate(last=Max("number"))["last"] or 0
    made = Configuration(
        connection=connection,
        number=last + 1,
        state=Configuration.State.LIVE if is_live else Configuration.State.DRAFT,
        metadata_read_at=now,
        metadata_tried_at=now,
        **{name: getattr(provider, name) for name in PLAIN},
    )
    if connection.protocol == Connection.Protocol.OIDC:
        secret = provider.client_secret
        if secret is None and before is not None and before.client_secret and before.issuer == provider.issuer:
            secret = unseal(before, "client_secret")
        if not secret:
            raise Invalid.field("client_secret", "Name the client secret that this identity provider gave you.")
        seal(made, "client_secret", secret)
    made.save(force_insert=True)
    add_certificates(made, provider.certificates)
    return made


def add_certificates(configuration: Configuration, certificates: Iterable[ParsedCertificate]) -> None:
    """Adds certificates that the configuration does not have yet."""
    Certificate.objects.bulk_create(
        Certificate(
            configuration=configuration,
            pem=parsed.pem,
            fingerprint=parsed.fingerprint,
            not_before=parsed.not_before,
            not_after=parsed.not_after,
        )
        for parsed in certificates
    )
