"""Sign-ins from browsers that a person has not used before are told to them by mail, and no others."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import KnownDevice, User
from orgs.services import devices
from orgs.services.devices import COOKIE_LIFETIME
from orgs.tasks import mail_new_device
from orgs.tidying import tidy
from tests.cast import PASSWORD, Cast

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15"


def enter(
    who: User, *, at: str = "192.0.2.1", by: str = FIREFOX, browser: Client | None = None, password: str = PASSWORD
) -> Client:
    """Signs in on the page, in a new browser or the given one."""
    browser = browser or Client()
    browser.post("/login/", {"login": who.email, "password": password}, REMOTE_ADDR=at, headers={"user-agent": by})
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


def noticed() -> int:
    with tenant_scope(INSTALLATION_ID):
        return AuditEvent.objects.filter(event="user.new_device").count()


def test_the_first_browser_of_all_is_no_news_the_second_one_is(cast: Cast):
    assert is_in(enter(cast.owner))
    assert (noticed(), KnownDevice.objects.of_user(cast.owner.id).count()) == (0, 1)
    assert is_in(enter(cast.owner, at="198.51.100.7", by=SAFARI))
    assert (noticed(), KnownDevice.objects.of_user(cast.owner.id).count()) == (1, 2)


def test_signing_in_again_and_again_is_no_news(cast: Cast):
    enter(cast.owner)
    browser = enter(cast.owner, at="198.51.100.7", by=SAFARI)
    for address in ("198.51.100.7", "203.0.113.1", "2001:db8::1"):
        browser.post("/logout/")
        assert not is_in(browser)
        assert is_in(enter(cast.owner, browser=browser, at=address, by=SAFARI))
    assert noticed() == 1


def test_a_browser_that_lost_its_cookie_at_home_is_no_news(cast: Cast):
    enter(cast.owner)
    enter(cast.owner, at="192.0.2.200")
    assert noticed() == 0
    enter(cast.owner, at="192.0.3.1")
    assert noticed() == 1, "another network"
    enter(cast.owner, at="192.0.2.1", by=SAFARI)
    assert noticed() == 2, "another browser"


def test_a_failed_sign_in_makes_no_browser_known(cast: Cast):
    enter(cast.owner)
    thief = enter(cast.owner, at="198.51.100.7", by=SAFARI, password="wrong")
    assert devices_cookie(thief) == ""
    assert KnownDevice.objects.of_user(cast.owner.id).count() == 1


def devices_cookie(browser: Client) -> str:
    return browser.cookies["device"].value if "device" in browser.cookies else ""


def test_two_people_in_one_browser_are_known_each_for_themselves(cast: Cast):
    for who in (cast.owner, cast.admin):
        enter(who)
    shared = enter(cast.owner, at="198.51.100.7", by=SAFARI)
    shared.post("/logout/")
    enter(cast.admin, browser=shared, at="198.51.100.7", by=SAFARI)
    assert noticed() == 2
    for who in (cast.owner, cast.admin):
        shared.post("/logout/")
        enter(who, browser=shared, at="203.0.113.1", by=SAFARI)
    assert noticed() == 2
    assert len(devices_cookie(shared).split(".")) == 2


def test_a_cookie_that_somebody_planted_makes_their_browser_no_ones(cast: Cast):
    enter(cast.owner)
    mallory = enter(cast.viewer, at="198.51.100.7", by=SAFARI)
    planted = Client()
    planted.cookies["device"] = devices_cookie(mallory)
    enter(cast.owner, browser=planted, at="203.0.113.1", by=SAFARI)
    assert noticed() == 1
    assert devices.name_of(devices_cookie(mallory), email=cast.owner.email) == ""
    assert devices.name_of(devices_cookie(mallory), email=cast.viewer.email) != ""
    assert devices.name_of(devices_cookie(planted), email=cast.owner.email) != ""


@pytest.mark.parametrize("cookie", ["", "x", "." * 500, "a" * 43, "ä" * 43, "a" * 43 + ".x"])
def test_a_cookie_that_is_none_is_as_good_as_none(cast: Cast, cookie: str):
    assert devices.name_of(cookie, email=cast.owner.email) == ""
    kept = devices.meet(user=cast.owner, cookie=cookie, method=Method.PASSWORD)
    assert devices.name_of(kept, email=cast.owner.email.upper()) != ""


def test_the_cookie_is_for_the_server_alone_and_its_token_is_kept_as_a_hash(cast: Cast):
    browser = enter(cast.owner)
    cookie = browser.cookies["device"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == COOKIE_LIFETIME.total_seconds()
    assert cookie.value.encode() not in bytes(KnownDevice.objects.get().digest)


def test_a_request_that_signs_nobody_in_gets_no_cookie(cast: Cast, browse: Any):
    for browser in (Client(), browse(cast.owner)):
        browser.get("/profile/")
        assert "device" not in browser.cookies


def test_the_mail_says_what_happened_and_what_to_do(cast: Cast, mailoutbox: list):
    enter(cast.owner)
    enter(cast.owner, at="198.51.100.7", by=SAFARI)
    device = KnownDevice.objects.of_user(cast.owner.id).latest("id")
    assert mail_new_device(str(device.id), "198.51.100.7", "password") == "sent"
    mail = mailoutbox[-1]
    assert (mail.to, mail.subject) == ([cast.owner.email], "New sign-in to your Tenantry account")
    for body in (mail.body, mail.alternatives[0][0]):
        for words in (
            "Safari on macOS", "198.51.100.7", f"{device.created_at:%H:%M} UTC", "a password",
            "http://127.0.0.1:8000/profile/sessions/", "http://127.0.0.1:8000/password/reset/",
        ):  # fmt: skip
            assert words in body
    KnownDevice.objects.all().delete()
    assert mail_new_device(str(device.id), "", "password") == "gone"


def test_browsers_not_used_for_long_are_forgotten(cast: Cast):
    enter(cast.owner)
    enter(cast.owner, at="198.51.100.7", by=SAFARI)
    old, _young = KnownDevice.objects.of_user(cast.owner.id).order_by("id")
    KnownDevice.objects.filter(id=old.id).update(last_used_at=timezone.now() - COOKIE_LIFETIME - timedelta(days=1))
    tidy()
    assert list(KnownDevice.objects.of_user(cast.owner.id)) == [_young]
