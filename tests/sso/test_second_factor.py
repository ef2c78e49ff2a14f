"""The second factor while signing in, and the page where people set theirs up."""

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import EmailAddress, EmailConfirmationHMAC, Login
from allauth.core.context import request_context
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs import mail, tasks
from orgs.models import Passkey, RecoveryCode, SignInPolicy, TOTPDevice, User
from orgs.services.browser_sessions import sign_in_of
from orgs.services.factor_notices import Notice
from orgs.services.recovery_codes import make_recovery_codes, use_recovery_code
from orgs.services.second_factor import new_device, reset_second_factor, seed_of
from orgs.services.users import disable_user, reset_password
from orgs.sessions import SessionStore
from sso.adapter import METHODS
from sso.mail import mail_sign_in
from sso.services import mailed_sign_ins
from tests.at_once import at_once
from tests.authenticators import code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast

PAGE = "/login/second-factor/"
SECURITY = "/profile/security/"
SET_UP = f"{SECURITY}authenticator/"
CODES = f"{SECURITY}recovery-codes/"


def events(name: str, result: str = "done") -> list[dict[str, Any]]:
    with tenant_scope(INSTALLATION_ID):
        return list(AuditEvent.objects.filter(event=name, result=result).order_by("id").values_list("data", flat=True))


def by_password(user: User, *, path: str = "/login/") -> tuple[Client, Any]:
    browser = Client()
    return browser, browser.post(path, {"login": user.email, "password": PASSWORD})


def codes_of(cast: Cast, user: User) -> list[str]:
    return make_recovery_codes(actor=cast.principal(user), user=user)


def codes_in(answer: Any) -> list[str]:
    return re.findall(r"<li><code>([^<]+)</code>", answer.content.decode())


def no_wait() -> None:
    """As if the person had waited after a wrong code."""
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    cache.clear()


def ask(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.update_or_create(defaults={"require_second_factor": True}, org_id=cast.acme.id)


def test_the_password_alone_opens_nothing_for_whoever_has_a_second_factor(cast: Cast):
    device = new_device(user=cast.owner, confirmed=True)
    browser, answer = by_password(cast.owner, path="/login/?next=/orgs/acme/members/")
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    for path in ("/", "/profile/", SECURITY, "/orgs/acme/", "/confirm/", "/email/", "/password/change/", "/admin/"):
        opened = browser.get(path)
        assert opened.status_code == 302, path
        assert opened["Location"].startswith(("/login/", PAGE)), path
    assert browser.post(f"{SECURITY}passkeys/challenge/").status_code == 302
    assert not events("user.signed_in")
    assert browser.get(PAGE).status_code == 200
    code = code_of(device)
    done = browser.post(PAGE, {"code": f" {code[:3]} {code[3:]}"})
    assert (done.status_code, done["Location"]) == (302, "/orgs/acme/members/")
    found = sign_in_of(browser.session)
    assert (found.method, found.second_factor) == (Method.PASSWORD, SecondFactor.TOTP)
    assert events("user.signed_in") == [{"method": "password", "second_factor": "totp"}]
    assert browser.get(PAGE)["Location"] == "/"


def test_whoever_has_none_is_not_asked(cast: Cast):
    new_device(user=cast.owner, confirmed=False)
    _, answer = by_password(cast.owner)
    assert answer["Location"] == "/"


def test_a_mailed_code_is_no_second_factor(cast: Cast, mailoutbox: list):
    new_device(user=cast.owner, confirmed=True)
    browser = Client()
    browser.post("/login/mail/", {"login": cast.owner.email})
    secret = browser.session["mailed_sign_in"]["secret"]
    mail_sign_in(cast.owner.email, mailed_sign_ins.digest_of_request(secret), "/")
    link = re.search(r"/login/link/[^/\s]+/", mailoutbox[-1].body)
    assert link
    answer = browser.post(link[0])
    assert answer.status_code == 302
    assert browser.get("/profile/").status_code == 302
    assert browser.get(PAGE).status_code == 200


def test_a_sign_in_that_waited_for_the_address_to_be_proven_waits_here_too(cast: Cast, mailoutbox: list):
    device = new_device(user=cast.owner, confirmed=True)
    EmailAddress.objects.filter(user=cast.owner).update(verified=False)
    browser, _ = by_password(cast.owner)
    assert browser.get(PAGE)["Location"].startswith("/login/")
    key = EmailConfirmationHMAC(EmailAddress.objects.get(user=cast.owner)).key
    answer = browser.post(f"/confirm-email/{key}/", follow=True)
    assert answer.status_code == 200
    assert browser.get("/profile/").status_code == 302, "in without the second factor"
    assert browser.post(PAGE, {"code": code_of(device)}).status_code == 302
    assert browser.get("/profile/").status_code == 200


def test_a_recovery_code_works_once_in_any_writing_and_is_told_by_mail(cast: Cast, mailoutbox: list):
    new_device(user=cast.owner, confirmed=True)
    codes = codes_of(cast, cast.owner)
    assert len(set(codes)) == 10
    assert all(re.fullmatch(r"(?:[0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", code) for code in codes)
    browser, _ = by_password(cast.owner)
    written = codes[0].upper().replace("-", " ").replace("0", "o").replace("1", "l")
    assert browser.post(PAGE, {"code": written}).status_code == 302
    assert sign_in_of(browser.session).second_factor == SecondFactor.RECOVERY_CODE
    assert events("user.recovery_code_used") == [{"left": 9}]
    other, _ = by_password(cast.owner)
    assert other.post(PAGE, {"code": codes[0]}).status_code == 422
    assert other.get("/profile/").status_code == 302
    assert "9 of 10" in browser.get(SECURITY).content.decode()
    assert RecoveryCode.objects.filter(used_at=None).count() == 9


def test_somebody_elses_code_is_refused_and_stays_good(cast: Cast):
    new_device(user=cast.owner, confirmed=True)
    foreign = new_device(user=cast.admin, confirmed=True)
    codes_of(cast, cast.owner)
    theirs = codes_of(cast, cast.admin)
    browser, _ = by_password(cast.owner)
    for code in (code_of(foreign), theirs[0]):
        assert browser.post(PAGE, {"code": code}).status_code == 422
        no_wait()
    assert browser.get("/profile/").status_code == 302
    assert use_recovery_code(user=cast.admin, code=theirs[0])
    assert [data["method"] for data in events("user.sign_in_failed", "refused")] == ["totp", "recovery_code"]


def test_a_code_is_good_in_one_browser_and_wrong_ones_make_wait(cast: Cast, clock: time_machine.Traveller):
    device = new_device(user=cast.owner, confirmed=True)
    first, _ = by_password(cast.owner)
    second, _ = by_password(cast.owner)
    code = code_of(device)
    assert first.post(PAGE, {"code": code}).status_code == 302
    assert second.post(PAGE, {"code": code}).status_code == 422, "used twice"
    assert second.post(PAGE, {"code": code_of(device, steps=1)}).status_code == 422, "did not wait"
    no_wait()
    assert second.post(PAGE, {"code": code_of(device, steps=1)}).status_code == 302


def test_guessing_codes_is_slowed_down_for_good(cast: Cast, clock: time_machine.Traveller):
    device = new_device(user=cast.owner, confirmed=True)
    codes_of(cast, cast.owner)
    browser, _ = by_password(cast.owner)
    statuses = []
    for _ in range(12):
        TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        statuses.append(browser.post(PAGE, {"code": "0000-0000-0000-0000"}).status_code)
    assert 429 in statuses
    assert browser.post(PAGE, {"code": code_of(device)}).status_code == 429
    assert browser.get("/profile/").status_code == 302


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "123\x00456", "-12345", "x" * 41])
def test_what_is_no_code_is_refused(cast: Cast, code: str):
    new_device(user=cast.owner, confirmed=True)
    codes_of(cast, cast.owner)
    browser, _ = by_password(cast.owner)
    assert browser.post(PAGE, {"code": code}).status_code == 422
    assert browser.get("/profile/").status_code == 302
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_a_sign_in_that_waits_ends_with_its_first_proof(cast: Cast):
    device = new_device(user=cast.viewer, confirmed=True)
    changed, _ = by_password(cast.viewer)
    reset_password(actor=SYSTEM, user=cast.viewer)
    assert changed.post(PAGE, {"code": code_of(device)})["Location"].startswith("/login/"), "an old password"
    assert changed.get("/profile/").status_code == 302
    device = new_device(user=cast.developer, confirmed=True)
    disabled, _ = by_password(cast.developer)
    disable_user(actor=SYSTEM, user=cast.developer, reason="left")
    assert disabled.post(PAGE, {"code": code_of(device)})["Location"].startswith("/login/"), "somebody disabled"
    late, _ = by_password(cast.owner)
    device = new_device(user=cast.owner, confirmed=True)
    late, _ = by_password(cast.owner)
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert late.post(PAGE, {"code": code_of(device)})["Location"].startswith("/login/"), "too late"
    assert late.get("/profile/").status_code == 302


def test_a_sign_in_can_be_cancelled(cast: Cast):
    new_device(user=cast.owner, confirmed=True)
    browser, _ = by_password(cast.owner)
    assert browser.post(PAGE, {"cancel": "yes"})["Location"] == "/login/"
    assert browser.get(PAGE)["Location"].startswith("/login/?next=")


def test_nobody_gives_a_second_factor_without_a_first(cast: Cast):
    new_device(user=cast.owner, confirmed=True)
    browser = Client()
    assert browser.get(PAGE)["Location"].startswith("/login/")
    assert browser.post(PAGE, {"code": "123456"})["Location"].startswith("/login/")
    assert browser.post(f"{PAGE}challenge/").status_code == 302


@pytest.mark.parametrize(("name", "method"), METHODS.items())
def test_every_way_in_is_asked_but_those_that_asked_by_themselves(
    cast: Cast, rf: Any, name: str, method: Method
):  # fmt: skip
    asked_already = (Method.PASSKEY, Method.SSO, Method.BREAK_GLASS, Method.DEVELOPMENT)
    new_device(user=cast.owner, confirmed=True)
    request = rf.get("/login/")
    request.session, request.user = SessionStore(), AnonymousUser()
    request._messages = FallbackStorage(request)
    with request_context(request):
        record_authentication(request, cast.owner, method=name)
        answer = perform_login(request, Login(user=cast.owner, redirect_url="/orgs/acme/"))
    assert answer["Location"] == ("/orgs/acme/" if method in asked_already else PAGE)
    assert (sign_in_of(request.session) is not None) == (method in asked_already)


# -- the page of security


def test_an_authenticator_is_set_up_with_recovery_codes_shown_once(cast: Cast, mailoutbox: list):
    browser = signed_in(Client(), cast.owner)
    assert "No authenticator yet" in browser.get(SECURITY).content.decode()
    page = browser.get(SET_UP)
    assert "data:image/svg+xml" in page.content.decode()
    device = TOTPDevice.objects.get(user=cast.owner)
    made = browser.post(SET_UP, {"code": code_of(device)})
    codes = codes_in(made)
    assert (made.status_code, len(codes)) == (200, 10)
    assert "no-store" in made["Cache-Control"]
    assert sign_in_of(browser.session).second_factor == SecondFactor.TOTP
    for path in (SECURITY, CODES, SET_UP, PAGE):
        text = browser.get(path).content.decode()
        assert not [code for code in codes if code in text], path
    assert use_recovery_code(user=cast.owner, code=codes[3])
    assert events("user.second_factor_added") == [{"factor": "totp", "replaced": False}]
    assert events("user.recovery_codes_made") == [{"count": 10}]


def test_a_secret_that_another_session_showed_is_never_set_up(cast: Cast):
    thief, browser = signed_in(Client(), cast.owner), signed_in(Client(), cast.owner)
    thief.get(SET_UP)
    seen = TOTPDevice.objects.get(user=cast.owner)
    assert browser.get(SET_UP).content != thief.get(SET_UP).content
    browser.get(SET_UP)
    device = TOTPDevice.objects.get(user=cast.owner)
    assert seed_of(device) != seed_of(seen)
    assert browser.post(SET_UP, {"code": code_of(seen)}).status_code == 422
    device = TOTPDevice.objects.get(user=cast.owner)
    no_wait()
    assert browser.post(SET_UP, {"code": code_of(device)}).status_code == 200
    assert seed_of(TOTPDevice.objects.get(user=cast.owner)) != seed_of(seen)


def test_an_authenticator_is_replaced_by_whoever_gave_it(cast: Cast):
    old = new_device(user=cast.owner, confirmed=True)
    browser = signed_in(Client(), cast.owner)
    assert browser.get(SET_UP)["Location"] == f"{PAGE}?next=%2Fprofile%2Fsecurity%2Fauthenticator%2F"
    assert browser.post(PAGE, {"code": code_of(old)}).status_code == 302
    assert events("user.second_factor_given") == [{"factor": "totp"}]
    codes_of(cast, cast.owner)
    browser.get(SET_UP)
    new = TOTPDevice.objects.get(user=cast.owner, confirmed=False)
    assert browser.post(SET_UP, {"code": code_of(old, steps=1)}).status_code == 422
    assert TOTPDevice.objects.get(user=cast.owner, confirmed=True).id == old.id
    no_wait()
    answer = browser.post(SET_UP, {"code": code_of(new)})
    assert (answer.status_code, answer["Location"]) == (302, SECURITY)
    assert TOTPDevice.objects.get(user=cast.owner).id == new.id
    assert events("user.second_factor_added") == [{"factor": "totp", "replaced": True}]


def test_new_recovery_codes_end_the_earlier_ones_and_are_made_once(cast: Cast):
    browser = signed_in(Client(), cast.owner, second_factor=SecondFactor.TOTP)
    assert "Nothing to stand in for yet" in browser.get(CODES).content.decode()
    assert browser.post(CODES, {"once": "x"}).status_code in (400, 409)
    assert not RecoveryCode.objects.exists()
    new_device(user=cast.owner, confirmed=True)
    before = codes_of(cast, cast.owner)
    once = re.search(r'name="once" value="([^"]+)"', browser.get(CODES).content.decode())
    assert once
    made = browser.post(CODES, {"once": once[1]})
    assert len(codes_in(made)) == 10
    assert not use_recovery_code(user=cast.owner, code=before[0])
    again = browser.post(CODES, {"once": once[1]})
    assert again.status_code == 409
    assert not codes_in(again)
    assert use_recovery_code(user=cast.owner, code=codes_in(made)[0])


def test_the_last_factor_stays_while_an_organization_asks_for_one(cast: Cast):
    new_device(user=cast.owner, confirmed=True)
    codes_of(cast, cast.owner)
    ask(cast)
    browser = signed_in(Client(), cast.owner, second_factor=SecondFactor.TOTP)
    refused = browser.post(f"{SET_UP}remove/")
    assert refused.status_code == 409
    assert "Acme asks for a second factor" in refused.content.decode()
    assert TOTPDevice.objects.filter(confirmed=True).exists()
    assert RecoveryCode.objects.count() == 10
    Passkey.objects.create(user=cast.owner, name="Laptop", credential_id=b"1", public_key=b"")
    assert browser.post(f"{SET_UP}remove/").status_code == 302
    assert RecoveryCode.objects.count() == 10, "they stand in for the passkey, too"
    passkey = Passkey.objects.get()
    assert browser.post(f"{SECURITY}passkeys/{passkey.public_id}/remove/").status_code == 409
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.update(require_second_factor=False)
    assert browser.post(f"{SECURITY}passkeys/{passkey.public_id}/remove/").status_code == 302
    assert not RecoveryCode.objects.exists()


def test_staff_keep_their_last_factor(cast: Cast):
    new_device(user=cast.staff, confirmed=True)
    browser = signed_in(Client(), cast.staff, second_factor=SecondFactor.TOTP)
    refused = browser.post(f"{SET_UP}remove/")
    assert refused.status_code == 409
    assert "Django admin asks for a second factor" in refused.content.decode()
    assert TOTPDevice.objects.exists()


def test_a_reset_takes_everything_and_ends_the_sessions(cast: Cast):
    new_device(user=cast.owner, confirmed=True)
    codes_of(cast, cast.owner)
    Passkey.objects.create(user=cast.owner, name="Laptop", credential_id=b"1", public_key=b"")
    new_device(user=cast.admin, confirmed=True)
    browser = signed_in(Client(), cast.owner, second_factor=SecondFactor.TOTP)
    assert reset_second_factor(actor=SYSTEM, user=cast.owner) == 2
    assert browser.get("/profile/").status_code == 302
    assert not Passkey.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert TOTPDevice.objects.get().user_id == cast.admin.id


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_the_page_of_security_is_everybodys_own(cast: Cast, role: str):
    browser = signed_in(Client(), cast.member(role))
    assert browser.get(SECURITY).status_code == 200
    assert browser.get(SET_UP).status_code == 200
    assert TOTPDevice.objects.get().user_id == cast.member(role).id
    assert Client().get(SECURITY)["Location"].startswith("/login/")


@pytest.mark.parametrize(
    ("notice", "detail", "words"),
    [
        ("authenticator_added", "", "An authenticator now guards your account."),
        ("passkey_added", "My <Laptop>", "The passkey My <Laptop> was added"),
        ("code_used", "3", "Few recovery codes are left"),
        ("code_used", "4", "Unused: 4."),
        ("factors_reset", "", "An operator removed your second factors."),
    ],
)
def test_every_change_is_mailed(cast: Cast, mailoutbox: list, notice: str, detail: str, words: str):
    now = timezone.now()
    sent = tasks.mail_factor_notice(str(cast.owner.id), f"{notice} {detail}", now.isoformat(), "192.0.2.7", "Firefox")
    assert sent == "sent"
    assert mailoutbox[0].to == [cast.owner.email]
    assert words in mailoutbox[0].body
    assert "192.0.2.7" in mailoutbox[0].body
    assert ("Few recovery codes" in mailoutbox[0].body) == (detail == "3")
    html = mailoutbox[0].alternatives[0][0]
    assert "<Laptop>" not in html
    assert SECURITY in html


def test_every_notice_has_its_words():
    assert set(mail.FACTOR_WORDS) == {notice.value for notice in Notice}


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_uses_a_recovery_code(committed_cast: Cast):
    owner = committed_cast.owner
    code = make_recovery_codes(actor=committed_cast.principal(owner), user=owner)[0]
    assert sorted(at_once([partial(use_recovery_code, user=owner, code=code)] * 4)) == [False, False, False, True]
    assert events("user.recovery_code_used") == [{"left": 9}]
