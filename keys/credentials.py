"""The format of our credentials: a prefix naming the kind, random characters, and a checksum.

`sk_live_` + 32 characters of which the last six are the CRC-32 of all before them in base 62: a typing mistake or a
secret scanner can tell a real key without asking us. Scanners find them by the expression PATTERN.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 26  # 154 bits
CHECKSUM_LENGTH = 6
SHOWN_RANDOM = 4
TOKEN_DOTS = 2
PREFIXES = ("pk_live_", "pk_test_", "sk_live_", "sk_test_", "pat_", "rft_", "enr_")
PATTERN = r"(?:(?:pk|sk)_(?:live|test)|pat|rft|enr)_[0-9A-Za-z]{32}"
_WHOLE = re.compile(rf"(?P<prefix>{'|'.join(PREFIXES)})[0-9A-Za-z]{{{RANDOM_LENGTH + CHECKSUM_LENGTH}}}")


@dataclass(frozen=True)
class NewCredential:
    """A credential just made. `plaintext` is shown once; `digest` (SHA-256) and `start` are kept."""

    plaintext: str
    digest: bytes
    start: str


def generate(prefix: str) -> NewCredential:
    """A credential of one of PREFIXES, from the operating system's generator."""
    if prefix not in PREFIXES:
        raise ValueError(f"{prefix} is not a prefix of ours.")
    return _credential(prefix, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH)))


def derived(prefix: str, *, secret: str, salt: bytes) -> NewCredential:
    """The credential that follows from `secret` and a random `salt`: nobody makes it again who lacks one of them."""
    number = int.from_bytes(hmac.digest(secret.encode(), salt, "sha512"))
    return _credential(prefix, _base62(number, RANDOM_LENGTH))


def _credential(prefix: str, characters: str) -> NewCredential:
    body = prefix + characters
    plaintext = body + checksum(body)
    return NewCredential(plaintext, digest_of(plaintext), plaintext[: len(prefix) + SHOWN_RANDOM])


def checksum(body: str) -> str:
    """Six characters: the CRC-32 in base 62, padded with zeros."""
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    """The last digits of a number."""
    characters = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))


def digest_of(plaintext: str) -> bytes:
    """What is kept of a credential. A plain hash suffices for 154 random bits."""
    return hashlib.sha256(plaintext.encode()).digest()


def prefix_of(text: str) -> str | None:
    """The prefix of a well-formed credential with a right checksum; None for everything else."""
    match = _WHOLE.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return match["prefix"]


def could_be_ours(text: str) -> bool:
    """Whether a key may be worth looking up: one of our format must have its checksum, an imported one has none."""
    return bool(text) and (not text.startswith(PREFIXES) or prefix_of(text) is not None)


def looks_like_credential(text: str) -> bool:
    """Whether somebody put a credential, or most of one, where it does not belong."""
    return text.startswith(PREFIXES) or looks_like_token(text)


def looks_like_token(text: str) -> bool:
    """Whether it may be a signed token (a JSON Web Token begins with the object of its header, in base 64)."""
    return text.startswith("eyJ") and text.count(".") == TOKEN_DOTS
