"""Our tokens, verified from the key set by another implementation: jose on Node.js."""

import hmac
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from config.kernel.principals import SYSTEM
from keys import signing
from keys.services.signing_keys import rotate_signing_key
from keys.signing import Purpose
from tests.keys.test_signing import AUDIENCE, encoded, key_set, kid_of, part, token
from tests.node import folder_with

pytestmark = pytest.mark.xdist_group("jose")

JOSE = "jose@6.2.15"
PROGRAM = """
import { createLocalJWKSet, jwtVerify } from "jose";
import { readFileSync } from "node:fs";
const { cases, issuer, audience, typ } = JSON.parse(readFileSync(0, "utf8"));
const results = [];
for (const { token, keys, now } of cases) {
  const options = { issuer, audience, typ, algorithms: ["EdDSA"], currentDate: new Date(now) };
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(keys), options);
    results.push(payload.sub);
  } catch (error) {
    results.push(error.code);
  }
}
console.log(JSON.stringify(results));
"""


@pytest.fixture(scope="module")
def node() -> Path:
    """A folder in which Node.js finds jose."""
    return folder_with(JOSE.replace("@", "-"), JOSE)


def verified(
    node: Path, *cases: tuple[str, dict[str, Any]], now: datetime | None = None, typ: str = "entitlement+jwt"
) -> list[str]:
    """For each token and key set the subject that jose reads where it expects that type, or the code of its refusal."""
    at = (now or datetime.now(UTC)).isoformat()
    given = {
        "issuer": settings.TENANTRY_URL,
        "audience": AUDIENCE,
        "typ": typ,
        "cases": [{"token": text, "keys": keys, "now": at} for text, keys in cases],
    }
    ended = subprocess.run(
        ["node", "--input-type=module", "--eval", PROGRAM],
        check=True, cwd=node, input=json.dumps(given), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(ended.stdout)


def of_another_algorithm(text: str, keys: dict[str, Any]) -> list[str]:
    """A token of ours without a signature, and signed by HS256 with what everybody knows as the shared secret."""
    _, body, signature = text.split(".")
    header = part(text, 0)
    (key,) = [key for key in keys["keys"] if key["kid"] == header["kid"]]
    raw = signing._from_base64url(key["x"])
    pem = Ed25519PublicKey.from_public_bytes(raw).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    unsigned, shared = (f"{encoded({**header, 'alg': name})}.{body}" for name in ("none", "HS256"))
    made = [hmac.digest(secret, shared.encode(), "sha256") for secret in (raw, key["x"].encode(), pem)]
    return [f"{unsigned}.", f"{unsigned}.{signature}", *(f"{shared}.{signing._base64url(mac)}" for mac in made)]


def changed(text: str, **claims: Any) -> str:
    """A token of ours in which somebody wrote other claims."""
    head, _, signature = text.split(".")
    return f"{head}.{encoded({**part(text, 1), **claims})}.{signature}"


def test_jose_believes_our_tokens_before_during_and_after_a_rotation(db: None, node: Path):
    kept = key_set()
    before = token(lifetime=timedelta(hours=24))
    assert verified(node, (before, kept)) == ["org_x"]
    rotate_signing_key(actor=SYSTEM)
    rotate_signing_key(actor=SYSTEM)
    signing.forget()
    during = token(lifetime=timedelta(hours=24))
    between = key_set()
    assert kid_of(during) != kid_of(before)
    cases = [(text, keys) for text in (before, during) for keys in (kept, between)]
    assert verified(node, *cases) == ["org_x"] * 4
    later = datetime.now(UTC) + timedelta(minutes=16)
    with time_machine.travel(later):
        signing.forget()
        after = token(lifetime=timedelta(hours=24))
        now = key_set()
        assert kid_of(after) not in {kid_of(before), kid_of(during)}
        cases = [(text, keys) for text in (before, during, after) for keys in (between, now)]
    assert verified(node, *cases, now=later) == ["org_x"] * 6


def test_jose_refuses_what_is_not_for_it(db: None, node: Path):
    keys = key_set()
    good = token()
    head, body, signature = good.split(".")
    cases = [
        (good, keys),
        (f"{head}.{body}.{'A' * len(signature)}", keys),
        (token(Purpose.ACCESS), keys),
        (signing.sign(Purpose.ENTITLEMENT, {}, lifetime=timedelta(hours=1), audience="https://other.example"), keys),
        (good, {"keys": [key for key in keys["keys"] if key["kid"] != kid_of(good)]}),
    ]
    assert verified(node, *cases) == [
        "org_x",
        "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "ERR_JWT_CLAIM_VALIDATION_FAILED",
        "ERR_JWKS_NO_MATCHING_KEY",
    ]
    assert verified(node, (good, keys), now=datetime.now(UTC) + timedelta(hours=2)) == ["ERR_JWT_EXPIRED"]


def test_jose_refuses_other_algorithms_and_changed_claims(db: None, node: Path):
    keys, good = key_set(), token()
    others = of_another_algorithm(good, keys)
    cases = [(text, keys) for text in (good, *others, changed(good, sub="org_y"), changed(good))]
    assert verified(node, *cases) == [
        "org_x",
        *["ERR_JOSE_ALG_NOT_ALLOWED"] * len(others),
        *["ERR_JWS_SIGNATURE_VERIFICATION_FAILED"] * 2,
    ]


@pytest.mark.parametrize("purpose", list(Purpose))
def test_jose_takes_a_token_of_one_purpose_for_no_other(db: None, node: Path, purpose: Purpose):
    keys = key_set()
    others = [*sorted(set(Purpose) - {purpose}), None]
    statement = signing.sign_checkpoint({"sub": "org_x", "aud": AUDIENCE})
    cases = [(token(other) if other else statement, keys) for other in others]
    results = verified(node, (token(purpose), keys), *cases, typ=signing.TYPES[purpose])
    assert results == ["org_x", *["ERR_JWT_CLAIM_VALIDATION_FAILED"] * len(others)]
