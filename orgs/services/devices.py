"""Browsers that people have signed in from, told by a cookie, so that a new one can be noticed.

The cookie holds random tokens, one for each person who signed in there; the database holds their digests. A token
counts for the person alone for whom it was made, so that nobody can plant a cookie of their own in others' browsers.
"""

import hashlib
import re
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.context import current_request
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import KnownDevice, User
from orgs.models.user import normalize_email
from orgs.services.targets import user_target
from orgs.user_agents import device_words, network_of

COOKIE_LIFETIME = timedelta(days=180)
PEOPLE = 5
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


def name_of(cookie: str, *, email: str) -> str:
    """What config.kernel.throttling calls this browser, if the person of that address has signed in from it; else "".

    The same statement runs for an address that nobody has.
    """
    digests = [_digest(token) for token in _tokens(cookie)]
    if not digests:
        return ""
    rows = KnownDevice.objects.filter(user__email=normalize_email(email), digest__in=digests)
    digest = rows.values_list("digest", flat=True).first()
    return bytes(digest).hex() if digest is not None else ""


@transaction.atomic
def meet(*, user: User, cookie: str, method: Method) -> str:
    """Notes that a person has just signed in from the browser with that device cookie. Returns its cookie from now on.

    Mails them about a browser that they have not used before: neither its cookie is known, nor the same browser and
    system in the same network. A person's first sign-in of all is no news.
    """
    now, request, tokens = timezone.now(), current_request(), _tokens(cookie)
    facts = {"label": device_words(request.user_agent), "network": network_of(request.ip), "last_used_at": now}
    own = KnownDevice.objects.of_user(user.id)
    if tokens and own.filter(digest__in=[_digest(token) for token in tokens]).update(**facts):
        return ".".join(tokens)
    is_first = not own.exists()
    is_familiar = bool(facts["network"]) and own.filter(label=facts["label"], network=facts["network"]).exists()
    token = secrets.token_urlsafe(32)
    device = KnownDevice.objects.create(user=user, digest=_digest(token), **facts)
    if not is_first and not is_familiar:
        record(
            events.USER_NEW_DEVICE,
            actor=UserPrincipal.of(user_id=user.id, email=user.email),
            target=user_target(user),
            data={"device": device.label},
            org_id=INSTALLATION_ID,
        )
        enqueue("orgs.mail_new_device", str(device.id), request.ip or "", method.value)
    return ".".join([*tokens[-PEOPLE + 1 :], token])


def _tokens(cookie: str) -> list[str]:
    return [part for part in cookie.split(".")[-PEOPLE:] if TOKEN.fullmatch(part)]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
