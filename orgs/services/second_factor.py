"""The authenticator (TOTP, RFC 6238): set up, confirm, use, remove; and what the kinds of second factors share."""

import base64
import re
import secrets
import time
from urllib.parse import quote, urlencode
from uuid import UUID

from django.db import transaction
from django_otp.oath import TOTP

from audit.services import record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.sign_in import SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope
from orgs import events
from orgs.encryption import seal, unseal
from orgs.models import Membership, Organization, Passkey, RecoveryCode, SignInPolicy, TOTPDevice, User
from orgs.services import browser_sessions
from orgs.services.factor_notices import Notice, tell
from orgs.services.recovery_codes import use_recovery_code
from orgs.services.targets import user_target

NAME = "Authenticator"
ISSUER = "Tenantry"
SEED_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
# Codes of the step before and of the step after are taken too.
TOLERANCE = 1
_CODE = re.compile(r"[0-9]{6}")


class LastFactor(Conflict):
    """The person's only second factor, which somebody asks of them."""

    code = "last_factor"
    title = "Second factor required"

    def __init__(self, asking: list[str]) -> None:
        names = " and ".join(asking)
        super().__init__(
            f"{names} {'ask' if len(asking) > 1 else 'asks'} for a second factor: set up another one first."
        )


def has_second_factor(user: User) -> bool:
    """Whether the person set one up. Recovery codes stand in for one, and are none by themselves. Two queries."""
    return confirmed_device(user) is not None or Passkey.objects.filter(user=user).exists()


def who_asks(user: User) -> list[str]:
    """The names of who asks for a second factor of this person: organizations, and Django admin of staff."""
    with system_scope("who asks for a second factor of a person"):
        theirs = Membership.objects.of_user(user.id).values("org_id")
        asking = SignInPolicy.objects.filter(org_id__in=theirs, require_second_factor=True).values("org_id")
        organizations = Organization.objects.filter(id__in=asking, status=Organization.Status.ACTIVE)
        names = list(organizations.order_by("name", "id").values_list("name", flat=True))
    return [*names, "Django admin"] if user.is_staff else names


def given_factor(*, user: User, code: str) -> SecondFactor | None:
    """Which second factor this code is, used up by it: the authenticator's, or a recovery code. None for a wrong one.

    Somebody without a second factor has no right code.
    """
    code = "".join(code.split())
    if _CODE.fullmatch(code):
        return SecondFactor.TOTP if accepted_device(user=user, code=code) else None
    return SecondFactor.RECOVERY_CODE if use_recovery_code(user=user, code=code) else None


def confirmed_device(user: User) -> TOTPDevice | None:
    """The device that the user signs in with."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("id").first()


def new_device(*, user: User, confirmed: bool, name: str = NAME) -> TOTPDevice:
    """A device with a seed of its own."""
    device = TOTPDevice(user=user, name=name, confirmed=confirmed)
    seal(device, "seed", base64.b32encode(secrets.token_bytes(SEED_BYTES)).decode())
    device.save(force_insert=True)
    return device


def seed_of(device: TOTPDevice) -> bytes:
    """The secret that the person's authenticator has too."""
    return base64.b32decode(unseal(device, "seed"))


def enrolment_address(device: TOTPDevice) -> str:
    """The `otpauth:` address that authenticators read from a QR code. It holds the secret."""
    label = quote(f"{ISSUER}:{device.user.email}")
    secret = base64.b32encode(seed_of(device)).decode()
    parameters = {"secret": secret, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS, "issuer": ISSUER}
    return f"otpauth://totp/{label}?{urlencode(parameters)}"


@transaction.atomic
def device_to_confirm(*, user: User, shown: UUID | None = None) -> TOTPDevice:
    """The device that the user is about to set up. It opens nothing until confirmed.

    `shown` is the one that this session has shown already. Anything else that waits is replaced, since somebody who was
    at another session of the person may know its secret.
    """
    User.objects.select_for_update().get(id=user.id)
    waiting = TOTPDevice.objects.filter(user=user, confirmed=False)
    found = waiting.filter(id=shown).first() if shown else None
    if found is None:
        waiting.delete()
    return found or new_device(user=user, confirmed=False)


@transaction.atomic
def confirm_device(*, user: User, code: str) -> TOTPDevice | None:
    """Confirms the waiting device by its first code, in place of an earlier one; None for a wrong code."""
    User.objects.select_for_update().get(id=user.id)
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or not _accepts(device, code):
        return None
    replaced, _ = TOTPDevice.objects.filter(user=user, confirmed=True).delete()
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    record(
        events.USER_SECOND_FACTOR_ADDED,
        actor=UserPrincipal.of(user_id=user.id, email=user.email),
        target=user_target(user),
        data={"factor": SecondFactor.TOTP.value, "replaced": bool(replaced)},
        org_id=INSTALLATION_ID,
    )
    tell(user, Notice.AUTHENTICATOR_REPLACED if replaced else Notice.AUTHENTICATOR_ADDED)
    return device


@transaction.atomic
def accepted_device(*, user: User, code: str) -> TOTPDevice | None:
    """The confirmed device if `code` is its code now and was not used before. Wrong codes make the next try wait."""
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=True).order_by("id").first()
    return device if device is not None and _accepts(device, code) else None


def _accepts(device: TOTPDevice, code: str) -> bool:
    """Whether the code is right, for a locked device; notes what follows from it, either way."""
    if not device.verify_is_allowed()[0]:
        return False
    totp = TOTP(seed_of(device), STEP_SECONDS, 0, DIGITS, device.drift)
    totp.time = time.time()
    right = code.isascii() and code.isdigit() and totp.verify(int(code), TOLERANCE, device.last_t + 1)
    if right:
        device.last_t, device.drift = totp.t(), totp.drift
        device.throttle_reset(commit=False)
        device.set_last_used_timestamp(commit=False)
    else:
        device.throttle_increment(commit=False)
    device.save()
    return right


@transaction.atomic
def remove_authenticator(*, actor: UserPrincipal, user: User) -> None:
    """The end of the person's authenticator. Raises Absent without one, LastFactor where one is asked of them."""
    user = User.objects.select_for_update().get(id=user.id)
    if confirmed_device(user) is None:
        raise Absent
    if not Passkey.objects.filter(user=user).exists():
        give_up_last_factor(user)
    TOTPDevice.objects.filter(user=user).delete()
    note_removal(actor=actor, user=user, factor=SecondFactor.TOTP, notice=Notice.AUTHENTICATOR_REMOVED)


@transaction.atomic
def remove_passkey(*, actor: UserPrincipal, user: User, passkey: Passkey) -> None:
    """The end of one of the person's passkeys. Raises Absent, LastFactor where a second factor is asked of them."""
    user = User.objects.select_for_update().get(id=user.id)
    row = Passkey.objects.filter(user=user, id=passkey.id).first()
    if row is None:
        raise Absent
    others = Passkey.objects.filter(user=user).exclude(id=row.id)
    if confirmed_device(user) is None and not others.exists():
        give_up_last_factor(user)
    row.delete()
    note_removal(
        actor=actor, user=user, factor=SecondFactor.PASSKEY, notice=Notice.PASSKEY_REMOVED, name=row.name
    )  # fmt: skip


def give_up_last_factor(user: User) -> None:
    """Ends the recovery codes with the factor that they stand in for. Raises LastFactor where one is asked for."""
    asking = who_asks(user)
    if asking:
        raise LastFactor(asking)
    RecoveryCode.objects.filter(user=user).delete()


def note_removal(*, actor: Principal, user: User, factor: SecondFactor, notice: Notice, name: str = "") -> None:
    """Tells the ledger and the person that one of their factors is gone."""
    data = {"factor": factor.value} | ({"name": name} if name else {})
    record(
        events.USER_SECOND_FACTOR_REMOVED, actor=actor, target=user_target(user), data=data, org_id=INSTALLATION_ID
    )  # fmt: skip
    tell(user, notice, name)


@transaction.atomic
def reset_second_factor(*, actor: Principal, user: User) -> int:
    """Removes every authenticator, passkey and recovery code of a person and ends their sessions in browsers.

    Returns how many authenticators and passkeys there were. The person sets up a new one when they next need it.
    """
    user = User.objects.select_for_update().get(id=user.id)
    removed = sum(model.objects.filter(user=user).delete()[0] for model in (TOTPDevice, Passkey))
    RecoveryCode.objects.filter(user=user).delete()
    browser_sessions.end_all(user_id=user.id)
    record(events.USER_SECOND_FACTOR_RESET, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
    if removed:
        tell(user, Notice.FACTORS_RESET)
    return removed
