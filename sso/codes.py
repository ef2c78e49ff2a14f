"""Codes that people type: short, of letters that nobody confuses, and kept as digests that only we can make."""

import secrets

from django.utils.crypto import salted_hmac

# Without vowels no code becomes a word, and none has both of two letters that look or sound alike (RFC 8628 6.1).
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8


def new_code() -> str:
    """Eight letters with a hyphen in their middle: one of 25,600,000,000."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return f"{letters[: LENGTH // 2]}-{letters[LENGTH // 2 :]}"


def digest_of_code(code: str, *, purpose: str) -> bytes:
    """What is kept of a code, however it was typed: in any case, with or without spaces and hyphens.

    A plain hash of so few letters could be undone, so it is keyed with the installation's secret.
    """
    typed = "".join(letter for letter in code.upper() if letter.isalnum())
    return salted_hmac(f"tenantry.code.{purpose}", typed, algorithm="sha256").digest()
