"""Credentials of programs, as DRF authentication: `Authorization: Bearer …`, `X-API-Key: …`, or a signature."""

import hmac
import time

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from config.kernel.context import current_request
from config.kernel.errors import AuthFailure, RateLimited
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import AgentPrincipal, KeyPrincipal, Principal, PublishablePrincipal, UserPrincipal
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.credentials import digest_of, looks_like_credential, looks_like_token, prefix_of
from keys.facts import address_allowed, networks_of
from keys.limits import take_from
from keys.models import Agent, Key, PersonalToken, TokenSession
from keys.services.agents import agent_principal
from keys.services.sessions import require_method
from keys.services.terms import RateLimit
from keys.services.tokens import require_lately
from keys.signatures import is_signed, service_behind
from keys.signing import Purpose, ourselves, purpose_of, read
from keys.uses import NOTED, Used, recorder

SCHEME = "bearer"


class CredentialAuthentication(BaseAuthentication):
    """Sets `request.user` to a principal. Every refusal is the same AuthFailure, whatever the cause, but that of a key
    that works and came too often.
    """

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        if any(looks_like_credential(value) for values in request.query_params.lists() for value in values[1]):
            raise AuthFailure
        if is_signed(request._request):
            return service_behind(request._request), None
        text = presented(request)
        if text is None:
            return None
        prefix = prefix_of(text)
        if prefix == "pat_":
            return person_behind(text), None
        if prefix in ("sk_live_", "sk_test_") and "Origin" not in request.headers:
            return program_behind(text, is_noted=NOTED in request._request.META), None
        if prefix in ("pk_live_", "pk_test_"):
            return page_behind(text), None
        if looks_like_token(text) and "X-API-Key" not in request.headers:
            return bearer_behind(text), None
        raise AuthFailure

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def presented(request: Request) -> str | None:
    """The credential that a request carries. Raises AuthFailure for two at once or an unknown scheme."""
    authorization = request.headers.get("Authorization")
    api_key = request.headers.get("X-API-Key")
    if authorization is None:
        return api_key
    if api_key is not None:
        raise AuthFailure
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != SCHEME:
        raise AuthFailure
    return text.strip()


def program_behind(text: str, *, is_noted: bool = False) -> KeyPrincipal:
    """The principal of a secret key, whose use is counted unless it was already.

    Raises AuthFailure unless the key and everything above it is active, RateLimited.
    """
    key = working_key(text, Key.Kind.SECRET)
    if not is_noted:
        count_use(key)
    return KeyPrincipal.of(
        key_id=key.id,
        label=f"{key.name} ({key.start}…)",
        organization_id=key.org_id,
        project_id=key.project_id,
        permissions=key.permission_set,
        mode=key.mode,
    )


def page_behind(text: str) -> PublishablePrincipal:
    """The principal of a publishable key, which routes declared `publishable` take. Counts its use. Raises as
    above.
    """
    key = working_key(text, Key.Kind.PUBLISHABLE)
    count_use(key)
    return PublishablePrincipal.of(
        key_id=key.id,
        label=f"{key.name} ({key.start}…)",
        organization_id=key.org_id,
        project_id=key.project_id,
        mode=key.mode,
    )


def working_key(text: str, kind: Key.Kind) -> Key:
    """The key of that kind, with its project. Raises AuthFailure unless it and its project work."""
    digest = digest_of(text)
    with system_scope("key look-up"):
        key = Key.objects.select_related("project").filter(digest=digest, kind=kind).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), digest):
        raise AuthFailure
    if key.state != Key.State.ACTIVE or not key.project.is_active:
        raise AuthFailure
    if not address_allowed(current_request().ip, networks_of(tuple(key.allowed_ips))):
        raise AuthFailure
    return key


def count_use(key: Key) -> None:
    """Counts a request that comes with a key against its rate limit, and notes it. Raises RateLimited."""
    rate_limit = RateLimit.of(key)
    if rate_limit is not None:
        left = take_from(key.public_id, key.org_id, (rate_limit.limit, rate_limit.window_seconds), 1)
        if not left.is_granted:
            raise RateLimited(left.reset)
    recorder.note(Used(key.public_id), current_request().ip, time.time())


def person_behind(text: str) -> UserPrincipal:
    """The principal of a personal token, whose use is noted. Raises AuthFailure unless it and its owner are active."""
    digest = digest_of(text)
    token = PersonalToken.objects.select_related("user").filter(digest=digest).first()
    if token is None or not hmac.compare_digest(bytes(token.digest), digest):
        raise AuthFailure
    if not token.is_usable or not token.user.is_active:
        raise AuthFailure
    require_lately(token)
    recorder.note(Used(token.public_id), current_request().ip, time.time())
    return UserPrincipal.of(
        user_id=token.user.id,
        email=token.user.email,
        organization_id=token.organization_id,
        allowed=token.permission_set,
        token_id=token.id,
    )


def bearer_behind(text: str) -> Principal:
    """The principal of a token that we signed. Raises AuthFailure for one that is for something else."""
    purpose = purpose_of(text)
    if purpose == Purpose.ACCESS:
        return session_behind(text)
    if purpose == Purpose.AGENT:
        return agent_behind(text)
    raise AuthFailure


def session_behind(text: str) -> UserPrincipal:
    """The person of an access token. Raises AuthFailure unless its session lives: the token alone proves too little."""
    claims = read(text, purpose=Purpose.ACCESS, audience=ourselves())
    session_id = parse_public_id("ses", claims.get("sid", ""))
    session = TokenSession.objects.select_related("user").filter(id=session_id).first() if session_id else None
    if session is None or not session.is_living:
        raise AuthFailure
    user = session.user
    named = parse_public_id("org", claims["org"]) if "org" in claims else None
    if not user.is_active or user.must_change_password or claims.get("sub") != user.public_id:
        raise AuthFailure
    if named != session.organization_id:
        raise AuthFailure
    require_method(session)
    return UserPrincipal.of(
        user_id=user.id, email=user.email, organization_id=session.organization_id, session_id=session.id
    )


def agent_behind(text: str) -> AgentPrincipal:
    """The agent of a token. What it may is read here and now. Raises AuthFailure unless it and its project work."""
    claims = read(text, purpose=Purpose.AGENT, audience=ourselves())
    agent_id = parse_public_id("agt", claims.get("sub", ""))
    organization_id = parse_public_id("org", claims.get("org", ""))
    if agent_id is None or organization_id is None:
        raise AuthFailure
    with tenant_scope(organization_id):
        agent = Agent.objects.select_related("project").filter(id=agent_id).first()
    if agent is None or agent.revoked_at is not None or agent.generation != claims.get("gen"):
        raise AuthFailure
    if not agent.project.is_active or agent.project.public_id != claims.get("prj"):
        raise AuthFailure
    return agent_principal(agent)
