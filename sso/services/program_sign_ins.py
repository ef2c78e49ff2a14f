"""Signing in command lines by what Google or GitHub gave them."""

import hashlib

from django.core.cache import cache

from audit.services import Target, record_refused
from config.kernel.context import current_request
from config.kernel.errors import AuthFailure, Forbidden
from config.kernel.principals import ANONYMOUS
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import Secret, forgive, require_patience, require_try
from keys.services.sessions import IssuedTokens, open_session
from orgs import events
from orgs.models import User
from orgs.services.refused_sign_ins import note_method_refused
from orgs.services.second_factor import given_factor, has_second_factor
from orgs.sign_in import MethodRefused
from sso.services.social_sign_ins import person_of
from sso.social import FRESH, LEEWAY, METHODS, identity_of_program

LIMIT = "30/minute"


def sign_in_by_social(
    *, provider: str, token: str, code: str | None = None, organization: str | None = None
) -> IssuedTokens:
    """A session for a command line of the person whom the token is about, once. Nobody signs up this way.

    `code` is that of their second factor; `organization` the id or slug of the only one that the session works in.
    Raises AuthFailure for whatever is wrong, and records it; RateLimited for too many tries.
    """
    require_try("social sign-in", f"address:{current_request().ip}", limit=LIMIT)
    email = ""
    try:
        identity = identity_of_program(provider, token)
        email = identity.email or ""
        user = person_of(identity, may_sign_up=False)
        _require_second_factor(user, code or "")
        _use_up(token)
        return open_session(user=user, method=METHODS[provider], organization=organization)
    except (AuthFailure, Forbidden) as failure:
        if isinstance(failure, MethodRefused):
            note_method_refused(failure, method=METHODS[provider], email=email)
        record_refused(
            events.USER_SIGN_IN_FAILED,
            actor=ANONYMOUS,
            target=Target("address", "", email),
            data={"method": provider},
            org_id=INSTALLATION_ID,
        )
        raise AuthFailure from None


def _use_up(token: str) -> None:
    """A token that is not fresh any more is refused by its age, so a used one is remembered no longer than that."""
    seconds = int((FRESH + 2 * LEEWAY).total_seconds())
    if not cache.add(f"social-token:{hashlib.sha256(token.encode()).hexdigest()}", 1, seconds):
        raise AuthFailure


def _require_second_factor(user: User, code: str) -> None:
    if not has_second_factor(user):
        return
    require_patience(Secret.SECOND_FACTOR, account=str(user.id))
    if given_factor(user=user, code=code) is None:
        raise AuthFailure
    forgive(Secret.SECOND_FACTOR, account=str(user.id))
