"""Browsers of people who are signed in, and what they send."""

import re
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


def filled_in(answer: Any, **changes: Any) -> dict[str, Any]:
    """What a browser sends of that page when only `changes` are typed."""
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" (?:value="([^"]*)")?', answer.content.decode()))
    form = answer.context["form"]
    values = {name: form[name].value() for name in form.fields}
    typed = {name: "" if value is None else value for name, value in values.items()}
    return {**typed, **hidden, **changes}


def saved(browser: Client, path: str, values: dict[str, Any]) -> Any:
    """The answer to what is typed into an edit page that was just opened: `values`, and which record it showed."""
    opened = browser.get(path).content.decode()
    [version] = re.findall(r'type="hidden" name="version" value="([^"]+)"', opened) or [""]
    return browser.post(path, {**values, "version": version})
