"""Sessions of programs that sign in as a person: open, refresh, end.

Every way in opens its session by `open_session`, and `permit_program_sign_in` is the one place that says whether a
person may have one now; refreshing asks it again.
"""

import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.access import organization_gate
from config.kernel.context import current_request
from config.kernel.errors import Absent, AuthFailure, OrganizationInactive, SecondFactorRequired, SsoRequired
from config.kernel.principals import ANONYMOUS, Principal, UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope
from config.kernel.throttling import Secret, forgive, require_patience
from keys import events, signing
from keys.credentials import NewCredential, derived, digest_of, generate, prefix_of
from keys.models import RefreshToken, TokenSession
from keys.signing import Purpose
from orgs import events as orgs_events
from orgs.models import Organization, User
from orgs.models.user import normalize_email
from orgs.selectors import verified_emails_of
from orgs.services import browser_sessions
from orgs.services.refused_sign_ins import note_method_refused
from orgs.services.second_factor import given_factor, has_second_factor
from orgs.services.targets import user_target
from orgs.sign_in import MethodRefused, validate_auth_method
from orgs.sign_in_demands import GuestsRefused

PREFIX = "rft_"
ACCESS_LIFETIME = timedelta(minutes=15)
# A session ends when it was not refreshed for so long, and in any case at the latest by its own lifetime.
REFRESH_LIFETIME = timedelta(days=30)
SESSION_LIFETIME = timedelta(days=90)
# For how long a client that got no answer may repeat its refresh under the same Idempotency-Key.
RETRY_WITHIN = timedelta(minutes=10)
SALT_BYTES = 32


@dataclass(frozen=True)
class IssuedTokens:
    """What a program goes on with. Both plaintexts are in the answer and nowhere else."""

    access_token: str
    refresh_token: str
    expires_in: int = int(ACCESS_LIFETIME.total_seconds())
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name


def sign_in(*, email: str, password: str, code: str | None = None, organization: str | None = None) -> IssuedTokens:
    """Signs a program in as the person of that address, in one organization (its id or slug) or all of theirs.

    Raises AuthFailure for whatever is wrong, in the same time, and records it; RateLimited for too many tries.
    """
    email = normalize_email(email)
    require_patience(Secret.PASSWORD, account=email)
    try:
        user = _proven(email, password, code)
        issued = open_session(user=user, method=Method.PASSWORD, organization=organization)
    except AuthFailure as failure:
        if isinstance(failure, MethodRefused):
            note_method_refused(failure, method=Method.PASSWORD, email=email)
        record_refused(
            orgs_events.USER_SIGN_IN_FAILED,
            actor=ANONYMOUS,
            target=Target("address", "", email),
            data={"method": Method.PASSWORD.value},
            org_id=INSTALLATION_ID,
        )
        raise
    forgive(Secret.PASSWORD, account=email)
    return issued


def _proven(email: str, password: str, code: str | None) -> User:
    """The person who knows the password, and has the second factor if one is set up. Raises AuthFailure.

    The password is hashed also where nobody is there to compare it with.
    """
    user = User.objects.by_email(email)
    if user is None:
        User().set_password(password)
        raise AuthFailure
    right = user.check_password(password)
    # Asked before the password counts for anything, so that neither the answer nor its time tells whether it is right.
    permit_program_sign_in(user=user, method=Method.PASSWORD)
    if not right:
        raise AuthFailure
    if has_second_factor(user) and given_factor(user=user, code=code or "") is None:
        raise AuthFailure
    return user


def permit_program_sign_in(*, user: User, method: Method, sso_organization_id: UUID | None = None) -> None:
    """Whether programs may be signed in as this person by this method, now. Raises AuthFailure, of which MethodRefused.

    Asked by every way in and by every refresh, so that no rule about signing in is anywhere else.
    """
    if not user.is_active or user.must_change_password or user.email not in verified_emails_of(user.id):
        raise AuthFailure
    validate_auth_method(method=method, user=user, organization_id=sso_organization_id)


def open_session(
    *, user: User, method: Method, organization: str | None = None, sso_organization_id: UUID | None = None
) -> IssuedTokens:
    """A session for a program of a person who has proven themselves by `method`. Raises AuthFailure.

    Of that MethodRefused, which callers write down outside of the transaction that it ends (`note_method_refused`).

    `organization` is the id or slug of the only one that it works in; `sso_organization_id` is through whose identity
    provider the person came.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update(no_key=True).get(id=user.id)
        if locked.password != user.password:  # changed since it was compared
            raise AuthFailure
        permit_program_sign_in(user=locked, method=method, sso_organization_id=sso_organization_id)
        now, request = timezone.now(), current_request()
        session = TokenSession.objects.create(
            user=locked,
            organization=_organization(locked, organization),
            method=method,
            sso_organization_id=sso_organization_id,
            ip=request.ip,
            user_agent=request.user_agent,
            last_used_at=now,
            expires_at=now + REFRESH_LIFETIME,
        )
        credential = generate(PREFIX)
        RefreshToken.objects.create(session=session, digest=credential.digest, expires_at=session.expires_at)
        record(
            orgs_events.USER_SIGNED_IN,
            actor=principal_of(session),
            target=user_target(locked),
            data={"method": method, "session": session.public_id},
            org_id=INSTALLATION_ID,
        )
        return _issued(session, credential)


def _organization(user: User, reference: str | None) -> Organization | None:
    if reference is None:
        return None
    principal = UserPrincipal.of(user_id=user.id, email=user.email)
    try:
        return organization_gate().admit(principal, reference, while_inactive=False).organization
    except (Absent, GuestsRefused, OrganizationInactive, SecondFactorRequired, SsoRequired):
        raise AuthFailure from None


def refresh(*, token: str, retry_key: str | None = None) -> IssuedTokens:
    """New tokens for a refresh token, which is used up by it. Raises AuthFailure.

    A used one that comes again may have been copied, so it ends the session. `retry_key`, if given, lets the very
    same request be repeated by a client that got no answer: it gets the same refresh token as before.
    """
    if prefix_of(token) != PREFIX:
        raise AuthFailure
    try:
        with transaction.atomic():
            issued = _refresh(token, retry_key)
    except MethodRefused as refusal:
        row = RefreshToken.objects.select_related("session__user").get(digest=digest_of(token))
        end_refused(row.session, refusal)
        raise
    if issued is None:
        raise AuthFailure
    return issued


def require_method(session: TokenSession) -> None:
    """Whether the way by which a session began is still one by which its person may come. Raises MethodRefused.

    One that is not ends at once, so that it is refused and recorded a single time.
    """
    try:
        validate_auth_method(
            method=Method(session.method), user_id=session.user_id, organization_id=session.sso_organization_id
        )
    except MethodRefused as refusal:
        end_refused(session, refusal)
        raise


def end_refused(session: TokenSession, refusal: MethodRefused) -> None:
    """Ends a session that single sign-on no longer lets be, and writes so to the logs of those who require it."""
    with transaction.atomic():
        row = TokenSession.objects.select_for_update().get(id=session.id)
        if row.ended_at is not None:
            return
        _end(row, TokenSession.End.REVOKED)
    note_method_refused(refusal, method=Method(session.method), user=session.user)


def _refresh(token: str, retry_key: str | None) -> IssuedTokens | None:
    """None after ending the session for a used token."""
    digest, now = digest_of(token), timezone.now()
    row = RefreshToken.objects.filter(digest=digest).first()
    if row is None:
        raise AuthFailure
    sessions = TokenSession.objects.select_for_update(of=("self",)).select_related("user", "organization")
    session = sessions.filter(id=row.session_id).first()
    row = RefreshToken.objects.filter(id=row.id).first()  # as it is now that nobody else uses the session
    if session is None or row is None or not session.is_living or row.expires_at <= now:
        raise AuthFailure
    permit_program_sign_in(
        user=session.user, method=Method(session.method), sso_organization_id=session.sso_organization_id
    )
    if row.used_at is not None:
        repeated = _repeated(row, token, retry_key, now)
        if repeated is not None:
            return _issued(session, repeated)
        _end(session, TokenSession.End.REUSED)
        record(events.REFRESH_TOKEN_REUSED, actor=ANONYMOUS, target=session_target(session), org_id=INSTALLATION_ID)
        return None
    # Its successor is known now, so nobody needs to make this one again.
    session.refresh_tokens.exclude(salt=None).update(salt=None, retry=None)
    row.used_at = now
    credential = generate(PREFIX)
    if retry_key is not None:
        row.salt, row.retry = os.urandom(SALT_BYTES), digest_of(retry_key)
        credential = derived(PREFIX, secret=token + retry_key, salt=row.salt)
    row.save(update_fields=["used_at", "salt", "retry"])
    session.last_used_at = now
    session.expires_at = min(now + REFRESH_LIFETIME, session.created_at + SESSION_LIFETIME)
    session.ip, session.user_agent = current_request().ip, current_request().user_agent
    session.save(update_fields=["last_used_at", "expires_at", "ip", "user_agent", "updated_at"])
    session.refresh_tokens.create(digest=credential.digest, expires_at=session.expires_at)
    return _issued(session, credential)


def _repeated(row: RefreshToken, token: str, retry_key: str | None, now: datetime) -> NewCredential | None:
    """The successor of a used token, made again for the same request while the successor is unused."""
    if retry_key is None or row.salt is None or row.retry is None or row.used_at is None:
        return None
    if not hmac.compare_digest(bytes(row.retry), digest_of(retry_key)) or row.used_at + RETRY_WITHIN < now:
        return None
    return derived(PREFIX, secret=token + retry_key, salt=bytes(row.salt))


def _issued(session: TokenSession, credential: NewCredential) -> IssuedTokens:
    claims = {"sub": session.user.public_id, "sid": session.public_id}
    if session.organization is not None:
        claims["org"] = session.organization.public_id
    access = signing.sign(Purpose.ACCESS, claims, lifetime=ACCESS_LIFETIME, audience=signing.ourselves())
    return IssuedTokens(access_token=access, refresh_token=credential.plaintext)


@transaction.atomic
def end_session(
    *, actor: Principal, user_id: UUID, session: str, reason: TokenSession.End = TokenSession.End.REVOKED
) -> TokenSession:
    """Ends one of a person's sessions, by its public id, at once. Doing so twice is no error. Raises Absent."""
    row = TokenSession.objects.select_for_update().of_user(user_id).by_reference(session)
    if row is None:
        raise Absent
    if row.ended_at is None:
        _end(row, reason)
        with system_scope("the end of a session, whichever organization its program works in"):
            record(
                events.TOKEN_SESSION_ENDED,
                actor=actor,
                target=session_target(row),
                data={"reason": reason.value},
                org_id=INSTALLATION_ID,
            )
    return row


@transaction.atomic
def end_all_sessions(*, actor: Principal, user_id: UUID) -> int:
    """Ends every session that programs have as this person. Returns how many there were. Browsers' are not of them."""
    rows = list(TokenSession.objects.select_for_update().of_user(user_id).living().order_by("id"))
    for row in rows:
        end_session(actor=actor, user_id=user_id, session=row.public_id, reason=TokenSession.End.SIGNED_OUT)
    return len(rows)


@transaction.atomic
def end_everything(*, actor: Principal, user_id: UUID, but: UUID | None = None) -> int:
    """Ends the sessions of programs and of browsers, except the browser's of that id. Returns how many there were."""
    user = User.objects.get(id=user_id)
    return end_all_sessions(actor=actor, user_id=user_id) + browser_sessions.end_others(actor=actor, user=user, but=but)


def _end(session: TokenSession, reason: TokenSession.End) -> None:
    session.ended_at, session.end_reason = timezone.now(), reason
    session.save(update_fields=["ended_at", "end_reason", "updated_at"])


def principal_of(session: TokenSession) -> UserPrincipal:
    """The person, as the session's program acts for them."""
    return UserPrincipal.of(
        user_id=session.user.id,
        email=session.user.email,
        organization_id=session.organization_id,
        session_id=session.id,
    )


def session_target(session: TokenSession) -> Target:
    """How a session is named in the ledger."""
    return Target("token_session", session.public_id, session.user.email)
