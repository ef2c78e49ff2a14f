"""Recovery codes: ten codes that stand in for a lost authenticator or passkey, each of them once.

Only digests are kept. A code has 80 random bits, so a plain hash, bound to its person, suffices.
"""

import hashlib
import secrets

from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.principals import UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import RecoveryCode, User
from orgs.services.factor_notices import Notice, tell
from orgs.services.targets import user_target

COUNT = 10
# Crockford's base 32: no letter that is taken for a digit.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 16
GROUP = 4
_MISREAD = str.maketrans({"o": "0", "i": "1", "l": "1", "-": "", " ": ""})


@transaction.atomic
def make_recovery_codes(*, actor: UserPrincipal, user: User) -> list[str]:
    """Ten new codes in place of all earlier ones. Nobody can show them again."""
    User.objects.select_for_update().get(id=user.id)
    codes = [_new_code() for _ in range(COUNT)]
    RecoveryCode.objects.filter(user=user).delete()
    RecoveryCode.objects.bulk_create([RecoveryCode(user=user, digest=_digest(user, code)) for code in codes])
    record(
        events.USER_RECOVERY_CODES_MADE,
        actor=actor,
        target=user_target(user),
        data={"count": COUNT},
        org_id=INSTALLATION_ID,
    )
    tell(user, Notice.CODES_MADE)
    return codes


def codes_left(user: User) -> int:
    """How many codes of theirs are unused."""
    return RecoveryCode.objects.filter(user=user, used_at=None).count()


@transaction.atomic
def use_recovery_code(*, user: User, code: str) -> bool:
    """Whether this is an unused code of theirs; it is used from now on, and the person is told by mail."""
    used = RecoveryCode.objects.filter(user=user, digest=_digest(user, code), used_at=None)
    if used.update(used_at=timezone.now()) != 1:
        return False
    left = codes_left(user)
    record(
        events.USER_RECOVERY_CODE_USED,
        actor=UserPrincipal.of(user_id=user.id, email=user.email),
        target=user_target(user),
        data={"left": left},
        org_id=INSTALLATION_ID,
    )
    tell(user, Notice.CODE_USED, str(left))
    return True


def _new_code() -> str:
    characters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return "-".join(characters[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def _digest(user: User, code: str) -> bytes:
    read = code.lower().translate(_MISREAD)
    return hashlib.sha256(f"recovery code of {user.id}: {read}".encode()).digest()
