"""Browsers of people who are signed in."""

from typing import Any

from django.test import Client

from config.kernel.sign_in import Method
from orgs.models import User
from orgs.services import browser_sessions


def signed_in(browser: Client, who: User, *, method: Method = Method.PASSWORD, **facts: Any) -> Client:
    """The browser with a session of theirs that began just now by `method`; `facts` as browser_sessions.begin takes."""
    browser.force_login(who)
    session = browser.session
    browser_sessions.begin(session, method=method, **facts)
    session.save()
    return browser
