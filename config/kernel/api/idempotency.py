"""Idempotency-Key on every POST that creates: the same request twice makes one thing and gets one answer.

The key is kept as a hash in a row written in the very transaction of the change, so a killed process leaves either
both or neither, and a second request waits for the first at the unique index. Since an answer may hold a secret that
is shown once, it is stored encrypted under a key derived from the Idempotency-Key itself, which we do not keep.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, transaction
from rest_framework.response import Response

from config.kernel.api.views import ApiView
from config.kernel.errors import IdempotencyMismatch, Invalid
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope

HEADER = "Idempotency-Key"
LONGEST = 255
NONCE_BYTES = 12

Method = Callable[..., Response]


def idempotent(method: Method) -> Method:
    """Decorates a `post` that creates. Only successes are remembered, for 24 hours; an error may be retried."""

    @wraps(method)
    def wrapped(view: ApiView, request: Any, *args: Any, **kwargs: Any) -> Response:
        given = given_key(request.headers.get(HEADER))
        view.prepare()
        if given is None:
            return method(view, request, *args, **kwargs)
        return _once(given, view, lambda: method(view, request, *args, **kwargs))

    wrapped.idempotent = True  # type: ignore[attr-defined]
    return wrapped


def given_key(given: str | None) -> str | None:
    """The Idempotency-Key of a request. Raises Invalid for one that is none."""
    if given is not None and not (given.isascii() and given.isprintable() and 0 < len(given) <= LONGEST):
        raise Invalid.field(HEADER, f"Send 1 to {LONGEST} printable ASCII characters as {HEADER}.")
    return given


def _once(given: str, view: ApiView, run: Callable[[], Response]) -> Response:
    model = apps.get_model(settings.TENANTRY_IDEMPOTENCY_MODEL)
    principal: Principal = view.admission.principal
    owner = f"{principal.kind}:{principal.id}"
    digest = hashlib.sha256(f"{owner}\n{given}".encode()).digest()
    body = json.dumps(view.request.data, sort_keys=True).encode()
    request_digest = hashlib.sha256(view.request.get_full_path().encode() + b"\n" + body).digest()
    organization = view.admission.organization
    org_id = organization.id if organization else INSTALLATION_ID
    with transaction.atomic():
        try:
            with transaction.atomic(), system_scope("idempotency key"):
                row = model.objects.create(org_id=org_id, digest=digest, request_digest=request_digest)
        except IntegrityError:
            with system_scope("idempotency key"):
                row = model.objects.get(digest=digest)
            if row.request_digest != request_digest:
                raise IdempotencyMismatch from None
            stored = json.loads(_decrypt(given, row.answer, digest))
            return Response(
                stored["data"],
                status=stored["status"],
                headers={**stored["headers"], "Idempotency-Replayed": "true"},
            )
        response = run()
        kept = {name: response[name] for name in ("ETag", "Location") if name in response.headers}
        stored = {"status": response.status_code, "data": response.data, "headers": kept}
        row.answer = _encrypt(given, json.dumps(stored, default=str).encode(), digest)
        with system_scope("idempotency key"):
            row.save(update_fields=["answer"])
        return response


def _cipher(given: str, secret: str) -> AESGCM:
    derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"tenantry idempotency")
    return AESGCM(derivation.derive(secret.encode() + b"\n" + given.encode()))


def _encrypt(given: str, clear: bytes, digest: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _cipher(given, settings.SECRET_KEY).encrypt(nonce, clear, digest)


def _decrypt(given: str, stored: bytes, digest: bytes) -> bytes:
    """The answer, also while the secret key is being replaced. Raises IdempotencyMismatch when it is gone for good."""
    stored = bytes(stored)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(given, secret).decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], digest)
        except InvalidTag:
            continue
    raise IdempotencyMismatch
