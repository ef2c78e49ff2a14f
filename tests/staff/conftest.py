"""Staff's browser, with the second factor given."""

import time
from collections.abc import Callable

import pytest
from django.test import Client
from django_otp.oath import TOTP

from orgs.models import TOTPDevice, User
from orgs.services.second_factor import new_device, seed_of
from tests.browsers import signed_in
from tests.cast import Cast


def code_of(device: TOTPDevice, *, steps: int = 0) -> str:
    """The six digits that an authenticator shows now, or some steps later."""
    totp = TOTP(seed_of(device))
    totp.time = time.time() + steps * totp.step
    return f"{totp.token():06d}"


@pytest.fixture
def enter() -> Callable[[User], Client]:
    """`enter(user)` signs in and passes the second factor with a device of the user's."""

    def client(user: User) -> Client:
        device = new_device(user=user, name="Authenticator", confirmed=True)
        browser = Client()
        signed_in(browser, user)
        answer = browser.post("/admin/second-factor/", {"code": code_of(device)})
        assert answer.status_code == 302, answer.content
        return browser

    return client


@pytest.fixture
def staff(cast: Cast, enter: Callable[[User], Client]) -> Client:
    """Stella at work."""
    return enter(cast.staff)
