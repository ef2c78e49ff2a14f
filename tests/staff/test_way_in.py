"""Who gets into Django admin: staff with a second factor, given in this very session. Nobody else."""

import base64
import re
from collections.abc import Callable

import pytest
import time_machine
from django.test import Client

from audit.models import AuditEvent
from config.kernel.routes import all_routes
from config.kernel.tenancy.scope import INSTALLATION_ID, current_scope, tenant_scope
from orgs.models import TOTPDevice, User
from orgs.services.second_factor import device_to_confirm, new_device, reset_second_factor, seed_of
from orgs.services.users import disable_user
from tests.authenticators import code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast

PAGE = "/login/second-factor/"
SET_UP = "/profile/security/authenticator/"
SAMPLE = "00000000-0000-0000-0000-000000000001"


def addresses() -> list[str]:
    """Every route of the staff's site, with something in place of each argument."""
    found = []
    for route in all_routes():
        if not route.path.startswith("/admin/") or route.name in ("admin:login",):
            continue
        path = route.path.replace("(?P<app_label>", "(").replace("(?P<url>.*)", "anything")
        path = re.sub(r"\(([a-z]+)\|[^)]*\)", r"\1", path)
        found.append(re.sub(r"<[^>]+>", SAMPLE, path))
    return found


ADDRESSES = addresses()


def events(name: str, **data: str) -> int:
    with tenant_scope(INSTALLATION_ID):
        return AuditEvent.objects.filter(event=name, data__contains=data).count()


def test_there_are_addresses():
    assert len(ADDRESSES) > 80


def test_nobody_comes_in_without_the_second_factor(cast: Cast):
    stranger, member, password_only = Client(), Client(), Client()
    signed_in(member, cast.owner)
    signed_in(password_only, cast.staff)
    for path in ADDRESSES:
        anonymous = stranger.get(path)
        assert anonymous.status_code == 302, path
        assert anonymous["Location"].startswith("/login/?next=/admin/"), path
        assert member.post(path).status_code == 403, path
        answer = password_only.post(path)
        assert answer.status_code == 302, path
        assert answer["Location"].startswith(f"{PAGE}?next=%2Fadmin%2F"), path
    assert member.get("/admin/").status_code == 403
    assert password_only.get("/admin/").status_code == 302


def test_signing_in_leads_to_the_second_factor_and_then_in(cast: Cast):
    device = new_device(user=cast.staff, name="Phone", confirmed=True)
    browser = Client()
    answer = browser.get("/admin/orgs/user/?q=olivia", follow=True)
    assert answer.redirect_chain[-1][0] == "/login/?next=/admin/orgs/user/%3Fq%3Dolivia"
    answer = browser.post(answer.redirect_chain[-1][0], {"login": cast.staff.email, "password": PASSWORD}, follow=True)
    place = answer.redirect_chain[-1][0]
    assert place == PAGE
    assert "Enter your second factor" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/profile/").status_code == 302, "in with the password alone"
    before = browser.session.session_key
    answer = browser.post(place, {"code": code_of(device)})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/orgs/user/?q=olivia")
    assert browser.session.session_key != before
    assert browser.get("/admin/orgs/user/?q=olivia").status_code == 200
    assert events("user.signed_in", second_factor="totp") == 1
    assert browser.get(f"{PAGE}?next=/admin/")["Location"] == "/admin/"


def test_staff_without_a_device_set_one_up(cast: Cast):
    browser = Client()
    signed_in(browser, cast.staff)
    page = browser.get("/admin/", follow=True)
    assert page.redirect_chain[-1][0] == f"{PAGE}?next=%2Fadmin%2F"
    assert f'href="{SET_UP}?next=%2Fadmin%2F"' in page.content.decode()
    page = browser.get(f"{SET_UP}?next=%2Fadmin%2F")
    device = TOTPDevice.objects.get(user=cast.staff)
    text = page.content.decode()
    assert not device.confirmed
    assert base64.b32encode(seed_of(device)).decode() in text
    assert "data:image/svg+xml" in text
    assert page["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert base64.b32encode(seed_of(device)).decode() in browser.get(SET_UP).content.decode(), "another secret"
    wrong = "000000" if code_of(device) != "000000" else "111111"
    assert browser.post(SET_UP, {"code": wrong}).status_code == 422
    assert browser.get("/admin/").status_code == 302
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    made = browser.post(f"{SET_UP}?next=%2Fadmin%2F", {"code": code_of(device)})
    assert made.status_code == 200
    assert 'href="/admin/"' in made.content.decode()
    assert browser.get("/admin/").status_code == 200
    device.refresh_from_db()
    assert device.confirmed
    assert events("user.second_factor_added", factor="totp") == 1


def test_a_confirmed_device_is_never_shown_again_nor_replaced_without_it(cast: Cast):
    device = new_device(user=cast.staff, name="Phone", confirmed=True)
    waiting = device_to_confirm(user=cast.staff)
    browser = Client()
    signed_in(browser, cast.staff)
    for answer in (browser.get(SET_UP), browser.post(SET_UP, {"code": code_of(waiting)})):
        assert answer.status_code == 302
        assert answer["Location"].startswith(f"{PAGE}?next=")
    text = browser.get(PAGE).content.decode()
    for shown in (device, waiting):
        assert base64.b32encode(seed_of(shown)).decode() not in text
    assert browser.post(PAGE, {"code": code_of(waiting)}).status_code == 422
    assert browser.get("/admin/").status_code == 302
    waiting.refresh_from_db()
    assert not waiting.confirmed


def test_a_code_works_once_and_wrong_ones_make_wait(cast: Cast, clock: time_machine.Traveller):
    device = new_device(user=cast.staff, name="Phone", confirmed=True)
    first, second = Client(), Client()
    for browser in (first, second):
        signed_in(browser, cast.staff)
    code = code_of(device)
    assert first.post(PAGE, {"code": code}).status_code == 302
    assert second.post(PAGE, {"code": code}).status_code == 422, "used twice"
    assert second.post(PAGE, {"code": code_of(device, steps=1)}).status_code == 422, "did not wait"
    assert second.get("/admin/").status_code == 302
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert second.post(PAGE, {"code": code_of(device, steps=1)}).status_code == 302


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "123\x00456", "-12345"])
def test_what_is_no_code_is_refused(cast: Cast, code: str):
    new_device(user=cast.staff, name="Phone", confirmed=True)
    browser = Client()
    signed_in(browser, cast.staff)
    assert browser.post(PAGE, {"code": code}).status_code == 422


def test_one_persons_second_factor_opens_nothing_for_another(cast: Cast, enter: Callable[[User], Client]):
    enter(cast.staff)
    device = TOTPDevice.objects.get(user=cast.staff)
    other = Client()
    signed_in(other, cast.owner)
    User.objects.filter(id=cast.owner.id).update(is_staff=True)
    assert other.get("/admin/").status_code == 302
    new_device(user=cast.owner, confirmed=True)
    assert other.post(PAGE, {"code": code_of(device, steps=1)}).status_code == 422


def test_losing_what_lets_one_in_takes_effect_on_the_next_request(cast: Cast, enter: Callable[[User], Client]):
    browser = enter(cast.staff)
    assert browser.get("/admin/").status_code == 200
    User.objects.filter(id=cast.staff.id).update(is_staff=False)
    assert browser.get("/admin/").status_code == 403
    User.objects.filter(id=cast.staff.id).update(is_staff=True)
    assert browser.get("/admin/").status_code == 200
    reset_second_factor(actor=cast.staff_principal(), user=cast.staff)
    assert browser.get("/admin/")["Location"].startswith("/login/?next="), "the session outlived its second factor"
    browser = enter(cast.staff)
    disable_user(actor=cast.staff_principal(), user=cast.staff, reason="left")
    assert browser.get("/admin/")["Location"].startswith("/login/")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(cast: Cast, enter: Callable[[User], Client], wanted: str):
    browser = enter(cast.staff)
    assert browser.get(PAGE, {"next": wanted})["Location"] == "/"


def test_signing_out_ends_the_session(cast: Cast, enter: Callable[[User], Client]):
    browser = enter(cast.staff)
    assert browser.get("/admin/logout/").status_code == 302
    assert browser.get("/admin/").status_code == 200
    assert browser.post("/admin/logout/")["Location"] == "/login/"
    assert browser.get("/admin/")["Location"].startswith("/login/")


def test_the_scope_over_all_tenants_ends_with_the_page(cast: Cast, enter: Callable[[User], Client]):
    browser = enter(cast.staff)
    assert browser.get("/admin/keys/key/").status_code == 200
    assert current_scope() is None
    assert browser.get("/admin/keys/key/00000000-0000-0000-0000-000000000001/do/revoke/").status_code == 404
    assert current_scope() is None
