"""The second factor (TOTP, RFC 6238): set up, confirm, use, reset. Staff need one for Django admin."""

from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from audit.services import record
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import User
from orgs.services.targets import user_target

NAME = "Authenticator"


def confirmed_device(user: User) -> TOTPDevice | None:
    """The device that the user signs in with."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("id").first()


@transaction.atomic
def device_to_confirm(*, user: User) -> TOTPDevice:
    """The device that the user is about to set up, with a secret of its own. It opens nothing until confirmed."""
    User.objects.select_for_update().get(id=user.id)
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": NAME})
    return device


@transaction.atomic
def confirm_device(*, user: User, code: str) -> TOTPDevice | None:
    """Confirms the waiting device by its first code; None for a wrong code, or when there is a device already."""
    User.objects.select_for_update().get(id=user.id)
    device = TOTPDevice.objects.select_for_update().filter(user=user, confirmed=False).first()
    if device is None or confirmed_device(user) is not None or not device.verify_token(code):
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
    return device if device is not None and device.verify_token(code) else None


@transaction.atomic
def reset_second_factor(*, actor: Principal, user: User) -> int:
    """Removes every device of the user, who sets up a new one at the next visit. Returns how many there were."""
    user = User.objects.select_for_update().get(id=user.id)
    removed, _ = TOTPDevice.objects.filter(user=user).delete()
    record(events.USER_SECOND_FACTOR_RESET, actor=actor, target=user_target(user), org_id=INSTALLATION_ID)
    return removed
