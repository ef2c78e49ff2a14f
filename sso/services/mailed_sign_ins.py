"""Signing in by mail: one mail brings a link and a code, of which one works once.

The code works in the browser that asked; the link in any, after a button. Nothing is kept but digests, in the cache,
for MINUTES. Whether the address belongs to anybody is looked up by the worker: the one who asks is answered before.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

from allauth.account.models import EmailAddress
from django.core.cache import cache

from config.kernel.errors import AuthFailure
from config.kernel.sign_in import Method
from orgs.models import User
from orgs.models.user import normalize_email
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused, validate_auth_method
from sso.codes import digest_of_code, new_code

MINUTES = 15
PURPOSE = "mailed sign-in"


@dataclass(frozen=True)
class IssuedSignIn:
    """What the mail says. Both plaintexts are in it and nowhere else."""

    code: str
    token: str


@dataclass(frozen=True)
class MailedSignIn:
    """Whom a mail was sent to, and where they wanted to go."""

    user: User
    email: str
    next_path: str


def new_request() -> str:
    """A secret that names the browser which asks, for its session."""
    return secrets.token_urlsafe(32)


def digest_of_request(secret: str) -> str:
    """What the worker is told of it."""
    return _digest(secret)


def addressee(email: str) -> User | None:
    """Whoever may sign in by a mail to this address; None for a disabled person and where another way is required."""
    email = normalize_email(email)
    row = EmailAddress.objects.select_related("user").filter(email=email).order_by("-verified", "-primary").first()
    if row is None or not row.user.is_active:
        return None
    try:
        validate_auth_method(method=Method.MAGIC_LINK, user=row.user, email=email)
    except MethodRefused as refusal:
        note_method_refused(refusal, method=Method.MAGIC_LINK, user=row.user)
        return None
    return row.user


def issue(*, user: User, email: str, request_digest: str, next_path: str) -> IssuedSignIn:
    """A code for the browser that asked, and a link for any."""
    issued = IssuedSignIn(code=new_code(), token=secrets.token_urlsafe(32))
    record = {
        "user": str(user.id),
        "email": normalize_email(email),
        "password": _digest(user.password),
        "code": digest_of_code(issued.code, purpose=PURPOSE),
        "next": next_path,
    }
    cache.set(_request_key(request_digest), record, MINUTES * 60)
    cache.set(_link_key(issued.token), request_digest, MINUTES * 60)
    return issued


def sign_in_by_code(*, request_secret: str, code: str) -> MailedSignIn:
    """Uses the code up, in the browser that asked. Raises AuthFailure for whatever is wrong with it."""
    digest = digest_of_request(request_secret)
    expected = (cache.get(_request_key(digest)) or {}).get("code", b"")
    if not hmac.compare_digest(expected, digest_of_code(code, purpose=PURPOSE)):
        raise AuthFailure
    return _used(digest)


def email_of_link(token: str) -> str | None:
    """Whose sign-in a link is, which it stays; None for one that is used or too old."""
    record = cache.get(_request_key(cache.get(_link_key(token)) or ""))
    return record["email"] if record else None


def sign_in_by_link(token: str) -> MailedSignIn:
    """Uses the link up. Raises AuthFailure for one that is used or too old."""
    digest = cache.get(_link_key(token))
    if digest is None:
        raise AuthFailure
    return _used(digest)


def _used(request_digest: str) -> MailedSignIn:
    """Of several who come with it at the same moment one deletes it, and nobody else has it."""
    key = _request_key(request_digest)
    record = cache.get(key)
    if record is None or not cache.delete(key):
        raise AuthFailure
    user = User.objects.filter(id=UUID(record["user"]), is_active=True).first()
    if user is None or _digest(user.password) != record["password"]:  # changed since the mail was sent
        raise AuthFailure
    if not EmailAddress.objects.filter(user=user, email=record["email"], verified=True).exists():
        raise AuthFailure
    return MailedSignIn(user=user, email=record["email"], next_path=record["next"])


def _request_key(digest: str) -> str:
    return f"mailed-sign-in:{digest}"


def _link_key(token: str) -> str:
    return f"mailed-link:{_digest(token)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
