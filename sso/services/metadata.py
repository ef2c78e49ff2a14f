"""What the metadata of identity providers said when they were read again, and certificates that end soon.

A new certificate joins the old one as soon as the metadata name it; an old one goes when they no longer do.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.permissions import Permission
from config.kernel.principals import SYSTEM
from config.kernel.tasks import enqueue
from orgs.models import Membership
from sso import events
from sso.models import Certificate, Configuration, ConnectionLogEntry
from sso.saml_metadata import ProviderMetadata
from sso.services import log
from sso.services.authority import locked_connection
from sso.services.configurations import add_certificates
from sso.services.targets import connection_target

# Days before the end of the last certificate at which somebody is told.
THRESHOLDS = (1, 7, 30)


@transaction.atomic
def note_metadata(*, configuration_id: UUID, found: ProviderMetadata) -> str:
    """Takes certificates over from metadata that were read just now. Returns `changed`, `same` or `gone`.

    Where people sign in stays as it was configured: another address there is reported, since it is an admin's to judge.
    """
    configuration = _locked(configuration_id)
    if configuration is None:
        return "gone"
    now = timezone.now()
    present = {row.fingerprint: row for row in configuration.certificates.all()}
    named = {parsed.fingerprint: parsed for parsed in found.certificates}
    added = [parsed for fingerprint, parsed in named.items() if fingerprint not in present]
    removed = [row for fingerprint, row in present.items() if fingerprint not in named]
    add_certificates(configuration, added)
    Certificate.objects.filter(id__in=[row.id for row in removed]).delete()
    moved = found.sso_url != configuration.sso_url
    sentence = (
        f"The metadata name another address for signing in, {found.sso_url}: save the configuration anew to use it."
        if moved
        else ""
    )
    if moved and configuration.metadata_failure != sentence:
        _report(configuration, "address_moved", sentence)
    _note_reading(configuration, tried_at=now, read_at=now, failure=sentence)
    if not added and not removed:
        return "same"
    record(
        events.CERTIFICATES_REFRESHED,
        actor=SYSTEM,
        target=connection_target(configuration.connection),
        data={
            "added": sorted(parsed.fingerprint for parsed in added),
            "removed": sorted(row.fingerprint for row in removed),
        },
    )
    return "changed"


@transaction.atomic
def note_metadata_failure(*, configuration_id: UUID, cause: str) -> str:
    """Notes that the metadata could not be read. The certificates stay. Returns `failed` or `gone`.

    Each failure is in the connection's log; people are told of the first of a row.
    """
    configuration = _locked(configuration_id)
    if configuration is None:
        return "gone"
    _report(configuration, "metadata_unreadable", cause)
    _note_reading(configuration, tried_at=timezone.now(), read_at=configuration.metadata_read_at, failure=cause)
    return "failed"


@transaction.atomic
def warn_of_certificates() -> int:
    """Tells of connections of the organization in scope whose last certificate ends soon. Returns how many.

    Each of THRESHOLDS is told of once for a certificate; one that was missed is not made up for.
    """
    now, warned = timezone.now(), 0
    live = Configuration.objects.filter(state=Configuration.State.LIVE, connection__is_enabled=True)
    for configuration in live.select_related("connection").prefetch_related("certificates").order_by("id"):
        last = last_certificate(configuration)
        days = threshold_of(last, now) if last else None
        if last is None or days is None or (last.warned_days is not None and last.warned_days <= days):
            continue
        # Of two workers at once only one finds the row as it was read.
        found = Certificate.objects.filter(id=last.id, warned_days=last.warned_days)
        if not found.update(warned_days=days, updated_at=now):
            continue
        warned += 1
        record(
            events.CERTIFICATE_EXPIRING,
            actor=SYSTEM,
            target=connection_target(configuration.connection),
            data={"days": days, "not_after": last.not_after.isoformat(), "fingerprint": last.fingerprint},
        )
        _mail(configuration, "certificate")
    return warned


def last_certificate(configuration: Configuration) -> Certificate | None:
    """The one that ends last, of certificates that were read already."""
    return max(configuration.certificates.all(), key=lambda row: row.not_after, default=None)


def threshold_of(certificate: Certificate, now: datetime) -> int | None:
    """The smallest of THRESHOLDS within which a certificate ends or has ended; None while it has longer."""
    left = certificate.not_after - now
    return next((days for days in THRESHOLDS if left <= timedelta(days=days)), None)


def _locked(configuration_id: UUID) -> Configuration | None:
    """A live configuration that has metadata, with its connection locked: one change of a connection at a time."""
    rows = Configuration.objects.filter(state=Configuration.State.LIVE).exclude(metadata_url="")
    connection_id = rows.filter(id=configuration_id).values_list("connection_id", flat=True).first()
    if connection_id is None:
        return None
    connection = locked_connection(connection_id)
    configuration = rows.filter(id=configuration_id).first()
    if configuration is not None:
        configuration.connection = connection
    return configuration


def _note_reading(configuration: Configuration, *, tried_at: datetime, read_at: datetime | None, failure: str) -> None:
    """Leaves updated_at alone, which tells since when a configuration has been live."""
    Configuration.objects.filter(id=configuration.id).update(
        metadata_tried_at=tried_at, metadata_read_at=read_at, metadata_failure=failure[: log.DETAIL_LENGTH]
    )


def _report(configuration: Configuration, code: str, sentence: str) -> None:
    log.note(configuration, ConnectionLogEntry.Outcome.METADATA_FAILED, code=code, detail=sentence)
    if configuration.metadata_failure:
        return
    record(
        events.METADATA_FAILED,
        actor=SYSTEM,
        target=connection_target(configuration.connection),
        data={"cause": sentence},
    )
    _mail(configuration, "metadata")


def _mail(configuration: Configuration, what: str) -> None:
    """To everybody who can do something about it."""
    for membership in Membership.objects.holding(Permission.MANAGE_SSO).order_by("id"):
        enqueue("sso.mail_connection", str(configuration.id), what, str(membership.user_id))
