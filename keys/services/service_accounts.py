"""Service accounts: register, rotate the secret, disable, enable. Staff's work; the installation's log tells of it."""

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.events import EventType
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import INSTALLATION_ID
from keys import events
from keys.services.keys import LONGEST_OVERLAP
from orgs.encryption import seal
from orgs.models import ServiceAccount, ServiceAccountSecret

SECRET_BYTES = 32  # 256 bits, as long as the output of HMAC-SHA256
USUAL_OVERLAP = timedelta(days=7)
NAME_LENGTH = 120
DESCRIPTION_LENGTH = 500


def account_target(account: ServiceAccount) -> Target:
    """How a service account is named in the ledger."""
    return Target("service_account", account.public_id, account.name)


@transaction.atomic
def create_service_account(
    *, actor: Principal, name: str, description: str = ""
) -> tuple[ServiceAccount, ServiceAccountSecret, str]:
    """A product that signs its requests: the account, its secret's row, and the secret, which is shown this once.

    Raises Invalid, Conflict for a name that another account has.
    """
    if not 0 < len(name.strip()) <= NAME_LENGTH:
        raise Invalid.field("name", f"Write a name of 1 to {NAME_LENGTH} characters.")
    if len(description) > DESCRIPTION_LENGTH:
        raise Invalid.field("description", f"Write at most {DESCRIPTION_LENGTH} characters.")
    try:
        with transaction.atomic():
            account = ServiceAccount.objects.create(name=name.strip(), description=description)
    except IntegrityError:
        raise Conflict("A service account of this name exists: choose another name.", code="name_taken") from None
    secret, plaintext = _new_secret(account)
    _record(events.SERVICE_ACCOUNT_CREATED, actor, account, key_id=secret.key_id)
    return account, secret, plaintext


@transaction.atomic
def rotate_service_account_secret(
    *, actor: Principal, account_id: UUID, overlap: timedelta
) -> tuple[ServiceAccountSecret, str]:
    """A new secret, shown this once. Those before it work on for `overlap` (0 to 30 days), or until their own end.

    Raises Absent, Invalid for the overlap.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.field("overlap_days", f"Choose 0 to {LONGEST_OVERLAP.days} days.")
    account = _locked(account_id)
    end = timezone.now() + overlap
    for earlier in account.secrets.usable():
        earlier.expires_at = min(earlier.expires_at, end) if earlier.expires_at else end
        earlier.save(update_fields=["expires_at"])
    secret, plaintext = _new_secret(account)
    _record(events.SERVICE_ACCOUNT_SECRET_ROTATED, actor, account, key_id=secret.key_id, old_expires_at=end.isoformat())
    return secret, plaintext


@transaction.atomic
def disable_service_account(*, actor: Principal, account_id: UUID, reason: str) -> ServiceAccount:
    """Refuses an account's signatures from its next request on. Doing so twice is no error. Raises Absent."""
    account = _locked(account_id)
    if account.is_active:
        account.disabled_at = timezone.now()
        account.save(update_fields=["disabled_at", "updated_at"])
        _record(events.SERVICE_ACCOUNT_DISABLED, actor, account, reason=reason)
    return account


@transaction.atomic
def enable_service_account(*, actor: Principal, account_id: UUID) -> ServiceAccount:
    """Ends disable_service_account; secrets and grants that have not ended work again. Raises Absent."""
    account = _locked(account_id)
    if not account.is_active:
        account.disabled_at = None
        account.save(update_fields=["disabled_at", "updated_at"])
        _record(events.SERVICE_ACCOUNT_ENABLED, actor, account)
    return account


def _new_secret(account: ServiceAccount) -> tuple[ServiceAccountSecret, str]:
    secret, plaintext = ServiceAccountSecret(account=account), secrets.token_urlsafe(SECRET_BYTES)
    seal(secret, "sealed", plaintext)
    secret.save(force_insert=True)
    return secret, plaintext


def _locked(account_id: UUID) -> ServiceAccount:
    account = ServiceAccount.objects.select_for_update().filter(id=account_id).first()
    if account is None:
        raise Absent
    return account


def _record(event: EventType, actor: Principal, account: ServiceAccount, **data: str) -> None:
    record(event, actor=actor, target=account_target(account), data=data, org_id=INSTALLATION_ID)
