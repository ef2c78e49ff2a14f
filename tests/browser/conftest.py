"""One web server and one browser for all tests of this folder, which run on one worker."""

import email
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from config.kernel.sign_in import SecondFactor
from orgs.models import User
from tests import database
from tests.browser import site
from tests.browsers import signed_in
from tests.cast import standing
from tests.servers import WORKER


class Inbox:
    """Everybody's mail: the handler of a real SMTP server that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[email.message.Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 kept"

    def link(self, to: str, pattern: str) -> str:
        """The address that fits `pattern` in the newest mail to somebody; waits for the mail."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            for message in reversed(self.messages):
                found = re.search(pattern, _text_of(message)) if message["To"] == to else None
                if found:
                    return found[0]
            time.sleep(0.05)
        raise AssertionError(f"no mail to {to} has {pattern}: {[_text_of(message) for message in self.messages]}")


def _text_of(message: email.message.Message) -> str:
    parts = [part for part in message.walk() if part.get_content_type() == "text/plain"]
    return "\n".join(part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in parts)


@pytest.fixture(scope="package")
def _mail() -> Iterator[tuple[Inbox, int]]:
    inbox, port = Inbox(), site.free_port()
    controller = Controller(inbox, hostname=site.ADDRESS, port=port)
    controller.start()
    yield inbox, port
    controller.stop()


@pytest.fixture
def inbox(_mail: tuple[Inbox, int]) -> Inbox:
    """The mail of this test."""
    _mail[0].messages.clear()
    return _mail[0]


@pytest.fixture(scope="package")
def served(django_db_setup: None, _mail: tuple[Inbox, int]) -> dict[str, str]:
    """The environment of the product that the tests look at."""
    home = Path(os.environ["TENANTRY_HOME"])
    return site.environment_of(f"test_{WORKER}", port=site.free_port(), home=home, mail_port=_mail[1])


@pytest.fixture(scope="package")
def address(served: dict[str, str]) -> Iterator[str]:
    """Where the product answers."""
    with site.web_server("tests.browser.application:application", environment=served) as found:
        yield found


@pytest.fixture
def worker(served: dict[str, str], _empty_cache: None) -> Iterator[None]:
    """The product's worker."""
    with site.worker(environment=served):
        yield


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser. Playwright keeps an event loop in this thread, from which Django would refuse the database."""
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=site.chromium(), args=site.CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database, in committed rows that all tests of a module share."""
    with django_db_blocker.unblock():
        database.empty_tables(f"test_{WORKER}")
        yield
        standing.put_back()
        # While Playwright's loop runs, this is another connection than the one that the suite closes at its end.
        connection.close()


NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def new_context(chromium: Browser, address: str) -> Iterator[NewContext]:
    """`new_context(user)` is a browser of theirs, signed in; `new_context()` a stranger's. Options are Playwright's."""
    made: list[BrowserContext] = []

    def new(user: User | None = None, **options: Any) -> BrowserContext:
        context = chromium.new_context(**{"base_url": address, "reduced_motion": "reduce", **options})
        context.set_default_timeout(15_000)
        made.append(context)
        if user:
            client = signed_in(Client(), user, second_factor=SecondFactor.TOTP)
            value = client.cookies[settings.SESSION_COOKIE_NAME].value
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": address}])
        return context

    yield new
    for context in made:
        context.close()


@pytest.fixture
def stranger(new_context: NewContext) -> Page:
    """A page of somebody who has never been here."""
    return new_context().new_page()
