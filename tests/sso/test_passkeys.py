"""Passkeys: set up, sign in with, give as second factor; and everything that is refused."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from fido2.utils import websafe_decode, websafe_encode

from audit.models import AuditEvent
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import Passkey, User
from orgs.services import passkeys
from orgs.services.browser_sessions import sign_in_of
from orgs.services.users import disable_user
from tests.authenticators import PasskeyDevice
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast

NEW = "/profile/security/passkeys/challenge/"
ADD = "/profile/security/passkeys/add/"
CHALLENGE = "/login/passkey/challenge/"
LOGIN = "/login/passkey/"
FACTOR = "/login/second-factor/"


def events(name: str, result: str = "done") -> list[dict[str, Any]]:
    with tenant_scope(INSTALLATION_ID):
        return list(AuditEvent.objects.filter(event=name, result=result).order_by("id").values_list("data", flat=True))


def causes() -> list[str]:
    return [data["cause"] for data in events("user.sign_in_failed", "refused")]


def add(browser: Client, device: PasskeyDevice, *, name: str = "Laptop", **client: Any) -> Any:
    options = browser.post(NEW).json()
    return browser.post(ADD, {"name": name, "credential": json.dumps(device.create(options, **client))})


def sign_in(browser: Client, device: PasskeyDevice, **client: Any) -> Any:
    answer = device.get(browser.post(CHALLENGE).json(), **client)
    return browser.post(LOGIN, {"credential": json.dumps(answer)})


@pytest.fixture
def owned(cast: Cast) -> Callable[..., PasskeyDevice]:
    """`owned(user)` is a device of theirs with a passkey of ours on it."""

    def make(user: User, **options: Any) -> PasskeyDevice:
        device = PasskeyDevice(**options)
        assert add(signed_in(Client(), user), device).status_code == 200
        return device

    return make


def test_the_first_passkey_comes_with_recovery_codes_the_second_without(cast: Cast, mailoutbox: list):
    browser, device = signed_in(Client(), cast.owner), PasskeyDevice()
    made = add(browser, device, name="Laptop")
    assert made.status_code == 200
    assert made["Cache-Control"] == "no-store"
    assert made.content.decode().count("<li><code>") == 10
    again = add(browser, PasskeyDevice(), name="Phone")
    assert (again.status_code, again["Location"]) == (302, "/profile/security/")
    text = browser.get("/profile/security/").content.decode()
    assert "Laptop" in text
    assert "Phone" in text
    assert events("user.second_factor_added") == [
        {"factor": "passkey", "name": "Laptop"},
        {"factor": "passkey", "name": "Phone"},
    ]
    assert sign_in_of(browser.session).second_factor == SecondFactor.PASSKEY
    assert browser.post(NEW).json()["publicKey"]["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }


def test_a_passkey_alone_signs_in_and_is_two_factors(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, browser = owned(cast.owner), Client()
    options = browser.post(CHALLENGE).json()["publicKey"]
    assert not options.get("allowCredentials"), "it would tell whose passkeys there are"
    assert options["userVerification"] == "required"
    answer = sign_in(browser, device)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    found = sign_in_of(browser.session)
    assert (found.method, found.second_factor) == (Method.PASSKEY, SecondFactor.PASSKEY)
    assert browser.get("/orgs/acme/").status_code == 200
    assert events("user.signed_in") == [{"method": "passkey", "second_factor": "passkey"}]
    row = Passkey.objects.get()
    assert row.last_used_at is not None
    assert row.sign_count == device.count


def test_it_leads_where_the_person_wanted_to_go_and_nowhere_else(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device = owned(cast.owner)
    for wanted, place in (("/orgs/acme/", "/orgs/acme/"), ("https://evil.example/", "/"), ("//evil.example", "/")):
        browser = Client()
        signed = device.get(browser.post(CHALLENGE).json())
        answer = browser.post(f"{LOGIN}?next={wanted}", {"credential": json.dumps(signed)})
        assert answer["Location"] == place


def refused_sign_in(browser: Client, answer: Any, cause: str) -> None:
    assert answer.status_code == 422
    assert "This passkey was not accepted" in answer.content.decode()
    assert browser.get("/profile/").status_code == 302
    assert causes()[-1] == cause


def test_a_replayed_answer_is_refused_in_this_browser_and_in_another(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, first, other = owned(cast.owner), Client(), Client()
    signed = {"credential": json.dumps(device.get(first.post(CHALLENGE).json()))}
    refused_sign_in(other, other.post(LOGIN, signed), "no challenge")
    other.post(CHALLENGE)
    refused_sign_in(other, other.post(LOGIN, signed), "invalid")
    kept = first.session["passkey_challenges"]
    assert first.post(LOGIN, signed).status_code == 302
    refused_sign_in(other, other.post(LOGIN, signed), "no challenge")
    # Somebody who got hold of the session before it was used up, in the same moment.
    stolen = other.session
    stolen["passkey_challenges"] = kept
    stolen.save()
    refused_sign_in(other, other.post(LOGIN, signed), "replayed")


def test_a_challenge_is_good_for_five_minutes_and_for_its_purpose(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, late, elsewhere = owned(cast.owner), Client(), signed_in(Client(), cast.owner)
    signed = {"credential": json.dumps(device.get(late.post(CHALLENGE).json()))}
    with time_machine.travel(timezone.now() + timedelta(seconds=301)):
        refused_sign_in(late, late.post(LOGIN, signed), "late")
    refused_sign_in(late, late.post(LOGIN, signed), "no challenge")
    signed = device.get(elsewhere.post(CHALLENGE).json())
    answer = elsewhere.post(FACTOR, {"credential": json.dumps(signed)})
    assert answer.status_code == 422, "a challenge of signing in served as one of the second factor"
    assert causes()[-1] == "no challenge"


@pytest.mark.parametrize(
    ("client", "cause"),
    [
        ({"origin": "https://evil.example"}, "invalid"),
        ({"origin": "http://localhost.evil.example:8000"}, "invalid"),
        ({"origin": "http://localhost:9999"}, "invalid"),
        ({"cross_origin": True}, "unsuitable"),
    ],
)
def test_pages_of_other_origins_get_nothing(
    cast: Cast, owned: Callable[..., PasskeyDevice], client: dict[str, Any], cause: str
):
    browser = Client()
    refused_sign_in(browser, sign_in(browser, owned(cast.owner), **client), cause)
    fresh = signed_in(Client(), cast.admin)
    assert add(fresh, PasskeyDevice(), **client).status_code == 422
    assert not Passkey.objects.filter(user=cast.admin).exists()


def test_a_device_that_does_not_verify_its_person_is_refused(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, browser = owned(cast.owner), Client()
    device.verifies = False
    refused_sign_in(browser, sign_in(browser, device), "invalid")
    assert add(signed_in(Client(), cast.admin), PasskeyDevice(verifies=False)).status_code == 422
    assert not Passkey.objects.filter(user=cast.admin).exists()


def test_a_copy_of_a_device_is_noticed_by_its_counter(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, browser = owned(cast.owner), Client()
    assert sign_in(Client(), device).status_code == 302
    device.count -= 2  # the copy was made before
    refused_sign_in(browser, sign_in(browser, device), "counter")
    device.count += 2
    assert sign_in(Client(), device).status_code == 302


def test_devices_that_do_not_count_are_welcome(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device = owned(cast.owner, counts=False)
    assert sign_in(Client(), device).status_code == 302
    assert sign_in(Client(), device).status_code == 302


def test_nobody_signs_in_as_the_owner_of_another_passkey(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, browser = owned(cast.admin), Client()
    refused_sign_in(browser, sign_in(browser, device, owner=cast.owner.id.bytes), "foreign")
    answer = device.get(browser.post(CHALLENGE).json())
    del answer["response"]["userHandle"]
    refused_sign_in(browser, browser.post(LOGIN, {"credential": json.dumps(answer)}), "foreign")
    stranger = PasskeyDevice()
    stranger.create(passkeys.begin_registration(user=cast.owner).options)
    refused_sign_in(browser, sign_in(browser, stranger), "unknown")


def test_another_persons_passkey_is_no_second_factor(cast: Cast, owned: Callable[..., PasskeyDevice]):
    own, foreign, browser = owned(cast.owner), owned(cast.admin), Client()
    assert browser.post("/login/", {"login": cast.owner.email, "password": PASSWORD})["Location"] == FACTOR
    options = browser.post(f"{FACTOR}challenge/").json()
    options["publicKey"]["allowCredentials"] = []
    answer = browser.post(FACTOR, {"credential": json.dumps(foreign.get(options))})
    assert answer.status_code == 422
    assert causes() == ["foreign"]
    assert browser.get("/profile/").status_code == 302
    signed = own.get(browser.post(f"{FACTOR}challenge/").json())
    assert browser.post(FACTOR, {"credential": json.dumps(signed)}).status_code == 302
    found = sign_in_of(browser.session)
    assert (found.method, found.second_factor) == (Method.PASSWORD, SecondFactor.PASSKEY)


def test_a_passkey_of_somebody_disabled_or_removed_opens_nothing(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device, browser = owned(cast.viewer), Client()
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="left")
    assert sign_in(browser, device).status_code in (302, 422)
    assert browser.get("/profile/").status_code == 302
    Passkey.objects.all().delete()
    refused_sign_in(browser, sign_in(browser, device), "unknown")


def test_a_credential_belongs_to_one_person(cast: Cast, owned: Callable[..., PasskeyDevice]):
    device = owned(cast.owner)
    browser = signed_in(Client(), cast.admin)
    options = browser.post(NEW).json()
    taken = next(iter(device.keys))
    forged = PasskeyDevice()
    answer = forged.create(options)
    raw = next(iter(forged.keys))
    replaced = answer["response"]["attestationObject"]
    answer["response"]["attestationObject"] = websafe_encode(websafe_decode(replaced).replace(raw, taken))
    answer["id"] = answer["rawId"] = websafe_encode(taken)
    assert browser.post(ADD, {"name": "Stolen", "credential": json.dumps(answer)}).status_code == 422
    assert Passkey.objects.get().user_id == cast.owner.id


@pytest.mark.parametrize(
    "sent",
    ["", "x", "[]", "null", "1", '"text"', "{}", '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {}}',
     '{"id": 1, "rawId": [], "response": {"clientDataJSON": "e30"}}', "[" * 5000, "{" * 5000, "\x00", "ÿ" * 40],
)  # fmt: skip
def test_what_is_no_answer_of_a_browser_is_refused(cast: Cast, sent: str):
    browser = signed_in(Client(), cast.owner)
    browser.post(NEW)
    assert browser.post(ADD, {"name": "Laptop", "credential": sent}).status_code == 422
    stranger = Client()
    stranger.post(CHALLENGE)
    assert stranger.post(LOGIN, {"credential": sent}).status_code == 422
    assert not Passkey.objects.exists()


@pytest.mark.parametrize("part", ["clientDataJSON", "authenticatorData", "signature"])
def test_a_changed_answer_is_refused(cast: Cast, owned: Callable[..., PasskeyDevice], part: str):
    device, browser = owned(cast.owner), Client()
    answer = device.get(browser.post(CHALLENGE).json())
    for text in (answer["response"][part][:-6], answer["response"][part][:-6] + "AAAAAA", "AAAA", "%%%", ""):
        changed = json.loads(json.dumps(answer))
        changed["response"][part] = text
        browser.post(CHALLENGE)
        assert browser.post(LOGIN, {"credential": json.dumps(changed)}).status_code == 422
    assert browser.get("/profile/").status_code == 302


def test_a_passkey_is_removed_by_its_owner_alone(cast: Cast, owned: Callable[..., PasskeyDevice], mailoutbox: list):
    device = owned(cast.owner)
    row = Passkey.objects.get()
    path = f"/profile/security/passkeys/{row.public_id}/remove/"
    assert signed_in(Client(), cast.admin).post(path).status_code == 404
    assert Passkey.objects.exists()
    browser = signed_in(Client(), cast.owner)
    assert browser.post(path)["Location"].startswith(FACTOR), "removed by whoever has the password alone"
    assert Passkey.objects.exists()
    browser = signed_in(Client(), cast.owner, second_factor=SecondFactor.PASSKEY)
    assert browser.get(path).status_code == 200
    assert browser.post(path).status_code == 302
    assert not Passkey.objects.exists()
    assert not cast.owner.recovery_codes.exists()
    assert events("user.second_factor_removed") == [{"factor": "passkey", "name": "Laptop"}]
    assert sign_in(Client(), device).status_code == 422


def test_there_are_at_most_twenty(cast: Cast):
    Passkey.objects.bulk_create(
        Passkey(user=cast.owner, name=str(n), credential_id=bytes([n]), public_key=b"") for n in range(passkeys.MOST)
    )
    browser = signed_in(Client(), cast.owner, second_factor=SecondFactor.TOTP)
    assert browser.post(NEW).status_code == 409


@pytest.mark.parametrize(
    ("url", "party"),
    [
        ("https://tenantry.example", ("tenantry.example", "https://tenantry.example")),
        ("https://tenantry.example:443", ("tenantry.example", "https://tenantry.example")),
        ("https://tenantry.example:8443", ("tenantry.example", "https://tenantry.example:8443")),
        ("http://127.0.0.1:8000", ("localhost", "http://localhost:8000")),
        ("http://[::1]:8000", ("localhost", "http://localhost:8000")),
        ("http://localhost:8000", ("localhost", "http://localhost:8000")),
        ("https://192.0.2.7", None),
    ],
)
def test_whose_passkeys_they_are_follows_from_the_address_of_the_installation(settings: Any, url: str, party: Any):
    settings.TENANTRY_URL = url
    found = passkeys.relying_party()
    assert (found and (found.id, found.origin)) == party


def test_where_there_can_be_no_passkeys_pages_say_so(cast: Cast, settings: Any):
    settings.TENANTRY_URL = "https://192.0.2.7"
    browser = signed_in(Client(), cast.owner)
    for path in (ADD, "/profile/security/"):
        assert "No passkeys here" in browser.get(path).content.decode()
    assert "No passkeys here" in Client().get(LOGIN).content.decode()
    assert browser.post(NEW).status_code == 409
    assert Client().post(CHALLENGE).status_code == 409


def test_passkeys_need_a_recent_proof(cast: Cast):
    browser = signed_in(Client(), cast.owner)
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        for answer in (browser.get(ADD), browser.post(NEW), browser.post(ADD, {"name": "Laptop"})):
            assert answer.status_code in (302, 403)  # led to confirm, or told to
    assert not Passkey.objects.exists()
