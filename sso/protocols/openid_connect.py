"""OpenID Connect: the authorization code flow with PKCE, as a relying party (OpenID Connect Core 1.0, section 3.1).

Written on PyJWT and the guarded outbound session rather than on allauth's provider: that sends no nonce, does not
check the signature of the ID token, lets the address of the login page override parameters, and keeps its providers by
client id, which two organizations may share. Replacing each of those parts would leave nothing of it.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests

from orgs.encryption import unseal
from sso.causes import (
    CLIENT_REFUSED,
    CODE_REFUSED,
    ISSUER_MISMATCH,
    NONCE_MISMATCH,
    PROVIDER_REFUSED,
    PROVIDER_UNREACHABLE,
    PROVIDER_UNUSABLE,
    SUBJECT_MISMATCH,
    Known,
    SignInRefused,
)
from sso.models import Configuration
from sso.protocols.published import OK, SERVER_ERROR, called, fetched, object_of, provider_metadata
from sso.protocols.received import Received, loggable, moment_of, session_name, text, texts
from sso.protocols.signed_tokens import read_token, require_access_token_hash

ID_TOKEN_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
# RFC 6749, 5.2: what is wrong with us, and not with the code.
CLIENT_ERRORS = ("invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope")
# Of these the ID token alone tells; userinfo, which nobody signs, must not (Core 1.0, 5.3.2).
PROTOCOL_CLAIMS = (
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "iat",
    "nbf",
    "auth_time",
    "nonce",
    "at_hash",
    "sid",
    "acr",
    "amr",
)


@dataclass(frozen=True)
class Question:
    """What binds an answer to the browser that asked. Kept in its session; `nonce` and `verifier` are secrets."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> "Question":
        """A fresh one."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


def authorization_url(
    configuration: Configuration, question: Question, *, redirect_uri: str, login_hint: str = "", fresh: bool = False
) -> str:
    """Where the browser goes. `fresh` asks the person to prove themselves again. Raises SignInRefused."""
    metadata = provider_metadata(configuration)
    digest = hashlib.sha256(question.verifier.encode()).digest()
    scopes = ["openid", "email", "profile"]
    if "groups" in texts(metadata.get("scopes_supported")):
        scopes.append("groups")
    query = {
        "response_type": "code",
        "client_id": configuration.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "state": question.state,
        "nonce": question.nonce,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    if login_hint:
        query["login_hint"] = login_hint
    if fresh:
        query |= {"prompt": "login", "max_age": "0"}
    endpoint = metadata["authorization_endpoint"]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"


def read_answer(
    configuration: Configuration,
    parameters: dict[str, str],
    question: Question,
    *,
    redirect_uri: str,
) -> Received:
    """Who came back, from the parameters of the callback. `parameters["state"]` was compared before.

    Raises SignInRefused.
    """
    metadata = provider_metadata(configuration)
    _require_issuer(configuration, metadata, parameters)
    if "error" in parameters:
        said = f"{parameters['error']}: {parameters.get('error_description', '')}"[:500]
        raise SignInRefused(PROVIDER_REFUSED, f"The identity provider answered with the error {said}")
    if not parameters.get("code"):
        raise SignInRefused(PROVIDER_UNUSABLE, "The identity provider answered with neither a code nor an error.")
    tokens = _exchanged(configuration, metadata, parameters["code"], question, redirect_uri)
    header, claims = read_token(
        tokens.get("id_token", ""), configuration=configuration, required=ID_TOKEN_CLAIMS, types=("", "jwt")
    )
    known = Known(email=text(claims.get("email")), subject=text(claims["sub"]), claims=loggable(claims))
    if not hmac.compare_digest(text(claims.get("nonce")).encode(), question.nonce.encode()):
        raise SignInRefused(NONCE_MISMATCH, "The nonce of the ID token is not the one that was sent.", known=known)
    access_token = tokens.get("access_token")
    if isinstance(access_token, str):
        require_access_token_hash(claims, access_token, algorithm=header["alg"])
        claims = {**_userinfo(metadata, access_token, claims, known), **claims}
    return _received(configuration, claims)


def _require_issuer(configuration: Configuration, metadata: dict[str, Any], parameters: dict[str, str]) -> None:
    """RFC 9207: where the provider says that it names itself in its answers, it must, and rightly."""
    given = parameters.get("iss")
    if given is None and metadata.get("authorization_response_iss_parameter_supported") is not True:
        return
    if given != configuration.issuer:
        raise SignInRefused(
            ISSUER_MISMATCH, f"The answer's iss is {str(given)[:300]!r}, not {configuration.issuer!r} (RFC 9207)."
        )


def _exchanged(
    configuration: Configuration, metadata: dict[str, Any], code: str, question: Question, redirect_uri: str
) -> dict[str, Any]:
    """The tokens for a code. The method of authentication is the first that the provider takes of ours."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": question.verifier,
    }
    secret = unseal(configuration, "client_secret") if configuration.client_secret else ""
    # Without a list it is the first of these (Discovery 1.0, section 3).
    methods = texts(metadata.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",)
    credential = None
    if not secret:
        form["client_id"] = configuration.client_id
    elif "client_secret_basic" in methods:
        credential = _Basic(configuration.client_id, secret)
    elif "client_secret_post" in methods:
        form |= {"client_id": configuration.client_id, "client_secret": secret}
    else:
        raise SignInRefused(PROVIDER_UNUSABLE, f"The token endpoint takes only {', '.join(methods)}.")
    endpoint = metadata["token_endpoint"]
    answer = called("POST", endpoint, data=form, auth=credential, headers={"Accept": "application/json"})
    if answer.status_code == OK:
        return object_of(answer, endpoint)
    if answer.status_code >= SERVER_ERROR:
        raise SignInRefused(PROVIDER_UNREACHABLE, f"{endpoint} answers with the status {answer.status_code}.")
    said = object_of(answer, endpoint)
    error, description = str(said.get("error"))[:100], str(said.get("error_description", ""))[:300]
    cause = CLIENT_REFUSED if error in CLIENT_ERRORS else CODE_REFUSED
    raise SignInRefused(cause, f"{endpoint} answers {answer.status_code} {error}: {description}")


class _Basic(requests.auth.AuthBase):
    """Client id and secret, each form-encoded first, as RFC 6749 section 2.3.1 asks and HTTP's own scheme does not."""

    def __init__(self, client_id: str, secret: str) -> None:
        pair = ":".join(urlencode({"": each})[1:] for each in (client_id, secret))
        self.value = f"Basic {base64.b64encode(pair.encode()).decode()}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self.value
        return request


def _userinfo(metadata: dict[str, Any], access_token: str, claims: dict[str, Any], known: Known) -> dict[str, Any]:
    """What the userinfo endpoint adds. It must be about the very subject of the ID token (Core 1.0, 5.3.2)."""
    endpoint = metadata.get("userinfo_endpoint")
    if not isinstance(endpoint, str):
        return {}
    found = fetched(endpoint, headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"})
    if found.get("sub") != claims["sub"]:
        exactly = f"userinfo's sub is {found.get('sub')!r}, that of the ID token {claims['sub']!r}."
        raise SignInRefused(SUBJECT_MISMATCH, exactly, known=known)
    return {name: value for name, value in found.items() if name not in PROTOCOL_CLAIMS}


def _received(configuration: Configuration, claims: dict[str, Any]) -> Received:
    groups_attribute = configuration.groups_attribute or "groups"
    whole = " ".join(filter(None, (text(claims.get("given_name")), text(claims.get("family_name")))))
    return Received(
        issuer=configuration.issuer,
        subject=claims["sub"],
        email=text(claims.get(configuration.email_attribute or "email")),
        email_verified=_flag(claims.get("email_verified")),
        name=text(claims.get(configuration.name_attribute or "name")) or whole,
        groups=texts(claims[groups_attribute]) if groups_attribute in claims else None,
        provider_session=session_name(claims.get("sid")),
        authenticated_at=moment_of(claims.get("auth_time")),
        claims=loggable(claims),
    )


def _flag(value: Any) -> bool | None:
    """Some providers write the claim as a text."""
    if value is None:
        return None
    return value is True or str(value).strip().lower() == "true"
