"""What deliveries are signed with: secrets that change while nothing is lost, and an Ed25519 key for who wants one.

Both are written as Standard Webhooks has them: `whsec_`, `whsk_` and `whpk_`, each followed by 32 bytes in base64.
"""

import base64
import secrets
from datetime import timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Invalid
from config.kernel.principals import Principal
from orgs.encryption import seal, unseal
from webhooks import events
from webhooks.models import Endpoint
from webhooks.services.authority import locked_endpoint, require_webhook_manager
from webhooks.services.targets import endpoint_target, project_data

SECRET_BYTES = 32
DEFAULT_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)


def new_secret() -> str:
    """`whsec_…`, for the symmetric signature `v1`."""
    return f"whsec_{_base64(secrets.token_bytes(SECRET_BYTES))}"


@transaction.atomic
def rotate_secret(*, actor: Principal, endpoint_id: UUID, overlap: timedelta = DEFAULT_OVERLAP) -> tuple[Endpoint, str]:
    """Gives an endpoint a new secret, and returns it with that, which is shown this once.

    Until `overlap` is over the one before signs, too; one from before that signs no more, even if its own overlap is
    not over. Raises Absent, Invalid.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.field("overlap_seconds", f"Choose an overlap from none to {LONGEST_OVERLAP.days} days.")
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    if overlap:
        seal(endpoint, "previous_secret", unseal(endpoint, "secret"))
        endpoint.previous_secret_ends_at = timezone.now() + overlap
    else:
        endpoint.previous_secret, endpoint.previous_secret_ends_at = None, None
    secret = new_secret()
    seal(endpoint, "secret", secret)
    endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_ends_at", "updated_at"])
    ends_at = endpoint.previous_secret_ends_at
    record(
        events.SECRET_ROTATED,
        actor=actor,
        target=endpoint_target(endpoint),
        data={"previous_ends_at": ends_at.isoformat() if ends_at else None, **project_data(endpoint)},
    )
    return endpoint, secret


@transaction.atomic
def make_signing_key(*, actor: Principal, endpoint_id: UUID) -> Endpoint:
    """Makes an endpoint's Ed25519 key, or replaces it at once: deliveries are signed with `v1a`, too. Raises Absent."""
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    private = Ed25519PrivateKey.generate()
    seal(endpoint, "signing_key", f"whsk_{_base64(private.private_bytes_raw())}")
    endpoint.verifying_key = f"whpk_{_base64(private.public_key().public_bytes_raw())}"
    _save_signing_key(actor, endpoint)
    return endpoint


@transaction.atomic
def remove_signing_key(*, actor: Principal, endpoint_id: UUID) -> Endpoint:
    """Ends `v1a` signatures. Doing so twice is no error. Raises Absent."""
    endpoint = locked_endpoint(endpoint_id)
    require_webhook_manager(actor)
    if endpoint.verifying_key:
        endpoint.signing_key, endpoint.verifying_key = None, ""
        _save_signing_key(actor, endpoint)
    return endpoint


def _save_signing_key(actor: Principal, endpoint: Endpoint) -> None:
    endpoint.save(update_fields=["signing_key", "verifying_key", "updated_at"])
    record(
        events.SIGNING_KEY_CHANGED,
        actor=actor,
        target=endpoint_target(endpoint),
        data={"verifying_key": endpoint.verifying_key or None, **project_data(endpoint)},
    )


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
