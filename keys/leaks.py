"""Leak reports on their way in: what is kept of them, and the signatures of GitHub's secret-scanning programme.

A report is handled in the background, so the answer and its time are the same whatever the credential is.
"""

import base64
import binascii
import json
import re
import urllib.request
from collections.abc import Iterable
from typing import Any

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.conf import settings
from django.core.cache import cache

from config.kernel.errors import AuthFailure, Malformed
from config.kernel.tasks import enqueue
from config.kernel.throttling import may_try
from keys.credentials import PATTERN, digest_of
from keys.services.leaks import LeakReport, handle_report, is_known

logger = structlog.get_logger()

LONGEST_TEXT = 500
LONGEST_CREDENTIAL = 1000
MOST_REPORTS = 500
KEYS_CACHE = "leaks:github-keys"
KEYS_KEPT_SECONDS = 3600
FETCHES = "12/hour"
FETCH_TIMEOUT_SECONDS = 5
LARGEST_ANSWER = 1024 * 1024


def told(text: str, *, credential: str = "") -> str:
    """What is kept of somebody's words about a leak: one short line, without any credential in it."""
    if credential:
        text = text.replace(credential, "[credential]")
    line = "".join(character if character.isprintable() else " " for character in re.sub(PATTERN, "[credential]", text))
    return line[:LONGEST_TEXT]


def report(reports: Iterable[LeakReport]) -> None:
    """Has the reports handled in the background."""
    rows = [[each.digest.hex(), each.source, each.url] for each in reports]
    if rows:
        enqueue("keys.handle_leaks", json.dumps(rows))


def handle(rows: str) -> str:
    """Handles reports as `report` wrote them. Doing so twice is no error. Returns the outcomes, one for each."""
    return " ".join(handle_report(LeakReport(bytes.fromhex(digest), *words)) for digest, *words in json.loads(rows))


# -- GitHub's secret-scanning partner programme ----------------------------------------------------------------------
def receive(body: bytes, *, identifier: str, signature: str) -> list[dict[str, str]]:
    """Takes in a message of GitHub's. Answers with labels if TENANTRY_GITHUB_LABELS says so, else with none.

    Raises AuthFailure unless GitHub signed exactly this body, Malformed for what is no list of reports.
    """
    _require_signature(body, identifier=identifier, signature=signature)
    found = _read(body)
    report(
        LeakReport(digest_of(token), told(f"GitHub: {source}", credential=token), told(url, credential=token))
        for token, _, source, url in found
    )
    if not settings.TENANTRY_GITHUB_LABELS:
        return []
    return [
        {
            "token_hash": digest_of(token).hex(),
            "token_type": kind,
            "label": "true_positive" if is_known(digest_of(token)) else "false_positive",
        }
        for token, kind, _, _ in found
    ]


def _read(body: bytes) -> list[tuple[str, str, str, str]]:
    """Token, type, source and address of each report."""
    try:
        rows: Any = json.loads(body)
        if not isinstance(rows, list) or len(rows) > MOST_REPORTS:
            raise Malformed
        found = [
            tuple("" if row.get(name) is None else row[name] for name in ("token", "type", "source", "url"))
            for row in rows
        ]
        if not all(isinstance(text, str) for row in found for text in row):
            raise Malformed
        for token, *_ in found:
            if not 1 <= len(token.encode()) <= LONGEST_CREDENTIAL:
                raise Malformed
    except (ValueError, AttributeError, RecursionError):
        raise Malformed from None
    return found  # type: ignore[return-value] # the lengths of tuples made of a generator are not known


def _require_signature(body: bytes, *, identifier: str, signature: str) -> None:
    """ECDSA with P-256 and SHA-256 over the raw body, in DER and base64."""
    pem = _public_keys(identifier).get(identifier)
    if pem is None:
        raise AuthFailure
    try:
        key = load_pem_public_key(pem.encode())
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise AuthFailure
        key.verify(base64.b64decode(signature, validate=True), body, ECDSA(SHA256()))
    except (ValueError, binascii.Error, InvalidSignature):
        raise AuthFailure from None


def _public_keys(wanted: str) -> dict[str, str]:
    """GitHub's keys in PEM by identifier: kept for an hour, fetched again for an identifier that is not among them."""
    kept: dict[str, str] | None = cache.get(KEYS_CACHE)
    if kept is not None and wanted in kept:
        return kept
    # Whoever sends made-up identifiers must not make us ask GitHub each time.
    if not may_try("github keys", "fetch", limit=FETCHES):
        return kept or {}
    try:
        fetched = _fetch(settings.TENANTRY_GITHUB_KEYS_URL)
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("GitHub's public keys could not be fetched", error=type(error).__name__)
        return kept or {}
    cache.set(KEYS_CACHE, fetched, KEYS_KEPT_SECONDS)
    return fetched


def _fetch(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the operator's address
        rows = json.loads(answer.read(LARGEST_ANSWER))["public_keys"]
    return {str(row["key_identifier"]): str(row["key"]) for row in rows}
