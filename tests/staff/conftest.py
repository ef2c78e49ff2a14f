"""Staff's browser, with the second factor given."""

from collections.abc import Callable

import pytest
from django.test import Client

from orgs.models import User
from orgs.services.second_factor import new_device
from tests.authenticators import code_of
from tests.browsers import signed_in
from tests.cast import Cast


@pytest.fixture
def enter() -> Callable[[User], Client]:
    """`enter(user)` signs in and passes the second factor with a device of the user's."""

    def client(user: User) -> Client:
        device = new_device(user=user, name="Authenticator", confirmed=True)
        browser = Client()
        signed_in(browser, user)
        answer = browser.post("/login/second-factor/", {"code": code_of(device)})
        assert answer.status_code == 302, answer.content
        return browser

    return client


@pytest.fixture
def staff(cast: Cast, enter: Callable[[User], Client]) -> Client:
    """Stella at work."""
    return enter(cast.staff)
