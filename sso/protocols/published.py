"""What an OpenID provider publishes about itself, kept for minutes: its endpoints and its keys."""

from typing import Any

import jwt
import requests
from django.core.cache import cache

from config.kernel.outbound import OutboundSession
from sso.causes import PROVIDER_UNREACHABLE, PROVIDER_UNUSABLE, SIGNATURE_INVALID, SignInRefused
from sso.discovery import UnfitProvider, UnreachableProvider, discover
from sso.models import Configuration

OK, SERVER_ERROR = 200, 500
SECONDS = 5.0
KEPT_SECONDS = 5 * 60
# A key that we do not know yet makes us look again, but not more often than that.
LOOK_AGAIN_SECONDS = 10
MOST_KEYS = 50
# How providers may sign, with the type of key that each takes (RFC 7518, 3.1; RFC 8037). Nothing with a shared secret.
ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}


def provider_metadata(configuration: Configuration) -> dict[str, Any]:
    """The discovery document. Raises SignInRefused."""
    key = f"sso:discovery:{configuration.id}:{configuration.issuer}"
    document = cache.get(key)
    if document is None:
        try:
            document = discover(configuration.issuer)
        except UnreachableProvider as error:
            raise SignInRefused(PROVIDER_UNREACHABLE, str(error)) from None
        except UnfitProvider as error:
            raise SignInRefused(PROVIDER_UNUSABLE, str(error)) from None
        cache.set(key, document, KEPT_SECONDS)
    return document


def signing_key(configuration: Configuration, *, key_id: str | None, algorithm: str) -> Any:
    """The public key by which the provider signs so. Raises SignInRefused when it publishes none."""
    address = provider_metadata(configuration)["jwks_uri"]
    kept = f"sso:keys:{configuration.id}:{address}"
    documents = cache.get(kept)
    found = _chosen(documents or [], key_id, algorithm)
    if found is None and (documents is None or cache.add(f"{kept}:again", 1, LOOK_AGAIN_SECONDS)):
        keys = fetched(address).get("keys")
        documents = [key for key in keys[:MOST_KEYS] if isinstance(key, dict)] if isinstance(keys, list) else []
        cache.set(kept, documents, KEPT_SECONDS)
        found = _chosen(documents, key_id, algorithm)
    if found is None:
        raise SignInRefused(SIGNATURE_INVALID, f"{address} has no key {key_id!r} for {algorithm}.")
    return found


def _chosen(documents: list[dict[str, Any]], key_id: str | None, algorithm: str) -> Any:
    """The key of that id; without an id, the only one that fits."""
    fitting = [
        document
        for document in documents
        if document.get("kty") == ALGORITHMS[algorithm]
        and document.get("use", "sig") == "sig"
        and document.get("alg", algorithm) == algorithm
        and (key_id is None or document.get("kid") == key_id)
    ]
    if len(fitting) != 1:
        return None
    try:
        return jwt.PyJWK(fitting[0], algorithm=algorithm).key
    except jwt.PyJWTError:
        return None


def fetched(address: str, **arguments: Any) -> dict[str, Any]:
    """A JSON object from the provider. Raises SignInRefused."""
    answer = called("GET", address, **arguments)
    if answer.status_code != OK:
        cause = PROVIDER_UNREACHABLE if answer.status_code >= SERVER_ERROR else PROVIDER_UNUSABLE
        raise SignInRefused(cause, f"{address} answers with the status {answer.status_code}.")
    return object_of(answer, address)


def called(method: str, address: str, **arguments: Any) -> requests.Response:
    """The provider's answer, whatever its status. Raises SignInRefused when there is none."""
    try:
        with OutboundSession(seconds=SECONDS) as session:
            return session.request(method, address, **arguments)
    except requests.RequestException as error:
        raise SignInRefused(PROVIDER_UNREACHABLE, f"{address}: {error}") from None


def object_of(answer: requests.Response, address: str) -> dict[str, Any]:
    """The JSON object that an answer is. Raises SignInRefused."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SignInRefused(PROVIDER_UNUSABLE, f"{address} does not answer with a JSON object.")
    return document
