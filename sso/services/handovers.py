"""Handing a person who signed in over to a product: a one-time token through the browser, exchanged server to server.

Whatever is wrong with an exchange, the answer is the same refusal; the cause is in the audit log. A token that comes a
second time may have been copied, so it ends the session that the first exchange opened.
"""

import base64
import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import record, record_refused
from config.kernel.errors import AuthFailure, Invalid, TenantryError
from config.kernel.identifiers import parse_public_id
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.sign_in import Method, SignIn
from config.kernel.tenancy.scope import require_organization_id, system_scope
from config.kernel.throttling import require_try
from keys import signing
from keys.models import TokenSession
from keys.services.sessions import IssuedTokens, end_session, open_session
from keys.signing import Purpose
from orgs.models import BrowserSession, Membership, Organization, User
from orgs.services.refused_sign_ins import note_method_refused
from orgs.services.targets import user_target
from orgs.sign_in import MethodRefused
from projects.models import Project
from sso import events
from sso.models import HandoverAddress, HandoverToken

LIFETIME = timedelta(seconds=60)
# The signed identity is read at once, by whoever just got it.
IDENTITY_LIFETIME = timedelta(seconds=60)
CODE_BYTES = 32
LIMIT = "30/minute"
CHALLENGE_LENGTH = 43  # SHA-256 in base 64


class HandoverRefused(TenantryError):
    """The exchange is refused, whatever the cause (as `invalid_grant` of RFC 6749, 5.2)."""

    code = "handover_refused"
    status = 400
    title = "Handover refused"
    detail = "Send the person through the handover once more: this code, for this project and address, is not good."


@dataclass(frozen=True)
class Exchange:
    """What a product brings. `project_ids` are those that it may take people over for; None stands for all."""

    project_ids: Collection[UUID] | None
    code: str
    address: str
    verifier: str | None

    @property
    def digest(self) -> bytes:
        """What is kept of the code."""
        return _digest(self.code)

    @property
    def challenge(self) -> str:
        """What the verifier must have been announced as (RFC 7636, 4.2); empty without one."""
        if not self.verifier:
            return ""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class HandedOver:
    """Who was handed over, how they had signed in, and a session for the product, in this organization alone."""

    user: User
    organization: Organization
    project: Project
    sign_in: SignIn
    session: str
    tokens: IssuedTokens
    identity_token: str


def start_handover(
    *, actor: UserPrincipal, project: Project, address: str, code_challenge: str, browser_session_id: UUID
) -> str:
    """A one-time code for the product at a registered address, for a person in a browser who may see the project.

    Raises Invalid for an address that is not registered and for a challenge that is none, RateLimited.
    """
    registered = HandoverAddress.objects.filter(project_id=project.id)
    if not address.isprintable() or not registered.filter(address=address).exists():
        raise Invalid(
            "The product sent an address that is not registered for its project: tell its makers.",
            code="handover_address_unknown",
        )
    if code_challenge and not _is_challenge(code_challenge):
        raise Invalid("The product sent no valid code_challenge (RFC 7636, S256): tell its makers.")
    if actor.sign_in is None:
        raise AuthFailure
    require_try("handover", str(actor.user_id), limit=LIMIT)
    code = secrets.token_urlsafe(CODE_BYTES)
    HandoverToken.objects.create(
        project=project,
        user_id=actor.user_id,
        digest=_digest(code),
        address=address,
        code_challenge=code_challenge,
        sign_in=actor.sign_in.as_data(),
        browser_session_id=browser_session_id,
        expires_at=timezone.now() + LIFETIME,
    )
    return code


def exchange_handover(*, actor: Principal, exchange: Exchange) -> HandedOver:
    """Takes a person over, once, in the organization in scope. Raises HandoverRefused, recorded with its cause."""
    handed, cause = None, ""
    with transaction.atomic():
        row = _taken(exchange)
        if row is not None:
            try:
                with transaction.atomic():
                    handed = _hand_over(row)
            except TenantryError as error:
                cause = error.code
                if isinstance(error, MethodRefused):
                    sign_in, user = SignIn.of_data(row.sign_in), User.objects.get(id=row.user_id)
                    with system_scope("the session of a person whom a product takes over"):
                        note_method_refused(error, method=sign_in.method if sign_in else Method.PASSWORD, user=user)
        if handed is not None:
            record(
                events.HANDOVER_COMPLETED,
                actor=actor,
                target=user_target(handed.user),
                data={
                    "project": handed.project.public_id,
                    "address": exchange.address,
                    "method": handed.sign_in.method.value,
                    "session": handed.session,
                },
            )
    if handed is None:
        _refuse(actor, exchange, cause)
        raise HandoverRefused
    return handed


def _taken(exchange: Exchange) -> HandoverToken | None:
    """The token, used up by this very statement; None when that touched no row.

    Nothing but columns of the row itself: PostgreSQL looks at those again when it had to wait for another exchange.
    """
    now = timezone.now()
    rows = HandoverToken.objects.filter(
        digest=exchange.digest,
        address=exchange.address,
        code_challenge=exchange.challenge,
        used_at=None,
        expires_at__gt=now,
    )
    if exchange.project_ids is not None:
        rows = rows.filter(project_id__in=exchange.project_ids)
    if rows.update(used_at=now, updated_at=now) != 1:
        return None
    return HandoverToken.objects.select_related("project").get(digest=exchange.digest)


def _hand_over(row: HandoverToken) -> HandedOver:
    """Opens the session. Raises AuthFailure or Forbidden for a person who may not have one now."""
    sign_in = SignIn.of_data(row.sign_in)
    in_browser = BrowserSession.objects.of_user(row.user_id).filter(id=row.browser_session_id)
    registered = HandoverAddress.objects.filter(project_id=row.project_id, address=row.address)
    members = Membership.objects.of_user(row.user_id)
    if sign_in is None or row.project.status != Project.Status.ACTIVE:
        raise AuthFailure
    if not (in_browser.exists() and registered.exists() and members.exists()):
        raise AuthFailure
    organization = Organization.objects.get(id=require_organization_id())
    user = User.objects.get(id=row.user_id)
    with system_scope("the session of a person whom a product takes over"):
        tokens = open_session(
            user=user,
            method=sign_in.method,
            organization=organization.public_id,
            sso_organization_id=sign_in.organization_id,
        )
    session = signing.read(tokens.access_token, purpose=Purpose.ACCESS, audience=signing.ourselves())["sid"]
    row.token_session_id = parse_public_id("ses", session)
    row.save(update_fields=["token_session_id", "updated_at"])
    claims = _claims(user, organization, row.project, sign_in, session)
    return HandedOver(
        user=user,
        organization=organization,
        project=row.project,
        sign_in=sign_in,
        session=session,
        tokens=tokens,
        identity_token=signing.sign(
            Purpose.SSO_HANDOVER, claims, lifetime=IDENTITY_LIFETIME, audience=row.project.public_id
        ),
    )


def _claims(user: User, organization: Organization, project: Project, sign_in: SignIn, session: str) -> dict[str, Any]:
    return {
        "sub": user.public_id,
        "email": user.email,
        "name": user.name,
        "org": organization.public_id,
        "prj": project.public_id,
        "sid": session,
        "amr": [sign_in.method.value, *([sign_in.second_factor.value] if sign_in.second_factor else [])],
        "auth_time": int(sign_in.at.timestamp()),
    }


def _refuse(actor: Principal, exchange: Exchange, cause: str) -> None:
    """Records why an exchange was refused; a used token ends the session that it opened."""
    row = HandoverToken.objects.select_related("user", "project").filter(digest=exchange.digest).first()
    if row is None:
        record_refused(events.HANDOVER_REFUSED, actor=actor, data={"project": None, "cause": "unknown"})
        return
    if not cause and row.used_at is not None:
        cause = "used"
        _end(row, actor)
    record_refused(
        events.HANDOVER_REFUSED,
        actor=actor,
        target=user_target(row.user),
        data={"project": row.project.public_id, "cause": cause or _mismatch(row, exchange)},
    )


def _mismatch(row: HandoverToken, exchange: Exchange) -> str:
    """Why an unused token was not for this exchange."""
    if row.expires_at <= timezone.now():
        return "late"
    if exchange.project_ids is not None and row.project_id not in exchange.project_ids:
        return "other_project"
    return "other_address" if row.address != exchange.address else "wrong_verifier"


def _end(row: HandoverToken, actor: Principal) -> None:
    """Ends the session that its exchange opened, if it opened one."""
    session = TokenSession.objects.filter(id=row.token_session_id).first() if row.token_session_id else None
    if session is not None and session.ended_at is None:
        end_session(actor=actor, user_id=row.user_id, session=session.public_id)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


def _is_challenge(text: str) -> bool:
    return len(text) == CHALLENGE_LENGTH and text.isascii() and text.replace("-", "a").replace("_", "a").isalnum()
