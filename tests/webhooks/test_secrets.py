"""Secrets and keys: shown once, rotated while nothing is lost, told of nowhere."""

import base64
import json
from datetime import timedelta

import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from audit.models import AuditEvent
from config.kernel.crypto import UnreadableError
from config.kernel.errors import Invalid
from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from tests.api.rows import everything
from tests.at_once import at_once
from tests.cast import Cast
from tests.webhooks.rows import endpoint_rows
from webhooks.models import Endpoint
from webhooks.services.secrets import rotate_secret
from webhooks.signing import keys_of, signatures
from webhooks.tidying import tidy

ENDPOINTS = "/api/v1/orgs/acme/webhook-endpoints"
BODY = b'{"type":"key.created"}'


@pytest.fixture
def endpoint(cast: Cast) -> Endpoint:
    with tenant_scope(cast.acme.id):
        return endpoint_rows().endpoint


def current(cast: Cast) -> Endpoint:
    with tenant_scope(cast.acme.id):
        return Endpoint.objects.get()


def signed(cast: Cast) -> dict[str, str]:
    """The headers of a delivery that is made now."""
    now = timezone.now()
    with tenant_scope(cast.acme.id):
        made = signatures(keys_of(Endpoint.objects.get()), "evt_1", int(now.timestamp()), BODY)
    return {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": made}


def verifies(secret: str, headers: dict[str, str]) -> bool:
    """By the stock library."""
    try:
        Webhook(secret).verify(BODY, headers)
    except WebhookVerificationError:
        return False
    return True


def test_a_secret_is_32_bytes_in_base64(cast: Cast, endpoint: Endpoint):
    with tenant_scope(cast.acme.id):
        secret = unseal(endpoint, "secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert secret.encode() not in bytes(endpoint.secret)


def test_both_secrets_sign_until_the_overlap_ends(api, cast: Cast, endpoint: Endpoint):
    with tenant_scope(cast.acme.id):
        old = unseal(endpoint, "secret")
    path = f"{ENDPOINTS}/{endpoint.public_id}/rotate-secret"
    answer = api(cast.admin).post(path, {})
    assert answer.status_code == 201
    new = answer.json()["secret"]
    ends_at = current(cast).previous_secret_ends_at
    assert abs(ends_at - timezone.now() - timedelta(hours=24)) < timedelta(minutes=1)
    assert verifies(old, signed(cast))
    assert verifies(new, signed(cast))
    with time_machine.travel(ends_at - timedelta(seconds=2), tick=False):
        assert verifies(old, signed(cast))
    with time_machine.travel(ends_at, tick=False):
        assert not verifies(old, signed(cast))
        assert verifies(new, signed(cast))
        assert tidy() >= 1
    assert current(cast).previous_secret is None
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="webhook_endpoint.secret_rotated")
    assert event.data == {"previous_ends_at": ends_at.isoformat(), "project": None}
    for secret in (old, new):
        assert secret.removeprefix("whsec_") not in json.dumps(everything(), default=str)


def test_without_an_overlap_the_old_secret_ends_at_once(api, cast: Cast, endpoint: Endpoint):
    with tenant_scope(cast.acme.id):
        old = unseal(endpoint, "secret")
    path = f"{ENDPOINTS}/{endpoint.public_id}/rotate-secret"
    new = api(cast.admin).post(path, {"overlap_seconds": 0}).json()["secret"]
    assert (verifies(old, signed(cast)), verifies(new, signed(cast))) == (False, True)
    assert current(cast).previous_secret is None


def test_a_second_rotation_during_an_overlap_ends_the_oldest(cast: Cast, endpoint: Endpoint):
    with tenant_scope(cast.acme.id):
        first = unseal(endpoint, "secret")
        second, third = (rotate_secret(actor=cast.principal(cast.owner), endpoint_id=endpoint.id)[1] for _ in range(2))
    headers = signed(cast)
    assert [verifies(secret, headers) for secret in (first, second, third)] == [False, True, True]


def test_an_overlap_is_none_to_seven_days(api, cast: Cast, endpoint: Endpoint):
    client, path = api(cast.owner), f"{ENDPOINTS}/{endpoint.public_id}/rotate-secret"
    before = everything()
    for seconds in (-1, 7 * 24 * 3600 + 1, 1.5, "60", None, True):
        assert client.post(path, {"overlap_seconds": seconds}).status_code == 400
    with tenant_scope(cast.acme.id), pytest.raises(Invalid):
        rotate_secret(actor=cast.principal(cast.owner), endpoint_id=endpoint.id, overlap=timedelta(days=7, seconds=1))
    assert everything() == before
    assert client.post(path, {"overlap_seconds": 7 * 24 * 3600}).status_code == 201


def test_of_two_rotations_at_once_the_last_two_secrets_sign(committed_cast: Cast):
    cast = committed_cast
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
        first = unseal(endpoint, "secret")

    def rotate():
        with tenant_scope(cast.acme.id):
            return rotate_secret(actor=cast.principal(cast.owner), endpoint_id=endpoint.id)[1]

    made = at_once([rotate, rotate])
    headers = signed(cast)
    assert [verifies(secret, headers) for secret in made] == [True, True]
    assert not verifies(first, headers)
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="webhook_endpoint.secret_rotated").count() == 2


def test_an_ed25519_key_signs_too_until_it_is_removed(api, cast: Cast, endpoint: Endpoint):
    path = f"{ENDPOINTS}/{endpoint.public_id}/signing-key"
    made = api(cast.admin).put(path)
    assert made.status_code == 200, made.json()
    verifying = made.json()["verifying_key"]
    assert verifying.startswith("whpk_")
    assert "whsk_" not in made.content.decode()
    headers = signed(cast)
    v1a = next(part for part in headers["webhook-signature"].split() if part.startswith("v1a,"))
    content = f"evt_1.{headers['webhook-timestamp']}.".encode() + BODY
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(verifying.removeprefix("whpk_")))
    public.verify(base64.b64decode(v1a[4:]), content)
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(v1a[4:]), content + b" ")
    with tenant_scope(cast.acme.id):
        private = unseal(Endpoint.objects.get(), "signing_key")
        assert len(base64.b64decode(private.removeprefix("whsk_"), validate=True)) == 32
    replaced = api(cast.admin).put(path).json()["verifying_key"]
    assert replaced != verifying
    assert api(cast.admin).delete(path).status_code == 204
    assert "v1a," not in signed(cast)["webhook-signature"]
    before = everything()
    assert api(cast.admin).delete(path).status_code == 204
    assert everything() == before
    with tenant_scope(cast.acme.id):
        changed = AuditEvent.objects.filter(event="webhook_endpoint.signing_key_changed").order_by("id")
        told = [row.data["verifying_key"] for row in changed]
    assert told == [verifying, replaced, None]


def test_a_secret_of_another_endpoint_does_not_open_here(cast: Cast, endpoint: Endpoint):
    with tenant_scope(cast.acme.id):
        other = endpoint_rows().endpoint
        other.secret = endpoint.secret
        with pytest.raises(UnreadableError):
            unseal(other, "secret")
