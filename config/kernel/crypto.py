"""Encryption at rest: AES-256-GCM (NIST SP 800-38D). Knows no row and no setting.

A ciphertext is a version byte, a nonce of 12 random bytes, and the encrypted text with its tag of 16 bytes. Its
associated data names the one place it is good for, so that it cannot be moved.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
VERSION = b"\x01"
NONCE_BYTES = 12
TAG_BYTES = 16
ID_LENGTH = 16
# Of 32 random bytes so few are different with a probability far below 2**-100: somebody typed this.
FEWEST_DIFFERENT_BYTES = 10


class UnreadableError(Exception):
    """A ciphertext that is damaged, is not in its place, or whose key is not here. Says nothing of what is in it."""


class KeyTextError(ValueError):
    """What was given as a master key is none. The sentence does not repeat it."""


@dataclass(frozen=True)
class Place:
    """Where a ciphertext belongs. None of the texts may contain a NUL."""

    organization_id: UUID
    table: str
    column: str
    row: str

    @property
    def associated_data(self) -> bytes:
        """The place as the bytes that are authenticated with the ciphertext."""
        parts = ("tenantry", str(self.organization_id), self.table, self.column, self.row)
        if any("\0" in part for part in parts):
            raise ValueError("A place is named without NUL.")
        return "\0".join(parts).encode()


@dataclass(frozen=True, repr=False)
class MasterKey:
    """A key of the operator's, which encrypts the organizations' data keys. `id` is told to anybody."""

    id: str
    key: bytes

    @classmethod
    def of(cls, text: str) -> "MasterKey":
        """Read from base64, standard or URL-safe, with or without padding. Raises KeyTextError."""
        compact = text.strip().rstrip("=").replace("-", "+").replace("_", "/")
        try:
            key = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise KeyTextError("is not base64") from None
        if len(key) != KEY_BYTES:
            raise KeyTextError(f"has {len(key)} bytes instead of {KEY_BYTES}")
        if len(set(key)) < FEWEST_DIFFERENT_BYTES:
            raise KeyTextError("is not random")
        return cls(hashlib.sha256(key).hexdigest()[:ID_LENGTH], key)


@lru_cache(maxsize=8)
def master_keys(texts: tuple[str, ...]) -> dict[str, MasterKey]:
    """The master keys by their id, newest first as given. Raises KeyTextError."""
    return {key.id: key for key in map(MasterKey.of, texts)}


def new_key() -> bytes:
    """A random key."""
    return secrets.token_bytes(KEY_BYTES)


def encrypt(key: bytes, plaintext: bytes, *, place: Place) -> bytes:
    """The ciphertext of `plaintext`, good for that place alone."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plaintext, place.associated_data)


def decrypt(key: bytes, ciphertext: bytes, *, place: Place) -> bytes:
    """The plaintext. Raises UnreadableError for one that is damaged or belongs to another place or key."""
    if ciphertext[:1] != VERSION or len(ciphertext) < len(VERSION) + NONCE_BYTES + TAG_BYTES:
        raise UnreadableError("A ciphertext is of an unknown version or cut short.")
    nonce, encrypted = ciphertext[1 : 1 + NONCE_BYTES], ciphertext[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, encrypted, place.associated_data)
    except InvalidTag:
        raise UnreadableError("A ciphertext is damaged, or in another place than it was made for.") from None
