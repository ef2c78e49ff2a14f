"""The second factor (TOTP, RFC 6238): set up, confirm, use, reset. Staff need one for Django admin."""

import base64
import secrets
import time
from urllib.parse import quote, urlencode

from django.db import transaction
from django_otp.oath import TOTP

from audit.services import record
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.encryption import seal, unseal
from orgs.models import TOTPDevice, User
from orgs.services.targets import user_target

NAME = "Authenticator"
ISSUER = "Tenantry"
SEED_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
# Codes of the step before and of the step after are taken too.
TOLERANCE = 1


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
def device_to_confirm(*, user: User) -> TOTPDevice:
    """The device that the user is about to set up, with a secret of its own. It opens nothing until confirmed."""
    User.objects.select_for_update().get(id=user.id)
    waiting = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    return waiting or new_device(user=user, confirmed=False)


@transaction.atomic
def confirm_device(*, user: User, code: str) -> TOTPDevice | None:
    """Confirms the waiting device by its first code; None for a wrong code, or when there is a device already."""
    User.objects.select_for_update().get(id=user.id)
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or confirmed_device(user) is not None or not _accepts(device, code):
        return None
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    actor = UserPrincipal.of(user_id=user.id, email=user.email)
    record(events.USER_SECOND_FACTOR_ADDED, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
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
def reset_second_factor(*, actor: Principal, user: User) -> int:
    """Removes every device of the user, who sets up a new one at the next visit. Returns how many there were."""
    user = User.objects.select_for_update().get(id=user.id)
    removed, _ = TOTPDevice.objects.filter(user=user).delete()
    record(events.USER_SECOND_FACTOR_RESET, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
    return removed
