"""Device authorization (RFC 8628): a command line asks, a person says yes in a browser, the command line signs in."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.context import current_request
from config.kernel.errors import Absent, AuthFailure, TenantryError
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import Method, SignIn
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import require_try
from keys.services.sessions import IssuedTokens, open_session
from orgs.models import Organization, User
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import OWN_WAYS, MethodRefused, validate_auth_method
from sso import events
from sso.codes import digest_of_code, new_code
from sso.models import DeviceAuthorization

LIFETIME = timedelta(minutes=10)
INTERVAL, SLOWER = 5, 5  # seconds
PREFIX = "dvc_"
PURPOSE = "device"
BEGIN_LIMIT = "30/minute"


class NotYet(TenantryError):
    """Nobody answered a command line's question yet. Its likes are the other reasons why there are no tokens.

    `error` repeats the code, since that is where the standard has it (RFC 8628 3.5, RFC 6749 5.2).
    """

    code = "authorization_pending"
    status = 400
    title = "No tokens"
    detail = "Nobody has answered yet: ask again after the interval."

    def __init__(self) -> None:
        super().__init__(error=self.code)


class TooFast(NotYet):
    """A command line asks again before its interval is over."""

    code = "slow_down"
    detail = "Wait five seconds longer between two questions than before."


class Denied(NotYet):
    """The person said no, or may not sign in."""

    code = "access_denied"
    detail = "The person said no, or may not sign in: begin anew if that was a mistake."


class Expired(NotYet):
    """Nobody answered within ten minutes."""

    code = "expired_token"
    detail = "Nobody answered in time: begin anew."


class UnknownCode(NotYet):
    """The device code is unknown, or was used before."""

    code = "invalid_grant"
    detail = "This device code is unknown, or was used before: begin anew."


@dataclass(frozen=True)
class BegunDevice:
    """What a command line goes on with: `device_code` it keeps, `user_code` it shows. Only digests are kept here."""

    device_code: str
    user_code: str
    expires_in: int = int(LIFETIME.total_seconds())
    interval: int = INTERVAL


def begin(*, client_name: str) -> BegunDevice:
    """A command line that calls itself `client_name` wants to sign in. Raises RateLimited."""
    request = current_request()
    require_try("device authorization", f"address:{request.ip}", limit=BEGIN_LIMIT)
    begun = BegunDevice(device_code=PREFIX + secrets.token_urlsafe(32), user_code=new_code())
    DeviceAuthorization.objects.create(
        device_digest=_digest(begun.device_code),
        user_digest=digest_of_code(begun.user_code, purpose=PURPOSE),
        client_name=client_name,
        interval_seconds=INTERVAL,
        expires_at=timezone.now() + LIFETIME,
        ip=request.ip,
        user_agent=request.user_agent,
    )
    return begun


def waiting(user_code: str) -> DeviceAuthorization | None:
    """What waits for an answer under this code, however it was typed; None for every other code."""
    rows = DeviceAuthorization.objects.filter(status=DeviceAuthorization.Status.PENDING, expires_at__gt=timezone.now())
    return rows.filter(user_digest=digest_of_code(user_code, purpose=PURPOSE)).first()


@transaction.atomic
def approve(
    *, actor: UserPrincipal, user: User, user_code: str, sign_in: SignIn, organization: Organization | None = None
) -> DeviceAuthorization:
    """Lets the command line sign in as the actor, the way that they came themselves: `sign_in`.

    In `organization` alone, which the caller has checked to be one of theirs, or in all. Raises Absent for a code
    that waits no more, MethodRefused for somebody who may not sign in that way now.
    """
    row = _locked(user_code)
    validate_auth_method(method=sign_in.method, user=user, organization_id=sign_in.organization_id)
    row.status, row.user, row.organization = DeviceAuthorization.Status.APPROVED, user, organization
    row.sign_in = sign_in.as_data()
    row.save(update_fields=["status", "user", "organization", "sign_in"])
    data = {"client": row.client_name, "organization": organization.public_id if organization else "all"}
    record(events.DEVICE_APPROVED, actor=actor, target=_target(row), data=data, org_id=INSTALLATION_ID)
    return row


@transaction.atomic
def deny(*, actor: UserPrincipal, user_code: str) -> DeviceAuthorization:
    """Refuses the command line. Raises Absent for a code that waits no more."""
    row = _locked(user_code)
    row.status = DeviceAuthorization.Status.DENIED
    row.save(update_fields=["status"])
    data = {"client": row.client_name}
    record(events.DEVICE_DENIED, actor=actor, target=_target(row), data=data, org_id=INSTALLATION_ID)
    return row


def redeem(*, device_code: str) -> IssuedTokens:
    """The tokens of a command line whose person said yes, once. Raises NotYet for everything else."""
    with transaction.atomic():
        found = _redeem(device_code)
    if isinstance(found, IssuedTokens):
        return found
    raise found


def _redeem(device_code: str) -> IssuedTokens | NotYet:
    """The tokens, or why there are none, which is kept."""
    rows = DeviceAuthorization.objects.select_for_update(of=("self",)).select_related("user", "organization")
    row = rows.filter(device_digest=_digest(device_code)).first()
    status, now = DeviceAuthorization.Status, timezone.now()
    if row is None or row.status == status.USED:
        return UnknownCode()
    if row.expires_at <= now:
        return Expired()
    if row.status == status.DENIED:
        return Denied()
    if row.status == status.PENDING:
        too_fast = row.polled_at is not None and now < row.polled_at + timedelta(seconds=row.interval_seconds)
        row.polled_at = now
        row.interval_seconds += SLOWER if too_fast else 0
        row.save(update_fields=["polled_at", "interval_seconds"])
        return TooFast() if too_fast else NotYet()
    return _tokens(row)


def _tokens(row: DeviceAuthorization) -> IssuedTokens | NotYet:
    try:
        user, sign_in = _approval(row)
        with transaction.atomic():
            issued = open_session(
                user=user,
                method=Method(sign_in.method),
                organization=row.organization.public_id if row.organization else None,
                sso_organization_id=sign_in.organization_id if sign_in.method in OWN_WAYS else None,
            )
    except AuthFailure as failure:
        if isinstance(failure, MethodRefused) and row.user is not None and row.sign_in is not None:
            note_method_refused(failure, method=Method(row.sign_in["method"]), user=row.user)
        row.status = DeviceAuthorization.Status.DENIED
        row.save(update_fields=["status"])
        return Denied()
    row.status = DeviceAuthorization.Status.USED
    row.save(update_fields=["status"])
    return issued


def _approval(row: DeviceAuthorization) -> tuple[User, SignIn]:
    sign_in = SignIn.of_data(row.sign_in)
    if sign_in is None or row.user is None:
        raise AuthFailure
    return row.user, sign_in


def _locked(user_code: str) -> DeviceAuthorization:
    row = waiting(user_code)
    row = DeviceAuthorization.objects.select_for_update().filter(id=row.id).first() if row else None
    if row is None or row.status != DeviceAuthorization.Status.PENDING or row.expires_at <= timezone.now():
        raise Absent
    return row


def _digest(device_code: str) -> bytes:
    return hashlib.sha256(device_code.encode()).digest()


def _target(row: DeviceAuthorization) -> Target:
    return Target("device", row.public_id, row.client_name)
