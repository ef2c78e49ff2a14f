"""Device authorization (RFC 8628): a command line asks, a person answers in a browser, the command line signs in."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.models import TokenSession
from orgs.models import EmailDomain, SignInPolicy, User
from orgs.services.users import disable_user
from sso.codes import ALPHABET, digest_of_code
from sso.models import DeviceAuthorization
from sso.tidying import tidy
from tests.at_once import at_once
from tests.browsers import signed_in
from tests.cast import Cast
from tests.conftest import JSONClient

BEGIN, TOKEN, PAGE = "/api/v1/auth/device", "/api/v1/auth/device/token", "/device/"


def begun(name: str = "acme CLI on build-7") -> dict[str, Any]:
    answer = JSONClient().post(BEGIN, {"client_name": name}, HTTP_USER_AGENT="acme-cli/3.1")
    assert answer.status_code == 200, answer.content
    return answer.json()


def ask(device: dict[str, Any]) -> Any:
    return JSONClient().post(TOKEN, {"device_code": device["device_code"]})


def error_of(answer: Any) -> str:
    assert answer.status_code == 400, answer.content
    body = answer.json()
    assert body["error"] == body["code"]
    return body["error"]


def decide(browser: Client, device: dict[str, Any], decision: str, organization: str = "all") -> Any:
    form = {"user_code": device["user_code"], "decision": decision, "organization": organization}
    return browser.post(PAGE, form)


def status_of(device: dict[str, Any]) -> str:
    digest = hashlib.sha256(device["device_code"].encode()).digest()
    return DeviceAuthorization.objects.get(device_digest=digest).status


def test_what_a_command_line_gets_to_show_and_to_keep(cast: Cast):
    device = begun()
    assert set(device["user_code"]) <= set(ALPHABET) | {"-"}
    assert len(device["user_code"]) == 9
    assert device["verification_uri"] == "http://127.0.0.1:8000/device/"
    assert device["verification_uri_complete"] == f"http://127.0.0.1:8000/device/?user_code={device['user_code']}"
    assert (device["expires_in"], device["interval"]) == (600, 5)
    row = DeviceAuthorization.objects.get()
    kept = {bytes(row.device_digest), bytes(row.user_digest)}
    assert kept == {
        hashlib.sha256(device["device_code"].encode()).digest(),
        digest_of_code(device["user_code"], purpose="device"),
    }


def test_a_yes_in_the_browser_signs_the_command_line_in(cast: Cast, browse: Any):
    device, browser = begun(), browse(cast.developer)
    assert error_of(ask(device)) == "authorization_pending"
    page = browser.get(device["verification_uri_complete"].removeprefix("http://127.0.0.1:8000")).content.decode()
    for words in ("acme CLI on build-7", "acme-cli/3.1", "127.0.0.1", device["user_code"], "Only if you started it"):
        assert words in page
    assert error_of(ask(device)) in ("authorization_pending", "slow_down")
    assert "is let in" in decide(browser, device, "approve").content.decode()
    tokens = ask(device).json()
    assert set(tokens) == {"access_token", "refresh_token", "expires_in", "token_type"}
    me = JSONClient(tokens["access_token"]).get("/api/v1/whoami").json()
    assert me["user"]["email"] == cast.developer.email
    session = TokenSession.objects.get()
    assert (session.method, session.organization_id, session.user_id) == ("password", None, cast.developer.id)
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.get(event="device.approved")
    assert event.data == {"client": "acme CLI on build-7", "organization": "all"}
    assert error_of(ask(device)) == "invalid_grant"
    assert TokenSession.objects.count() == 1


@pytest.mark.parametrize(
    "spelling", [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:2]} {code[2:]}"]
)
def test_the_code_is_found_however_it_is_spelt(cast: Cast, browse: Any, spelling: Any):
    device = begun()
    page = browse(cast.owner).post(PAGE, {"user_code": spelling(device["user_code"])})
    assert page.status_code == 200
    assert "acme CLI on build-7" in page.content.decode()


def test_a_session_for_one_organization_works_in_it_alone(cast: Cast, browse: Any):
    device = begun()
    decide(browse(cast.owner), device, "approve", cast.acme.public_id)
    client = JSONClient(ask(device).json()["access_token"])
    assert client.get("/api/v1/orgs/acme").status_code == 200
    assert TokenSession.objects.get().organization_id == cast.acme.id


def test_nobody_names_an_organization_of_others(cast: Cast, browse: Any):
    device = begun()
    assert decide(browse(cast.owner), device, "approve", cast.globex.public_id).status_code == 422
    assert status_of(device) == "pending"


def test_a_no_is_told_to_the_command_line_for_good(cast: Cast, browse: Any):
    device, browser = begun(), browse(cast.owner)
    assert "was not let in" in decide(browser, device, "deny").content.decode()
    assert error_of(ask(device)) == "access_denied"
    assert decide(browser, device, "approve").status_code == 422
    assert error_of(ask(device)) == "access_denied"
    assert TokenSession.objects.count() == 0


def test_who_asks_too_fast_must_wait_longer_each_time(cast: Cast):
    device = begun()
    with time_machine.travel(timezone.now(), tick=False) as now:
        assert error_of(ask(device)) == "authorization_pending"
        now.shift(1)
        assert error_of(ask(device)) == "slow_down"
        now.shift(6)
        assert error_of(ask(device)) == "slow_down", "the interval was five seconds still"
        now.shift(16)
        assert error_of(ask(device)) == "authorization_pending"


@pytest.mark.parametrize("when", ["before the answer", "after it"])
def test_both_codes_end_after_ten_minutes(cast: Cast, browse: Any, when: str):
    device = begun()
    if when == "after it":
        decide(browse(cast.owner), device, "approve")
    DeviceAuthorization.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert error_of(ask(device)) == "expired_token"
    assert decide(browse(cast.owner), device, "approve").status_code == 422
    assert TokenSession.objects.count() == 0


@pytest.mark.parametrize("code", ["dvc_" + "x" * 43, "pat_" + "0" * 32, "nothing"])
def test_unknown_device_codes_are_no_grant(cast: Cast, code: str):
    assert error_of(JSONClient().post(TOKEN, {"device_code": code})) == "invalid_grant"


def test_strangers_are_asked_to_sign_in_and_come_back_to_the_code(cast: Cast):
    device = begun()
    answer = Client().get(f"{PAGE}?user_code={device['user_code']}")
    assert answer["Location"] == f"/login/?next=/device/%3Fuser_code%3D{device['user_code']}"
    assert Client().post(PAGE, {"user_code": device["user_code"], "decision": "approve"}).status_code == 302
    assert status_of(device) == "pending"


def test_an_old_proof_is_asked_for_anew_before_anything_is_shown(cast: Cast):
    device = begun()
    with time_machine.travel(timezone.now() - timedelta(minutes=20)):
        browser = signed_in(Client(), cast.owner)
    for answer in (browser.get(f"{PAGE}?user_code={device['user_code']}"), decide(browser, device, "approve")):
        assert answer.status_code in (302, 403)
        assert b"acme CLI" not in answer.content
    assert status_of(device) == "pending"


@pytest.mark.parametrize("decision", ["", "approve", "deny"])
def test_guessing_codes_is_slowed_down(cast: Cast, browse: Any, decision: str):
    device, browser = begun(), browse(cast.viewer)
    with time_machine.travel(timezone.now(), tick=False):  # on a busy machine the first wait, a second, is soon over
        answers = [decide(browser, {"user_code": "BCDF-GHJK"}, decision).status_code for _ in range(12)]
        assert answers == [422] * (settings.TENANTRY_FREE_TRIES + 1) + [429] * (11 - settings.TENANTRY_FREE_TRIES)
        assert decide(browser, device, decision).status_code == 429
    assert status_of(device) == "pending"


def test_a_disabled_person_gets_nothing_for_a_yes_of_before(cast: Cast, browse: Any):
    device = begun()
    decide(browse(cast.owner), device, "approve")
    disable_user(actor=cast.staff_principal(), user=cast.owner, reason="left")
    assert error_of(ask(device)) == "access_denied"
    assert TokenSession.objects.count() == 0


def enforced(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", status="proven", token="t")
        SignInPolicy.objects.update_or_create(
            defaults={
                "enforcement": "required", "required_from": "2026-01-01T00:00:00Z",
                "confirmed_at": "2026-01-01T00:00:00Z",
            }
        )  # fmt: skip


def test_enforcement_between_the_yes_and_the_tokens_counts(cast: Cast, browse: Any):
    device = begun()
    decide(browse(cast.owner), device, "approve")
    enforced(cast)
    assert error_of(ask(device)) == "access_denied"
    assert TokenSession.objects.count() == 0


def test_whoever_came_in_by_another_way_approves_nothing_under_enforcement(cast: Cast, browse: Any):
    device, browser = begun(), browse(cast.owner)
    enforced(cast)
    answer = decide(browser, device, "approve")
    assert answer.status_code in (302, 403)
    assert status_of(device) == "pending"


def test_a_session_by_single_sign_on_is_one_of_that_organization(cast: Cast):
    enforced(cast)
    device = begun()
    browser = signed_in(Client(), cast.owner, method=Method.SSO, organization_id=cast.acme.id)
    assert "is let in" in decide(browser, device, "approve").content.decode()
    assert ask(device).status_code == 200
    session = TokenSession.objects.get()
    assert (session.method, session.sso_organization_id) == ("sso", cast.acme.id)


def test_of_several_who_redeem_at_once_one_gets_tokens(committed_cast: Cast):
    device = begun()
    decide(signed_in(Client(), committed_cast.owner), device, "approve")
    answers = at_once([lambda: ask(device) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    assert TokenSession.objects.count() == 1


def test_of_a_yes_and_a_no_at_once_one_counts(committed_cast: Cast):
    device = begun()
    owner, admin = (User.objects.get(id=user.id) for user in (committed_cast.owner, committed_cast.admin))
    yes, no = signed_in(Client(), owner), signed_in(Client(), admin)
    answers = at_once([lambda: decide(yes, device, "approve"), lambda: decide(no, device, "deny")])
    assert sorted(answer.status_code for answer in answers) == [200, 422]
    assert status_of(device) == ("approved" if answers[0].status_code == 200 else "denied")


def test_what_ended_yesterday_is_forgotten(cast: Cast):
    old, fresh = begun(), begun()
    digest = hashlib.sha256(old["device_code"].encode()).digest()
    DeviceAuthorization.objects.filter(device_digest=digest).update(expires_at=timezone.now() - timedelta(days=2))
    tidy()
    assert error_of(ask(old)) == "invalid_grant"
    assert error_of(ask(fresh)) == "authorization_pending"
    assert DeviceAuthorization.objects.count() == 1


def test_beginning_is_limited_for_each_address(cast: Cast):
    answers = [JSONClient().post(BEGIN, {"client_name": "x"}).status_code for _ in range(32)]
    assert answers[:30] == [200] * 30
    assert answers[-1] == 429
