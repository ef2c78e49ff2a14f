"""Challenges of passkeys, kept in the session that asked for them: each is taken once, and soon."""

import time
from enum import StrEnum

from django.contrib.sessions.backends.base import SessionBase

from orgs.services.passkeys import Ceremony, PasskeyRefused

KEY = "passkey_challenges"
SECONDS = 300


class Purpose(StrEnum):
    """What a challenge is for: it serves nothing else."""

    REGISTRATION = "registration"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"


def keep(session: SessionBase, purpose: Purpose, ceremony: Ceremony) -> None:
    """Remembers the challenge, in place of an earlier one of that purpose."""
    session[KEY] = {**session.get(KEY, {}), purpose.value: [ceremony.challenge, time.time()]}


def take(session: SessionBase, purpose: Purpose) -> str:
    """The challenge, which is gone from now on. Raises PasskeyRefused where there is none, or it is too old."""
    kept = dict(session.get(KEY, {}))
    challenge, asked_at = kept.pop(purpose.value, (None, 0))
    session[KEY] = kept
    if challenge is None:
        raise PasskeyRefused("no challenge")
    if not asked_at <= time.time() <= asked_at + SECONDS:
        raise PasskeyRefused("late")
    return challenge
