"""Credentials of programs and people."""

from keys.models.agent import Agent, AgentQuerySet
from keys.models.key import EXPIRING_SOON, Key, KeyQuerySet, KeyUse
from keys.models.nonce import UsedNonce
from keys.models.session import RefreshToken, TokenSession, TokenSessionQuerySet
from keys.models.signing_key import SigningKey
from keys.models.token import PersonalToken, PersonalTokenQuerySet

__all__ = [
    "EXPIRING_SOON",
    "Agent",
    "AgentQuerySet",
    "Key",
    "KeyQuerySet",
    "KeyUse",
    "PersonalToken",
    "PersonalTokenQuerySet",
    "RefreshToken",
    "SigningKey",
    "TokenSession",
    "TokenSessionQuerySet",
    "UsedNonce",
]
