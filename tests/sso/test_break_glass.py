"""Break-glass codes: made by owners, used once, with everything else that belongs to them; and `sso_disable`."""

import io
import re
from functools import partial
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client

from audit.models import AuditEvent
from config.kernel.errors import AuthFailure
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import BreakGlassCode, Membership, SignInPolicy, TOTPDevice, User
from orgs.services import break_glass
from orgs.services.browser_sessions import sign_in_of
from orgs.services.recovery_codes import make_recovery_codes
from orgs.services.second_factor import new_device
from tests.at_once import at_once
from tests.authenticators import code_of
from tests.browsers import saved
from tests.cast import PASSWORD, Cast
from tests.sso.enforcing import by_sso, connect, enforce
from tests.texts import without_what_varies

PAGE = "/sso/break-glass/"
CODES = "/orgs/acme/sign-in/policy/break-glass/"


@pytest.fixture
def held(cast: Cast) -> tuple[TOTPDevice, list[str]]:
    """Acme requires single sign-on; the owner's authenticator and codes."""
    return hold(cast)


def hold(cast: Cast) -> tuple[TOTPDevice, list[str]]:
    connect(cast.acme)
    device = new_device(user=cast.owner, confirmed=True)
    with tenant_scope(cast.acme.id):
        codes = break_glass.make_codes(actor=cast.principal(cast.owner))
    enforce(cast.acme)
    return device, codes


def form(cast: Cast, device: TOTPDevice, with_code: str, **changes: str) -> dict[str, str]:
    return {
        "email": cast.owner.email, "password": PASSWORD, "second_factor": code_of(device), "code": with_code, **changes
    }  # fmt: skip


def no_wait() -> None:
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None, last_t=-1)
    cache.clear()


def test_all_four_let_an_owner_in_and_all_owners_are_told(cast: Cast, held: Any, delivering: Any, mailoutbox: list):
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.admin).update(role="owner")
    device, codes = held
    browser = Client()
    with delivering():
        answer = browser.post(PAGE, form(cast, device, codes[0].upper()))
    assert answer.status_code == 302, answer.content.decode()
    sign_in = sign_in_of(browser.session)
    assert (sign_in.method, sign_in.organization_id) == (Method.BREAK_GLASS, cast.acme.id)
    assert browser.get("/orgs/acme/sign-in/policy/").status_code == 200
    told = {mail.to[0] for mail in mailoutbox if "break-glass" in mail.subject}
    assert told == {cast.owner.email, cast.admin.email}
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.get(event="break_glass.used").data == {"left": 9}
    off = {"enforcement": "off", "guests": "second_factor", "session_hours": "24"}
    assert saved(browser, "/orgs/acme/sign-in/policy/", off).status_code == 302
    with tenant_scope(cast.acme.id):
        assert SignInPolicy.objects.get().enforcement == "off"


def test_a_recovery_code_stands_in_for_a_lost_authenticator(cast: Cast, held: Any):
    device, codes = held
    recovery = make_recovery_codes(actor=cast.principal(cast.owner), user=cast.owner)[0]
    assert Client().post(PAGE, form(cast, device, codes[0], second_factor=recovery)).status_code == 302


def test_a_code_opens_nothing_twice(cast: Cast, held: Any):
    device, codes = held
    assert Client().post(PAGE, form(cast, device, codes[0])).status_code == 302
    no_wait()
    browser = Client()
    assert browser.post(PAGE, form(cast, device, codes[0])).status_code == 401
    assert browser.get("/profile/").status_code == 302
    no_wait()
    assert Client().post(PAGE, form(cast, device, codes[1])).status_code == 302


def test_whatever_is_wrong_the_answer_is_the_same_and_it_is_written_down(cast: Cast, held: Any):
    device, codes = held
    pages = []
    for changes in (
        {"password": "wrong"},
        {"second_factor": "000000"},
        {"code": "0000-0000-0000-0000-0000"},
        {"email": cast.admin.email},
        {"email": "nobody@acme.example"},
    ):
        browser = Client()
        answer = browser.post(PAGE, form(cast, device, codes[0], **changes))
        text = re.sub(r'value="[^"]*"', "", answer.content.decode())
        pages.append((answer.status_code, without_what_varies(text)))
        assert browser.get("/profile/").status_code == 302
        no_wait()
    assert pages[0][0] == 401
    assert all(page == pages[0] for page in pages)
    with tenant_scope(cast.acme.id):
        assert BreakGlassCode.objects.filter(used_at=None).count() == 10
        assert AuditEvent.objects.filter(event="break_glass.refused", result="refused").count() == 3
    with tenant_scope(INSTALLATION_ID):
        assert AuditEvent.objects.filter(event="user.sign_in_failed", data__method="break_glass").count() == 5


def test_guessing_is_slowed_down(cast: Cast, held: Any, clock: time_machine.Traveller):
    device, codes = held
    answers = [Client().post(PAGE, form(cast, device, codes[0], code=f"{n:020}")).status_code for n in range(12)]
    assert answers[0] == 401
    assert answers[-1] == 429
    assert Client().post(PAGE, form(cast, device, codes[0])).status_code == 429


def no_owner(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.admin).update(role="owner")
        Membership.objects.filter(user=cast.owner).update(role="admin")


def disabled(cast: Cast) -> None:
    User.objects.filter(id=cast.owner.id).update(is_active=False)


def organization_disabled(cast: Cast) -> None:
    type(cast.acme).objects.filter(id=cast.acme.id).update(status="disabled")


def withdrawn(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        assert break_glass.withdraw_codes(actor=cast.principal(cast.admin), user_id=cast.owner.id) == 10


@pytest.mark.parametrize("change", [no_owner, disabled, organization_disabled, withdrawn])
def test_codes_stop_with_what_they_rest_on(cast: Cast, held: Any, change: Any):
    device, codes = held
    change(cast)
    assert Client().post(PAGE, form(cast, device, codes[0])).status_code == 401
    with tenant_scope(cast.acme.id):
        assert not BreakGlassCode.objects.exclude(used_at=None).exists()


def test_two_at_the_same_moment_use_a_code_once(committed_cast: Cast):
    cast = committed_cast
    _, codes = hold(cast)
    recovery = make_recovery_codes(actor=cast.principal(cast.owner), user=cast.owner)

    def use(factor: str) -> bool:
        try:
            break_glass.use_code(email=cast.owner.email, password=PASSWORD, second_factor=factor, code=codes[0])
        except AuthFailure:
            return False
        return True

    assert sorted(at_once([partial(use, factor) for factor in recovery[:2]])) == [False, True]
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="break_glass.used").count() == 1


def once_of(browser: Client) -> str:
    return re.search(r'name="once" value="([^"]+)"', browser.get(CODES).content.decode())[1]


def test_an_owner_makes_their_own_and_sees_them_once(cast: Cast):
    configuration = connect(cast.acme)
    browser = by_sso(cast.owner, configuration)
    refused = browser.post(CODES, {"once": once_of(browser)})
    assert refused.status_code == 409, "without an authenticator they would be of no use"
    new_device(user=cast.owner, confirmed=True)
    once = once_of(browser)
    made = browser.post(CODES, {"once": once})
    assert (made.status_code, made["Cache-Control"]) == (200, "no-store")
    codes = re.findall(r"<li><code>([0-9a-f-]{24})</code>", made.content.decode())
    assert len(set(codes)) == 10
    again = browser.post(CODES, {"once": once})
    assert codes[0] not in again.content.decode()
    with tenant_scope(cast.acme.id):
        assert BreakGlassCode.objects.count() == 10
        assert codes[0].encode() not in b"".join(bytes(row.digest) for row in BreakGlassCode.objects.all())
    assert "10 of 10" in browser.get("/orgs/acme/sign-in/policy/").content.decode()


@pytest.mark.parametrize(("role", "status"), [("admin", 403), ("developer", 403), ("viewer", 403)])
def test_nobody_but_owners_makes_codes(cast: Cast, role: str, status: int):
    configuration = connect(cast.acme)
    new_device(user=cast.member(role), confirmed=True)
    assert by_sso(cast.member(role), configuration).post(CODES, {}).status_code == status
    with tenant_scope(cast.acme.id):
        assert not BreakGlassCode.objects.exists()


def test_an_admin_withdraws_an_owners_codes(cast: Cast, held: Any):
    with tenant_scope(cast.acme.id):
        from sso.models import Configuration

        configuration = Configuration.objects.get()
    address = f"{CODES}{cast.owner.public_id}/withdraw/"
    browser = by_sso(cast.admin, configuration)
    assert "10 break-glass codes of theirs end at once" in browser.get(address).content.decode()
    assert browser.post(address).status_code == 302
    assert "No break-glass code of theirs works" in browser.get(address).content.decode()
    assert by_sso(cast.developer, configuration).post(address).status_code == 403
    with tenant_scope(cast.acme.id):
        assert not BreakGlassCode.objects.exists()
        assert AuditEvent.objects.get(event="break_glass.codes_withdrawn").data == {"codes": 10}


# -- the operator ----------------------------------------------------------------------------------------------------
def test_the_operator_switches_it_off_at_once_without_worker_or_redis(cast: Cast, mailoutbox: list, settings: Any):
    connect(cast.acme)
    enforce(cast.acme)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    output = io.StringIO()
    call_command("sso_disable", "acme", "--reason", "locked out", stderr=output)
    assert "requires single sign-on no more" in output.getvalue()
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="sso.enforcement_ended")
        assert (event.actor_kind, event.data["reason"]) == ("staff", "locked out")
        assert SignInPolicy.objects.get().enforcement == "off"
    assert {mail.to[0] for mail in mailoutbox} == {cast.owner.email, cast.admin.email}
    browser = Client()
    browser.force_login(cast.viewer)
    mailoutbox.clear()
    call_command("sso_disable", "acme", stderr=output)
    assert not mailoutbox, "nothing changed the second time"


def test_the_operator_is_told_of_a_mistyped_name_and_of_a_mail_server_that_is_down(cast: Cast, settings: Any):
    from django.core.management import CommandError

    with pytest.raises(CommandError):
        call_command("sso_disable", "acmee")
    connect(cast.acme)
    enforce(cast.acme)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    output = io.StringIO()
    call_command("sso_disable", "acme", stderr=output)
    assert "could not be mailed" in output.getvalue()
    with tenant_scope(cast.acme.id):
        assert SignInPolicy.objects.get().enforcement == "off"
