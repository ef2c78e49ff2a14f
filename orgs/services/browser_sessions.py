"""Sessions of browsers: the one beginning of all of them, and their ends."""

from dataclasses import replace
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent
from config.kernel.principals import Principal
from config.kernel.sign_in import Method, SecondFactor, SignIn
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import BrowserSession, SignedInBrowser, User
from orgs.services.targets import user_target
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


def id_of(session: SessionBase) -> UUID | None:
    """Which of its person's sessions this is; None when nobody is signed in."""
    return UUID(session[ID]) if ID in session else None


def end_all(*, user_id: UUID, but: UUID | None = None) -> int:
    """Ends every session of a person at once, except the one of that id. Returns how many there were.

    Part of another change, which is recorded; `end_others` is the person's own wish.
    """
    rows = BrowserSession.objects.of_user(user_id)
    return (rows.exclude(id=but) if but else rows).delete()[0]


@transaction.atomic
def end(*, actor: Principal, user_id: UUID, session: str) -> SignedInBrowser:
    """Ends one of a person's sessions, by its public id, at once. Raises Absent, also for one that is over."""
    row = SignedInBrowser.objects.of_user(user_id).select_related("user").by_reference(session)
    if row is None or row.user is None or not BrowserSession.objects.filter(id=row.id, user_id=user_id).delete()[0]:
        raise Absent
    record(
        events.BROWSER_SESSION_ENDED,
        actor=actor,
        target=Target("browser_session", row.public_id, row.user.email),
        data={"device": row.device},
        org_id=INSTALLATION_ID,
    )
    return row


@transaction.atomic
def end_others(*, actor: Principal, user: User, but: UUID | None = None) -> int:
    """Ends a person's sessions in browsers, except the one of that id. Returns how many there were."""
    ended = end_all(user_id=user.id, but=but)
    if ended:
        record(
            events.BROWSER_SESSIONS_ENDED,
            actor=actor,
            target=user_target(user),
            data={"count": ended},
            org_id=INSTALLATION_ID,
        )
    return ended
