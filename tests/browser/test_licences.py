"""docs/samples/licence.js in a real browser, on pages of two origins: who may read what, and what is kept."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import create_key
from projects.models import SeenDomain
from projects.services.domains import register_domain
from projects.services.projects import update_project
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCRIPT = Path(settings.BASE_DIR) / "docs" / "samples" / "licence.js"
HTML = b"""<!doctype html><title>A shop</title>
<script type="module">
  import { Licence } from "/licence.js";
  window.licences = {};
  window.ask = async (tenantry, key) => {
    const licence = (window.licences[key] ??= new Licence(tenantry, key));
    try {
      return { ...(await licence.current()), core: await licence.has("core") };
    } catch (error) {
      return { error: error.name, status: error.status, code: error.code, core: await licence.has("core") };
    }
  };
  document.title = "Ready";
</script>"""
RAW = """async ([url, key]) => {
  try {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const answer = await fetch(url, { method: "POST", body: "{}", headers });
    return answer.status;
  } catch (error) {
    return error.name;
  }
}"""
FRAMED = """async (url) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script>
    fetch(${JSON.stringify(url)}, { method: "POST", body: "{}", headers: { "X-API-Key": "KEY" } })
      .then((answer) => parent.postMessage(answer.status, "*"), (error) => parent.postMessage(error.name, "*"));
  </${"script"}>`;
  const told = new Promise((resolve) => addEventListener("message", (event) => resolve(event.data), { once: true }));
  document.body.append(frame);
  return told;
}"""


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    made = make_cast()
    with tenant_scope(made.acme.id):
        register_domain(actor=made.principal(made.owner), project_id=made.project.id, domain="localhost")
    return made


@pytest.fixture(scope="module")
def page_key(cast: Cast) -> str:
    with tenant_scope(cast.acme.id):
        return create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind="publishable", mode="test", name="Page",
        )[1]  # fmt: skip


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the shop's pages are served, under every name of this machine."""

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            found = {"/": ("text/html", HTML), "/licence.js": ("text/javascript", SCRIPT.read_bytes())}.get(self.path)
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", found[0] if found else "text/plain")
            self.end_headers()
            self.wfile.write(found[1] if found else b"")

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def opened(stranger: Page, origin: str) -> Page:
    stranger.goto(f"{origin}/")
    stranger.wait_for_function("document.title === 'Ready'")
    return stranger


def ask(page: Page, address: str, key: str) -> dict[str, Any]:
    return page.evaluate("([address, key]) => ask(address, key)", [address, key])


def test_a_registered_page_reads_its_licence_and_keeps_it_in_memory_alone(
    cast: Cast, page_key: str, port: int, stranger: Page, address: str
):
    page = opened(stranger, f"http://localhost:{port}")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.method))
    answer = ask(page, address, page_key)
    assert (answer["downgraded"], answer["domain"], answer["plan"], answer["core"]) == (
        False,
        "localhost",
        "free",
        True,
    )
    assert ask(page, address, page_key)["token"] == answer["token"]
    assert requests.count("POST") == 1
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert page.evaluate("caches.keys()") == []
    page.reload()
    page.wait_for_function("document.title === 'Ready'")
    assert ask(page, address, page_key)["token"] != answer["token"]


def test_another_page_is_downgraded_or_refused_and_can_read_why(
    cast: Cast, page_key: str, port: int, stranger: Page, address: str
):
    page = opened(stranger, f"http://127.0.0.1:{port}")
    answer = ask(page, address, page_key)
    assert (answer["downgraded"], answer["domain"]) == (True, "127.0.0.1")
    with tenant_scope(cast.acme.id):
        assert list(SeenDomain.objects.values_list("host", flat=True)) == ["127.0.0.1"]
        owner = cast.principal(cast.owner)
        update_project(actor=owner, project_id=cast.project.id, unregistered_domains="reject")
    page = opened(stranger, f"http://127.0.0.1:{port}")
    refused = ask(page, address, page_key)
    assert refused == {"error": "LicenceRefused", "status": 403, "code": "origin_not_allowed", "core": False}
    with tenant_scope(cast.acme.id):
        update_project(actor=owner, project_id=cast.project.id, unregistered_domains="downgrade")


def test_live_and_secret_keys_get_nothing_on_ones_own_machine(
    cast: Cast, page_key: str, port: int, stranger: Page, address: str
):
    page = opened(stranger, f"http://localhost:{port}")
    assert ask(page, address, cast.publishable_key)["code"] == "origin_not_allowed"
    refused = ask(page, address, cast.secret_key)
    assert (refused["status"], refused["code"], refused["core"]) == (401, "", False)


def test_a_page_reads_nothing_of_other_routes(cast: Cast, page_key: str, port: int, stranger: Page, address: str):
    page = opened(stranger, f"http://localhost:{port}")
    assert page.evaluate(RAW, [f"{address}/api/v1/licenses/verify", page_key]) == 200
    for path in ("/api/v1/keys/verify", "/api/v1/orgs", "/api/v1/orgs/acme/projects/rocket/domains"):
        for key in (page_key, cast.secret_key):
            assert page.evaluate(RAW, [f"{address}{path}", key]) == "TypeError"


def test_a_page_without_an_origin_reads_nothing(cast: Cast, page_key: str, port: int, stranger: Page, address: str):
    page = opened(stranger, f"http://localhost:{port}")
    framed = FRAMED.replace("KEY", page_key)
    assert page.evaluate(framed, f"{address}/api/v1/licenses/verify") == "TypeError"
