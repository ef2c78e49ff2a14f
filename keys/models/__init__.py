"""Credentials of programs and people."""

from keys.models.key import EXPIRING_SOON, Key, KeyQuerySet, KeyUse
from keys.models.nonce import UsedNonce
from keys.models.token import PersonalToken, PersonalTokenQuerySet

__all__ = ["EXPIRING_SOON", "Key", "KeyQuerySet", "KeyUse", "PersonalToken", "PersonalTokenQuerySet", "UsedNonce"]
