"""What people do in the dashboard again and again."""

import json
import urllib.error
import urllib.request
from typing import Any

from playwright.sync_api import Page

from tests.cast import PASSWORD


def heading(page: Page, text: str) -> None:
    """Waits for the page of that title."""
    page.get_by_role("heading", name=text, level=1).wait_for()


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """By the form, from the start."""
    give_password(page, email, password)
    page.wait_for_url(lambda url: "/login/" not in url)


def give_password(page: Page, email: str, password: str = PASSWORD) -> None:
    """Address and password, whatever is asked for next."""
    page.goto("/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_up(page: Page, *, name: str, email: str) -> None:
    """Fills the form that is open and sends it."""
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.wait_for_url("**/confirm-email/")


def make_project(page: Page, name: str) -> None:
    """Fills the form that is open and sends it."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create project").click()
    heading(page, name)


def make_secret_key(page: Page, name: str) -> str:
    """From a page of the project: makes a live key that may everything, and gives its plaintext."""
    page.get_by_role("link", name="Keys", exact=True).last.click()
    page.get_by_role("link", name="New key").first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Live", exact=True).check()
    page.get_by_label("Admin:").check()
    page.get_by_role("button", name="Create key").click()
    page.get_by_role("heading", name=f"Copy {name} now").wait_for()
    return page.locator("#secret").inner_text()


def verify(address: str, *, credential: str, key: str) -> tuple[int, dict[str, Any]]:
    """Another program asks whether a key is good: the status and the body of the answer."""
    request = urllib.request.Request(
        f"{address}/api/v1/keys/verify",
        data=json.dumps({"key": key}).encode(),
        headers={"Authorization": f"Bearer {credential}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.loads(refusal.read())
