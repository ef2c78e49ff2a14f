"""Tokens that the installation signs: by which key, for whom, and what is refused."""

import base64
import hmac
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from audit.models import AuditEvent
from config.kernel.errors import AuthFailure, Conflict
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import signing
from keys.models import SigningKey
from keys.services.signing_keys import rotate_signing_key, tend_signing_keys, withdraw_signing_key
from keys.signing import Purpose
from keys.tasks import tend_signing_keys as tend_task
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("db")

AUDIENCE = "https://shop.example"
HOUR = timedelta(hours=1)


def token(purpose: Purpose = Purpose.ENTITLEMENT, *, lifetime: timedelta = HOUR, **claims: Any) -> str:
    return signing.sign(purpose, {"sub": "org_x", **claims}, lifetime=lifetime, audience=AUDIENCE)


def read(text: str, purpose: Purpose = Purpose.ENTITLEMENT) -> dict[str, Any]:
    return signing.read(text, purpose=purpose, audience=AUDIENCE)


def kid_of(text: str) -> str:
    return jwt.get_unverified_header(text)["kid"]


def key_set() -> dict[str, Any]:
    """As anybody fetches it."""
    answer = Client().get("/.well-known/jwks.json")
    assert answer.status_code == 200
    return answer.json()


def by_pyjwt(text: str, keys: dict[str, Any]) -> dict[str, Any]:
    """What a verifier does that has nothing but the key set."""
    key = jwt.PyJWKSet.from_dict(keys)[kid_of(text)]
    return jwt.decode(text, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=settings.TENANTRY_URL)


def current() -> SigningKey:
    return SigningKey.objects.get(kid=kid_of(token()))


def ledger(name: str) -> list[AuditEvent]:
    with tenant_scope(INSTALLATION_ID):
        return list(AuditEvent.objects.filter(event=name).order_by("id"))


def test_a_token_says_who_signed_it_for_whom_what_for_and_until_when():
    text = token(plan="pro")
    assert jwt.get_unverified_header(text) == {"alg": "EdDSA", "typ": "entitlement+jwt", "kid": current().kid}
    claims = read(text)
    assert claims.keys() == {"sub", "plan", "iss", "aud", "iat", "exp", "jti", "purpose"}
    assert (claims["iss"], claims["aud"], claims["purpose"]) == (settings.TENANTRY_URL, AUDIENCE, "ENTITLEMENT")
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["jti"] != read(token())["jti"]


def test_nobody_sets_the_claims_that_prove_something_or_a_token_without_an_end():
    for name in signing.OURS:
        with pytest.raises(ValueError, match=name):
            signing.sign(Purpose.ENTITLEMENT, {name: "mine"}, lifetime=HOUR, audience=AUDIENCE)
    for lifetime in (timedelta(0), timedelta(hours=24, seconds=1)):
        with pytest.raises(ValueError, match="lives"):
            token(lifetime=lifetime)


def test_the_key_set_is_public_may_be_kept_a_while_and_tells_nothing_private():
    answer = Client().get("/.well-known/jwks.json")
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "public, max-age=300"
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert len(answer.json()["keys"]) == 2
    for key in answer.json()["keys"]:
        assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert Client().post("/.well-known/jwks.json").status_code == 405
    by_pyjwt(token(), answer.json())


def test_a_private_key_is_not_kept_in_the_clear():
    token()
    for row in SigningKey.objects.all():
        assert len(bytes(row.private_key)) > 32
        public = Ed25519PrivateKey.from_private_bytes(signing._from_base64url(signing.unseal(row, "private_key")))
        assert public.public_key().public_bytes_raw() == bytes(row.public_key)
        assert signing.unseal(row, "private_key").encode() not in bytes(row.private_key)


def test_a_rotation_breaks_nobody_who_keeps_the_key_set():
    kept = key_set()
    before = token()
    rotate_signing_key(actor=SYSTEM)
    signing.forget()
    after = token()
    assert kid_of(after) != kid_of(before)
    for text in (before, after):
        read(text)
        by_pyjwt(text, kept)
        by_pyjwt(text, key_set())
    assert len(key_set()["keys"]) == 3


def test_a_second_rotation_waits_until_every_kept_key_set_has_the_next_key():
    key_set()
    rotate_signing_key(actor=SYSTEM)
    signing.forget()
    first, kept = token(), key_set()
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=5)):
        following = rotate_signing_key(actor=SYSTEM)
        signing.forget()
        meanwhile = token()
        assert kid_of(meanwhile) == kid_of(first)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=15, seconds=1)):
        signing.forget()
        after = token()
        assert kid_of(after) == following.kid
        for text in (first, meanwhile, after):
            by_pyjwt(text, kept)
            by_pyjwt(text, key_set())
            read(text)


def test_a_retired_key_is_listed_until_nothing_that_it_signed_can_be_valid():
    text = token(lifetime=timedelta(hours=24))
    rotate_signing_key(actor=SYSTEM)
    for hours, listed in ((1, True), (24, True), (24.1, False)):
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=hours)):
            signing.forget()
            assert (kid_of(text) in {key["kid"] for key in key_set()["keys"]}) is listed
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=23, minutes=59)):
        signing.forget()
        assert read(text)["sub"] == "org_x"


def test_other_processes_see_a_rotation_and_a_withdrawal_within_a_second():
    def as_another_process() -> None:
        signing._memory = remembered

    old = token()
    remembered = signing._memory
    rotate_signing_key(actor=SYSTEM)
    as_another_process()
    time.sleep(0.9)
    new = token()
    assert kid_of(new) != kid_of(old)
    remembered = signing._memory
    withdraw_signing_key(actor=SYSTEM, key=current().public_id, reason="copied")
    as_another_process()
    time.sleep(0.9)
    with pytest.raises(AuthFailure):
        read(new)
    assert read(old)["sub"] == "org_x"


def test_a_new_key_of_another_process_is_known_as_soon_as_its_first_token_comes():
    remembered_from = token()
    remembered = signing._memory
    withdraw_signing_key(actor=SYSTEM, key=current().public_id, reason="copied")
    signing.forget()
    new = token()
    signing._memory = remembered
    time.sleep(0.06)
    assert kid_of(new) != kid_of(remembered_from)
    assert read(new)["sub"] == "org_x"


def test_a_withdrawn_key_is_believed_no_more_and_the_next_one_signs_at_once():
    old = token()
    row = current()
    withdraw_signing_key(actor=SYSTEM, key=row.public_id, reason="found on a laptop")
    signing.forget()
    with pytest.raises(AuthFailure):
        read(old)
    assert kid_of(old) not in {key["kid"] for key in key_set()["keys"]}
    assert read(token())["sub"] == "org_x"
    row.refresh_from_db()
    assert (row.state, row.private_key) == (SigningKey.State.WITHDRAWN, None)
    assert ledger("signing_key.withdrawn")[0].data == {"reason": "found on a laptop"}
    with pytest.raises(Conflict):
        withdraw_signing_key(actor=SYSTEM, key=row.public_id, reason="again")


@pytest.mark.parametrize("which", range(3))
def test_whichever_key_is_withdrawn_one_signs_and_one_waits(which: int):
    """In the middle of a rotation: one signs, one takes over soon, one waits."""
    key_set()
    rotate_signing_key(actor=SYSTEM)
    rotate_signing_key(actor=SYSTEM)
    rows = [row for row in SigningKey.objects.order_by("id") if row.state != SigningKey.State.RETIRED]
    assert [row.signs_from is None for row in rows] == [False, False, True]
    withdraw_signing_key(actor=SYSTEM, key=rows[which].public_id, reason="copied")
    signing.forget()
    assert read(token())["sub"] == "org_x"
    assert kid_of(token()) == rows[1 if which == 0 else 0].kid
    assert rows[which].kid not in {key["kid"] for key in key_set()["keys"]}
    assert SigningKey.objects.filter(signs_from=None, withdrawn_at=None).count() == 1
    assert SigningKey.objects.filter(signs_from__isnull=False, signs_until=None, withdrawn_at=None).count() == 1
    rotate_signing_key(actor=SYSTEM)


def test_the_clock_rotates_and_erases_what_no_longer_signs(settings: Any):
    settings.TENANTRY_SIGNING_KEY_DAYS = 30
    first = current()
    assert tend_signing_keys() == "nothing to do"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30)):
        assert tend_task() == "rotated"
        assert tend_task() == "nothing to do"
    with time_machine.travel(datetime.now(UTC) + timedelta(days=30, minutes=2)):
        assert tend_task() == "nothing to do"
    first.refresh_from_db()
    assert first.private_key is None
    assert SigningKey.objects.exclude(private_key=None).count() == 2


def test_the_command_rotates_and_withdraws(capsys: pytest.CaptureFixture[str]):
    old = token()
    call_command("rotate_signing_key", "--json")
    signing.forget()
    told = json.loads(capsys.readouterr().out)
    assert kid_of(token()) == told["kid"] != kid_of(old)
    event = ledger("signing_key.rotated")[0]
    assert (event.actor_id, event.data["replacement"]) == ("command_line", told["id"])
    call_command("rotate_signing_key", "--withdraw", told["id"], "--reason", "copied")
    signing.forget()
    assert kid_of(token()) != told["kid"]
    assert ledger("signing_key.withdrawn")[0].data == {"reason": "copied"}


def test_the_command_does_not_rotate_when_the_key_to_withdraw_is_missing():
    before = kid_of(token())
    for missing in ("", "sgk_typo", before):  # whose name may begin with a dash
        with pytest.raises(CommandError, match="Nothing has the id or name that you gave; check it"):
            call_command("rotate_signing_key", f"--withdraw={missing}", "--reason", "copied")
    signing.forget()
    assert kid_of(token()) == before
    assert not ledger("signing_key.rotated")
    assert not ledger("signing_key.withdrawn")


def test_of_many_who_need_the_first_key_at_once_one_makes_it(empty_installation: None):
    def run() -> None:
        try:
            barrier.wait()
            signing.forget()
            made.append(kid_of(token()))
        finally:
            connection.close()

    made: list[str] = []
    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1
    assert SigningKey.objects.count() == 2


# -- what is refused -------------------------------------------------------------------------------------------------
def forged(key: Any, algorithm: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token like ours, signed by `key`."""
    now = int(time.time())
    whole = {
        "sub": "org_x", "iss": settings.TENANTRY_URL, "aud": AUDIENCE, "iat": now, "exp": now + 60, "jti": "x",
        "purpose": "ENTITLEMENT", **claims,
    }  # fmt: skip
    whole = {name: value for name, value in whole.items() if value is not None}
    names = {"typ": "entitlement+jwt", "kid": current().kid, **(header or {})}
    return jwt.encode(whole, key, algorithm=algorithm, headers=names)


def own_key() -> Ed25519PrivateKey:
    """The real private key, to sign with what no honest caller would."""
    return signing._private_keys[kid_of(token())]


def part(text: str, number: int) -> Any:
    piece = text.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_the_real_key_signs_a_forged_token_that_passes_so_the_tests_below_mean_something():
    assert read(forged(own_key(), "EdDSA"))["sub"] == "org_x"


def test_a_tampered_token_is_refused():
    head, body, signature = token().split(".")
    claims = part(f"{head}.{body}", 1)
    for text in (
        f"{head}.{encoded({**claims, 'sub': 'org_y'})}.{signature}",
        f"{encoded({**part(head, 0), 'extra': 1})}.{body}.{signature}",
        f"{head}.{body}.{'A' * len(signature)}",
        f"{head}.{body}.",
        f"{head}.{body}",
    ):
        with pytest.raises(AuthFailure):
            read(text)


def test_an_expired_token_is_refused():
    text = token(lifetime=timedelta(minutes=15))
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=15, seconds=6)):
        with pytest.raises(AuthFailure):
            read(text)


def test_a_token_for_somebody_else_is_refused():
    with pytest.raises(AuthFailure):
        signing.read(token(), purpose=Purpose.ENTITLEMENT, audience="https://other.example")
    for claims in ({"aud": [AUDIENCE, "https://other.example"]}, {"aud": None}, {"iss": "https://evil.example"}):
        with pytest.raises(AuthFailure):
            read(forged(own_key(), "EdDSA", **claims))


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_token_for_one_purpose_passes_for_no_other(purpose: Purpose):
    text = token(purpose)
    assert read(text, purpose)["purpose"] == purpose
    assert signing.purpose_of(text) == purpose
    for other in set(Purpose) - {purpose}:
        with pytest.raises(AuthFailure):
            read(text, other)
        # Not even when the header or the claim alone is made to fit.
        with pytest.raises(AuthFailure):
            read(forged(own_key(), "EdDSA", header={"typ": signing.TYPES[other]}, purpose=purpose.value), other)
        with pytest.raises(AuthFailure):
            read(forged(own_key(), "EdDSA", header={"typ": signing.TYPES[purpose]}, purpose=other.value), other)


def test_no_other_algorithm_is_believed():
    row = current()
    raw = bytes(row.public_key)
    pem = (
        own_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head, body, signature = token().split(".")
    header = part(head, 0)
    unsigned = f"{encoded({**header, 'alg': 'none'})}.{body}."
    # With what everybody knows as the shared secret. PyJWT refuses to make such a token, so it is made by hand.
    shared = f"{encoded({**header, 'alg': 'HS256'})}.{body}"
    signatures = [hmac.digest(secret, shared.encode(), "sha256") for secret in (raw, base64.b64encode(raw), pem)]
    confused = [f"{shared}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}" for made in signatures]
    renamed = f"{encoded({**header, 'alg': 'Ed25519'})}.{body}.{signature}"
    for text in (unsigned, f"{unsigned}{signature}", *confused, renamed):
        with pytest.raises(AuthFailure):
            read(text)


def test_only_our_own_keys_are_believed():
    stranger = Ed25519PrivateKey.generate()
    key_in_header = {"kty": "OKP", "crv": "Ed25519", "x": signing._base64url(stranger.public_key().public_bytes_raw())}
    for header in (
        {}, {"kid": "unknown"}, {"kid": ""}, {"jwk": key_in_header}, {"jku": "https://evil.example/jwks.json"},
    ):  # fmt: skip
        with pytest.raises(AuthFailure):
            read(forged(stranger, "EdDSA", header=header))
    with pytest.raises(AuthFailure):
        read(forged(own_key(), "EdDSA", header={"crit": ["exp"], "exp": 1}))


def test_a_token_that_lacks_a_claim_is_refused():
    for name in signing.OURS:
        with pytest.raises(AuthFailure):
            read(forged(own_key(), "EdDSA", **{name: None}))


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "eyJ9.e30.", "Ω.Ω.Ω", "x" * 9000, "\ud800.a.b"])
def test_what_is_no_token_is_refused(text: str):
    token()
    with pytest.raises(AuthFailure):
        read(text)
    assert signing.purpose_of(text) is None


def test_the_first_key_is_made_inside_an_organizations_work(cast: Cast):
    SigningKey.objects.all().delete()
    signing.forget()
    with tenant_scope(cast.acme.id):
        text = token()
    assert read(text)["sub"] == "org_x"
    assert len(ledger("signing_key.created")) == 2


@pytest.mark.django_db(transaction=True)
def test_a_first_key_that_was_rolled_back_signs_nothing_more(empty_installation: None):
    signing.forget()
    with pytest.raises(RuntimeError), transaction.atomic():
        token()
        token()  # finds the key in the database, which only this transaction sees
        raise RuntimeError
    assert not SigningKey.objects.exists()
    assert read(token())["sub"] == "org_x"
    assert SigningKey.objects.count() == 2
