"""Sessions of browsers: the one beginning of all of them, and their ends."""

from dataclasses import replace
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from config.kernel.sign_in import Method, SecondFactor, SignIn
from config.kernel.tenancy.models import new_id
from orgs.models import BrowserSession
from orgs.sessions import ID, PROVIDER_SESSION, SIGN_IN


def begin(
    session: SessionBase,
    *,
    method: Method,
    organization_id: UUID | None = None,
    connection_id: UUID | None = None,
    configuration_id: UUID | None = None,
    second_factor: SecondFactor | None = None,
    provider_session: str = "",
) -> SignIn:
    """Notes in a session how its person signed in just now. A session without this note counts for nothing."""
    now = timezone.now()
    sign_in = SignIn(
        method=method,
        at=now,
        proven_at=now,
        organization_id=organization_id,
        connection_id=connection_id,
        configuration_id=configuration_id,
        second_factor=second_factor,
    )
    session[ID] = str(new_id())
    session[SIGN_IN] = sign_in.as_data()
    session[PROVIDER_SESSION] = provider_session
    return sign_in


def sign_in_of(session: SessionBase) -> SignIn | None:
    """How the person of a session signed in; None when nobody did."""
    return SignIn.of_data(session.get(SIGN_IN))


def note_second_factor(session: SessionBase, factor: SecondFactor) -> None:
    """Adds the second factor that was given just now, which is a fresh proof too. Raises ValueError without sign-in."""
    _change(session, second_factor=factor, proven_at=timezone.now())


def note_proof(session: SessionBase) -> None:
    """The person confirmed their identity just now. Raises ValueError without sign-in."""
    _change(session, proven_at=timezone.now())


def _change(session: SessionBase, **changes: object) -> None:
    sign_in = sign_in_of(session)
    if sign_in is None:
        raise ValueError("Nobody signed in here.")
    session[SIGN_IN] = replace(sign_in, **changes).as_data()  # type: ignore[arg-type] # fields of SignIn


def end_all(*, user_id: UUID, but: UUID | None = None) -> int:
    """Ends every session of a person at once, except the one of that id. Returns how many there were."""
    rows = BrowserSession.objects.of_user(user_id)
    return (rows.exclude(id=but) if but else rows).delete()[0]
