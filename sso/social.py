"""Google and GitHub as they are asked over HTTP: authorization requests, codes, tokens, verified addresses.

Browsers and command lines have clients of their own; a token made for one of them is refused from the other.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import requests
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from config.kernel.errors import AuthFailure
from config.kernel.sign_in import Method
from config.social import SocialSettings

NAMES = {"google": "Google", "github": "GitHub"}
METHODS = {"google": Method.GOOGLE, "github": Method.GITHUB}
TIMEOUT = 5
# The largest answer that is read, in bytes.
LARGEST = 256 * 1024
DISCOVERY_SECONDS = 3600
# How old a token may be that a command line brings, and how much clocks may differ.
FRESH = timedelta(minutes=10)
LEEWAY = timedelta(seconds=60)


class ProviderFailed(AuthFailure):
    """Google or GitHub answered with nothing that we can use. `cause` is for the log, not for whoever asked."""

    def __init__(self, cause: str) -> None:
        super().__init__()
        self.cause = cause


@dataclass(frozen=True)
class Identity:
    """Who somebody is at Google or GitHub. `email` is one that they verified there; None without one."""

    provider: str
    uid: str
    email: str | None
    name: str


@dataclass(frozen=True)
class Attempt:
    """What a browser's sign-in is compared with when it comes back. Kept in its session."""

    provider: str
    state: str
    nonce: str
    verifier: str
    next_path: str
    started: float


def offered() -> list[tuple[str, str]]:
    """The ways in of browsers that the operator set up: (`google`, `Google`)."""
    return [(name, NAMES[name]) for name, client in settings.TENANTRY_SOCIAL.items() if client.client_id]


def settings_of(provider: str) -> SocialSettings | None:
    """How it is reached; None for what is no such provider."""
    return settings.TENANTRY_SOCIAL.get(provider)


def begin(provider: str, *, next_path: str) -> tuple[Attempt, str]:
    """A browser's attempt, and the address that it is sent to (RFC 6749, with PKCE of RFC 7636).

    Raises ProviderFailed.
    """
    client = _client(provider)
    attempt = Attempt(
        provider=provider,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        next_path=next_path,
        started=timezone.now().timestamp(),
    )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri(provider),
        "state": attempt.state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if provider == "google":
        query |= {"scope": "openid email profile", "nonce": attempt.nonce, "prompt": "select_account"}
        return attempt, f"{_discovered(client)['authorization_endpoint']}?{urlencode(query)}"
    return attempt, f"{client.url}/login/oauth/authorize?{urlencode(query | {'scope': 'read:user user:email'})}"


def finish(attempt: Attempt, *, code: str) -> Identity:
    """Who came back with this code. Raises ProviderFailed."""
    client = _client(attempt.provider)
    google = attempt.provider == "google"
    address = _discovered(client)["token_endpoint"] if google else f"{client.url}/login/oauth/access_token"
    answer = _json(
        "POST",
        address,
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri(attempt.provider),
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "code_verifier": attempt.verifier,
        },
    )
    if google:
        claims = _claims(client, str(answer.get("id_token", "")), audience=client.client_id)
        if not hmac.compare_digest(str(claims.get("nonce", "")), attempt.nonce):
            raise ProviderFailed("another nonce than was sent")
        return _google_identity(claims)
    return _github_identity(client, str(answer.get("access_token", "")))


def identity_of_program(provider: str, token: str) -> Identity:
    """Who a command line's token is about: Google's ID token or GitHub's access token, made for the client of command
    lines within the last minutes. Raises ProviderFailed.
    """
    client = settings_of(provider)
    if client is None or not client.cli_client_id:
        raise ProviderFailed("not set up for command lines")
    if provider == "google":
        claims = _claims(client, token, audience=client.cli_client_id)
        _require_fresh(datetime.fromtimestamp(claims["iat"], tz=timezone.get_current_timezone()))
        return _google_identity(claims)
    # GitHub's own answer to whose token it is: 404 for a token of another client.
    found = _json(
        "POST",
        f"{_github_api(client)}/applications/{client.cli_client_id}/token",
        json={"access_token": token},
        auth=(client.cli_client_id, client.cli_client_secret),
    )
    try:
        made = datetime.fromisoformat(found["created_at"])
    except (KeyError, TypeError, ValueError):
        raise ProviderFailed("a token without its age") from None
    if found.get("app", {}).get("client_id") != client.cli_client_id:
        raise ProviderFailed("a token of another client")
    _require_fresh(made)
    return _github_identity(client, token)


def redirect_uri(provider: str) -> str:
    """Where browsers come back to; the provider knows it."""
    return f"{settings.TENANTRY_URL}/login/{provider}/callback"


def _client(provider: str) -> SocialSettings:
    client = settings_of(provider)
    if client is None or not client.client_id:
        raise ProviderFailed("not set up")
    return client


def _require_fresh(made: datetime) -> None:
    if not timezone.now() - FRESH <= made <= timezone.now() + LEEWAY:
        raise ProviderFailed("a token that is not fresh")


def _google_identity(claims: dict[str, Any]) -> Identity:
    verified = claims.get("email_verified") is True
    email = claims.get("email") if verified else None
    return Identity("google", str(claims["sub"]), email, str(claims.get("name") or ""))


def _github_identity(client: SocialSettings, token: str) -> Identity:
    """GitHub's addresses may be verified or not; only the primary one counts, and only if it is."""
    headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    person = _json("GET", f"{_github_api(client)}/user", headers=headers)
    rows = _json("GET", f"{_github_api(client)}/user/emails", headers=headers)
    if not isinstance(person, dict) or not person.get("id") or not isinstance(rows, list):
        raise ProviderFailed("a person without an id")
    emails = [row.get("email") for row in rows if row.get("primary") is True and row.get("verified") is True]
    name = person.get("name") or person.get("login") or ""
    return Identity("github", str(person["id"]), emails[0] if emails else None, str(name))


def _github_api(client: SocialSettings) -> str:
    """GitHub's own interface has a host of its own; an Enterprise Server has it below its address."""
    return "https://api.github.com" if client.url == "https://github.com" else f"{client.url}/api/v3"


def _claims(client: SocialSettings, token: str, *, audience: str) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core 3.1.3.7), after its signature, issuer, audience and time."""
    try:
        header = jwt.get_unverified_header(token)
        key = _key(client, str(header.get("kid", "")))
        return jwt.decode(
            token,
            key,
            algorithms=["RS256", "ES256"],
            audience=audience,
            issuer=client.url,
            leeway=LEEWAY,
            options={"require": ["iss", "aud", "sub", "exp", "iat"], "strict_aud": True},
        )
    except jwt.PyJWTError as error:
        raise ProviderFailed(str(error)) from None


def _key(client: SocialSettings, kid: str) -> Any:
    """The provider's public key of that id; its keys are read again once where it is unknown."""
    name = f"social-keys:{client.url}"
    for fresh in (False, True):
        keys = None if fresh else cache.get(name)
        if keys is None:
            if not fresh and kid == "":
                break
            keys = _json("GET", _discovered(client)["jwks_uri"])
            cache.set(name, keys, DISCOVERY_SECONDS)
        for row in jwt.PyJWKSet.from_dict(keys).keys:
            if row.key_id == kid:
                return row
    raise ProviderFailed("signed by an unknown key")


def _discovered(client: SocialSettings) -> dict[str, Any]:
    """Google's discovery document (OpenID Connect Discovery 1.0), which must be about this issuer."""
    name = f"social-discovery:{client.url}"
    found = cache.get(name)
    if found is None:
        found = _json("GET", f"{client.url}/.well-known/openid-configuration")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if found.get("issuer") != client.url or not all(isinstance(found.get(each), str) for each in names):
            raise ProviderFailed("a discovery document of another issuer")
        cache.set(name, found, DISCOVERY_SECONDS)
    return found


def _json(method: str, address: str, **request: Any) -> Any:
    """The object or list that it answers. Raises ProviderFailed."""
    headers = {"Accept": "application/json", **request.pop("headers", {})}
    try:
        with requests.request(
            method, address, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True, **request
        ) as answer:
            body = answer.raw.read(LARGEST + 1, decode_content=True)
            if answer.status_code != requests.codes.ok or len(body) > LARGEST:
                raise ProviderFailed(f"status {answer.status_code}")
            found = requests.compat.json.loads(body)
    except (requests.RequestException, ValueError, OSError) as error:
        raise ProviderFailed(type(error).__name__) from None
    if not isinstance(found, dict | list):
        raise ProviderFailed("an answer of another shape")
    return found
