"""Takes the pictures of the documentation: `make screenshots`, or `python -m tests.browser.screenshots` with servers.

They show the seeded demo as its owner sees it, in docs/images.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests import database
from tests.browser import site
from tests.browser.inspection import SETTLED

IMAGES = database.ROOT / "docs" / "images"
DATABASE = "screenshots"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


@dataclass(frozen=True)
class Picture:
    """What to show, how, and the name of the file."""

    name: str
    path: str
    dark: bool = False
    phone: bool = False


def pictures(organization: Mapping[str, Any]) -> list[Picture]:
    """All of them, of one organization of the demo."""
    home = f"/orgs/{organization['slug']}/"
    project = organization["projects"][0]["id"]
    return [
        Picture("overview", home),
        Picture("overview-dark", home, dark=True),
        Picture("keys", f"{home}projects/{project}/keys/"),
        Picture("members", f"{home}members/"),
        Picture("audit", f"{home}audit/"),
        Picture("phone", home, phone=True),
    ]


def sign_in(page: Page, owner: Mapping[str, str]) -> None:
    """As the demo's owner, by the form."""
    page.goto("/login/")
    page.get_by_label("Email").fill(owner["email"])
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password").fill(owner["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(lambda url: "/login/" not in url)


def take(browser: Browser, address: str, organization: Mapping[str, Any]) -> None:
    """Writes every picture."""
    context = browser.new_context(base_url=address, viewport=DESKTOP, reduced_motion="reduce", locale="en-GB")
    page = context.new_page()
    sign_in(page, organization["users"]["owner"])
    for picture in pictures(organization):
        page.set_viewport_size(PHONE if picture.phone else DESKTOP)
        page.emulate_media(color_scheme="dark" if picture.dark else "light")
        page.goto(picture.path)
        page.wait_for_function(SETTLED)
        file = IMAGES / f"{picture.name}.png"
        page.screenshot(path=file)
        sys.stderr.write(f"{file.relative_to(database.ROOT)}: {file.stat().st_size // 1024} KiB\n")
    context.close()


def main() -> None:
    """Serves a fresh demo and takes all pictures of it."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        name = database.create_test_database(DATABASE)
        try:
            environment = site.environment_of(name, port=site.free_port(), home=Path(folder))
            environment["TENANTRY_URL"] = "http://127.0.0.1:8000"  # what the pages speak of
            site.manage("seed_demo", environment=environment)
            demo = json.loads((Path(folder) / "demo.json").read_text())
            with site.web_server("config.wsgi:application", environment=environment) as address:
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=site.chromium(), args=site.CHROMIUM_ARGUMENTS)
                    take(browser, address, demo["organizations"][0])
                    browser.close()
        finally:
            database.drop_test_database(name)


if __name__ == "__main__":
    main()
