"""Development sign-in: a person who needs no proof, on a machine where somebody develops."""

import os
import secrets
from pathlib import Path

from django.conf import settings
from django.db import transaction

from config.kernel.errors import Absent
from config.kernel.principals import SYSTEM, UserPrincipal
from keys.models import PersonalToken
from keys.services.tokens import create_token, revoke_token
from orgs.models import User
from orgs.services.addresses import vouch_for_address
from orgs.services.users import create_user

EMAIL = "developer@tenantry.localhost"
TOKEN_NAME = "Development sign-in"  # noqa: S105 - what the token is called


def is_allowed() -> bool:
    """Only where the operator asked for it, and never outside of development."""
    return settings.TENANTRY_DEV_AUTH and settings.DEBUG


@transaction.atomic
def developer() -> User:
    """The development user, made at the first call: staff, without a password. Raises Absent where it is off."""
    if not is_allowed():
        raise Absent
    user = User.objects.by_email(EMAIL)
    if user is None:
        user = create_user(
            actor=SYSTEM, email=EMAIL, password=None, name="Developer", is_staff=True, how="development sign-in"
        )
        vouch_for_address(user=user)
    return user


@transaction.atomic
def write_token() -> Path:
    """Gives the development user a new token in `~/.tenantry/dev-token` (mode 0600); the one before ends.

    Raises Absent where development sign-in is off, OSError where the file cannot be written.
    """
    user = developer()
    actor = UserPrincipal.of(user_id=user.id, email=user.email)
    for token in PersonalToken.objects.filter(user=user, name=TOKEN_NAME, revoked_at=None):
        revoke_token(actor=actor, user=user, token=token.public_id)
    _, plaintext = create_token(actor=actor, user=user, name=TOKEN_NAME)
    folder = Path.home() / ".tenantry"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path, draft = folder / "dev-token", folder / f".dev-token-{secrets.token_hex(4)}"
    # Nobody else can ever read it, not even between being made and being given its mode.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(plaintext + "\n")
    draft.replace(path)
    return path
