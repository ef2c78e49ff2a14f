"""What an OpenID Connect provider says of itself (OpenID Connect Discovery 1.0)."""

from typing import Any

from config.kernel.addresses import AddressRefused, checked_url, require_encrypted
from config.kernel.outbound import OutboundSession

PATH = "/.well-known/openid-configuration"
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
MOST_BYTES = 256 * 1024
OK = 200
OUT_OF_ORDER = 500


class UnfitProvider(ValueError):
    """No provider that people can sign in through. The message is a sentence."""


class UnreachableProvider(UnfitProvider):
    """It does not answer, or says itself that it is out of order."""


def discovery_url(issuer: str) -> str:
    """Where an issuer's document is."""
    return issuer.rstrip("/") + PATH


def discover(issuer: str) -> dict[str, Any]:
    """The document of an issuer. Calls it. Raises UnfitProvider.

    The document's issuer must be the one that was asked for, to the letter, or tokens of another provider would count
    as this one's (OpenID Connect Discovery 1.0, 4.3).
    """
    if issuer.rstrip("/").endswith(PATH):
        raise UnfitProvider(f"Write the issuer itself, without {PATH}.")
    try:
        if checked_url(issuer).query or checked_url(issuer).fragment:
            raise UnfitProvider("An issuer has no ? and no # in it.")
        answer = OutboundSession(most_bytes=MOST_BYTES).get(discovery_url(issuer))
    except AddressRefused as error:
        raise UnreachableProvider(str(error)) from None
    if answer.status_code != OK:
        raise (UnreachableProvider if answer.status_code >= OUT_OF_ORDER else UnfitProvider)(
            f"{discovery_url(issuer)} answered with status {answer.status_code}; check the issuer for a typing mistake."
        )
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UnfitProvider(f"{discovery_url(issuer)} did not answer with a discovery document (JSON).")
    if document.get("issuer") != issuer:
        given = document.get("issuer")
        shown = given if isinstance(given, str) and len(given) <= len(issuer) + 100 else "something else"
        raise UnfitProvider(f"The provider calls itself {shown}, not {issuer}: write exactly what it calls itself.")
    for name in NEEDED:
        _require_endpoint(name, document.get(name))
    types = document.get("response_types_supported", ["code"])
    if isinstance(types, list) and "code" not in types:
        raise UnfitProvider("The provider does not offer the authorization code flow, which we sign in by.")
    return document


def _require_endpoint(name: str, address: Any) -> None:
    if not isinstance(address, str):
        raise UnfitProvider(f"The provider's discovery document has no {name}.")
    try:
        checked_url(address)
        require_encrypted(address)
    except AddressRefused as error:
        raise UnfitProvider(f"The provider's {name}: {error}") from None
