"""Confirming once more that it is them: what people who are signed in prove before something sensitive."""

import hmac
import secrets
from uuid import UUID

from django.core.cache import cache
from django.db import transaction
from django.utils.crypto import salted_hmac

from audit.services import record, record_refused
from config.kernel.principals import UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import Secret, forgive, require_patience
from orgs import events
from orgs.models import User
from orgs.services import devices
from orgs.services.targets import user_target

CODE_DIGITS = 8
CODE_LIFETIME = 600


def confirm_by_password(*, user: User, password: str, cookie: str = "") -> bool:
    """Whether this is the person's password. Raises RateLimited after wrong ones, Unavailable without Redis.

    `cookie` is the device cookie, as in orgs.services.devices.
    """
    device = devices.name_of(cookie, email=user.email)
    require_patience(Secret.PASSWORD, account=user.email, device=device)
    right = user.check_password(password)
    if right:
        forgive(Secret.PASSWORD, account=user.email, device=device)
    return note(user=user, method="password", right=right)


def confirm_by_mailed_code(*, user: User, session_id: UUID, code: str) -> bool:
    """Whether this is the code that was mailed last for this session. It counts once. Raises RateLimited."""
    require_patience(Secret.MAILED_CODE, account=str(user.id))
    kept = cache.get(_cache_key(session_id))
    right = kept is not None and hmac.compare_digest(kept, _digest(session_id, code.replace(" ", "")))
    # Whoever deletes it has used it, so that two requests cannot both.
    right = right and cache.delete(_cache_key(session_id))
    if right:
        forgive(Secret.MAILED_CODE, account=str(user.id))
    return note(user=user, method="mailed code", right=right)


def issue_code(*, session_id: UUID) -> str:
    """A code of CODE_DIGITS digits that confirms in this session for CODE_LIFETIME seconds; earlier ones are void."""
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    cache.set(_cache_key(session_id), _digest(session_id, code), CODE_LIFETIME)
    return code


def note(*, user: User, method: str, right: bool) -> bool:
    """Writes the outcome of a confirmation to the ledger. Returns `right`."""
    actor, target = UserPrincipal.of(user_id=user.id, email=user.email), user_target(user)
    if right:
        with transaction.atomic():
            record(events.USER_CONFIRMED, actor=actor, target=target, data={"method": method}, org_id=INSTALLATION_ID)
    else:
        record_refused(
            events.USER_CONFIRMATION_FAILED,
            actor=actor,
            target=target,
            data={"method": method},
            org_id=INSTALLATION_ID,
        )
    return right


def _cache_key(session_id: UUID) -> str:
    return f"confirmation:{session_id}"


def _digest(session_id: UUID, code: str) -> str:
    return salted_hmac(f"confirmation:{session_id}", code, algorithm="sha256").hexdigest()
