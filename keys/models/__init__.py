"""Credentials of programs and people."""

from keys.models.agent import Agent, AgentQuerySet
from keys.models.key import EXPIRING_SOON, UNUSED_AFTER, Key, KeyQuerySet, KeyUse
from keys.models.nonce import UsedNonce
from keys.models.policy import LONGEST_LIFETIME_DAYS, KeyPolicy
from keys.models.session import RefreshToken, TokenSession, TokenSessionQuerySet
from keys.models.signing_key import SigningKey
from keys.models.token import PersonalToken, PersonalTokenQuerySet

__all__ = [
    "EXPIRING_SOON",
    "LONGEST_LIFETIME_DAYS",
    "UNUSED_AFTER",
    "Agent",
    "AgentQuerySet",
    "Key",
    "KeyPolicy",
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
