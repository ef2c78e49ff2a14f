"""A product behind Tenantry, with a server of its own, takes over whoever signed in here, in a real browser."""

import base64
import hashlib
import json
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from config.kernel.tenancy.scope import tenant_scope
from sso.services.handover_addresses import register_handover_address
from tests.browser.conftest import NewContext
from tests.browser.walkthrough import heading
from tests.cast import PASSWORD, Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


class Product(ThreadingHTTPServer):
    """Sends people to sign in, and says hello to whom it gets back."""

    def __init__(self, tenantry: str, project: str, secret_key: str) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.tenantry, self.project, self.secret_key = tenantry, project, secret_key
        self.address = f"http://127.0.0.1:{self.server_port}/signed-in"
        self.verifiers: dict[str, str] = {}
        self.taken_over: list[dict] = []

    def question(self) -> str:
        """Where it sends somebody, with a state and a verifier of their own."""
        state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        self.verifiers[state] = verifier
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "project": self.project, "redirect_uri": self.address, "state": state, "code_challenge": challenge,
            "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{self.tenantry}/sso/handover/?{urlencode(query)}"

    def take_over(self, code: str, state: str) -> str:
        """The greeting of whoever came with that code."""
        body = {"code": code, "redirect_uri": self.address, "code_verifier": self.verifiers.pop(state)}
        request = urllib.request.Request(
            f"{self.tenantry}/api/v1/sso/handover/exchange",
            json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.secret_key}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            person = json.load(answer)
        self.taken_over.append(person)
        return f"Hello {person['user']['name']}"


class Answers(BaseHTTPRequestHandler):
    """Its two addresses."""

    server: Product

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/signed-in":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<h1>{self.server.take_over(query['code'], query['state'])}</h1>".encode())
            return
        self.send_response(302)
        self.send_header("Location", self.server.question())
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def product(cast: Cast, address: str) -> Iterator[Product]:
    server = Product(address, cast.project.public_id, cast.secret_key)
    with tenant_scope(cast.acme.id):
        register_handover_address(actor=cast.principal(cast.owner), project_id=cast.project.id, address=server.address)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def opened(page: Page, product: Product) -> None:
    page.goto(f"http://127.0.0.1:{product.server_port}/")


def test_a_stranger_signs_in_here_and_is_greeted_there(product: Product, cast: Cast, new_context: NewContext):
    page = new_context().new_page()
    opened(page, product)
    page.get_by_label("Email").fill(cast.viewer.email)
    page.get_by_role("button", name="Continue", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Hello Victor")
    person = product.taken_over[-1]
    assert person["user"]["id"] == cast.viewer.public_id
    assert person["sign_in"]["method"] == "password"
    assert page.url.startswith(product.address)


def test_whoever_is_signed_in_comes_straight_back(product: Product, cast: Cast, new_context: NewContext):
    page = new_context(cast.admin).new_page()
    opened(page, product)
    heading(page, "Hello Adam")


def test_somebody_of_another_organization_sees_that_nothing_is_there(
    product: Product, cast: Cast, new_context: NewContext
):
    page = new_context(cast.outsider).new_page()
    opened(page, product)
    heading(page, "Not found")
    assert cast.outsider.public_id not in [taken["user"]["id"] for taken in product.taken_over]
