"""A form that makes a secret is taken once: sending it again, by reloading the answer, makes no second secret.

The form carries a signed random token. The first use leaves its hash among the idempotency keys, in the transaction of
what is made, so a failure or a killed process uses nothing up, and a second request waits for the first.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.core.signing import BadSignature, TimestampSigner
from django.db import IntegrityError, transaction

from config.kernel.errors import Conflict, Invalid
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import INSTALLATION_ID, current_organization_id, tenant_scope
from orgs.models import IdempotencyKey

SALT = "tenantry.form"
NONCE_BYTES = 16
# Shorter than the used tokens are remembered (orgs.tidying), so that none can be used again after that.
LIFETIME = timedelta(hours=12)


class SentBefore(Conflict):
    """The form was sent before, and what it asks for was made then."""

    code = "form_sent_before"
    title = "Sent before"
    detail = "This form was sent before, and what it asks for was made then."


def new_form_token() -> str:
    """A token for one rendering of a form."""
    return TimestampSigner(salt=SALT).sign(secrets.token_urlsafe(NONCE_BYTES))


@contextmanager
def sent_once(*, actor: Principal, token: str) -> Iterator[None]:
    """A transaction that uses the form's token up. Raises SentBefore, Invalid for one not ours or too old."""
    try:
        TimestampSigner(salt=SALT).unsign(token, max_age=LIFETIME)
    except BadSignature:
        raise Invalid.field("once", "This form was open for too long: check it and send it again.") from None
    digest = hashlib.sha256(f"form:{actor.kind}:{actor.id}\n{token}".encode()).digest()
    with transaction.atomic():
        try:
            with transaction.atomic(), tenant_scope(current_organization_id() or INSTALLATION_ID):
                IdempotencyKey.objects.create(digest=digest, request_digest=digest)
        except IntegrityError:
            raise SentBefore from None
        yield
