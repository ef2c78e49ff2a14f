"""The addresses at which a project's products take people over, through both doors."""

from typing import Any

import pytest

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from sso.models import HandoverAddress
from sso.services import handover_addresses as services
from tests.api.rows import everything
from tests.cast import Cast

ADDRESSES = "/api/v1/orgs/acme/projects/rocket/handover-addresses"
ADDRESS = "https://app.acme.example/signed-in"


def page_of(cast: Cast) -> str:
    return f"/orgs/acme/projects/{cast.project.public_id}/handover/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def registered(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return sorted(HandoverAddress.objects.values_list("address", flat=True))


@pytest.mark.parametrize("address", [
    ADDRESS, "https://app.acme.example", "https://app.acme.example:8443/a/b?c=d", "http://localhost:3000/signed-in",
    "http://127.0.0.1/", "http://[::1]:8000/x", "https://xn--bcher-kva.example/",
])  # fmt: skip
def test_an_address_is_registered_as_it_is_listed_and_removed(cast, api, address):
    developer = api(cast.developer)
    made = developer.post(ADDRESSES, {"address": address})
    assert made.status_code == 201, made.content
    assert made.json()["address"] == address
    assert developer.get(ADDRESSES).json()["data"] == [made.json()]
    again = developer.post(ADDRESSES, {"address": address})
    assert (again.status_code, again.json()["code"]) == (409, "handover_address_registered")
    assert developer.delete(f"{ADDRESSES}/{made.json()['id']}").status_code == 204
    assert registered(cast) == []
    with tenant_scope(cast.acme.id):
        names = AuditEvent.objects.filter(event__startswith="handover_address.").order_by("id")
        assert [row.event for row in names] == ["handover_address.registered", "handover_address.removed"]


@pytest.mark.parametrize("address", [
    "", "x", "/signed-in", "//app.acme.example/", "app.acme.example/signed-in", "http://app.acme.example/", "ftp://a.example/",
    "javascript:alert(1)", "myapp://signed-in", "https://*.acme.example/", f"{ADDRESS}#x", f"{ADDRESS}#", "https:///x",
    "https://user@app.acme.example/", "https://user:pw@app.acme.example/", "https://APP.acme.example/", "HTTPS://app.acme.example/",
    "https://app.acme.example:99999/", "https://app.acme.example:x/", f"{ADDRESS}?code=1", f"{ADDRESS}?a=b&state=",
    "https://app.acme.example\\@evil.example/", "https://app.acme.example/a b", "https://bücher.example/",
    f"{ADDRESS}\n", "http://localhost.evil.example/", "http://127.0.0.1.nip.example/",
    f"https://app.acme.example/{'x' * 500}",
    "https:/app.acme.example/", "https:app.acme.example", "https://app.acme.example./",
])  # fmt: skip
def test_an_address_that_could_lead_elsewhere_is_refused(cast, api, address):
    client = api(cast.owner)
    before = everything()
    answer = client.post(ADDRESSES, {"address": address})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["address"])
    assert everything() == before
    assert registered(cast) == []


def test_a_key_changes_nothing_whatever_it_may(cast, api):
    made = api(cast.owner).post(ADDRESSES, {"address": ADDRESS}).json()
    for answer in (
        api(cast.secret_key).post(ADDRESSES, {"address": "https://evil.example/"}),
        api(cast.secret_key).delete(f"{ADDRESSES}/{made['id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")
    assert registered(cast) == [ADDRESS]
    assert api(cast.secret_key).get(ADDRESSES).status_code == 200


def test_another_tenant_finds_none_and_there_is_an_end_to_them(cast, api, monkeypatch):
    made = api(cast.owner).post(ADDRESSES, {"address": ADDRESS}).json()
    outsider = api(cast.outsider)
    assert outsider.get(ADDRESSES).status_code == 404
    foreign = "/api/v1/orgs/globex/projects/freight/handover-addresses"
    assert outsider.delete(f"{foreign}/{made['id']}").status_code == 404
    assert outsider.post(foreign, {"address": ADDRESS}).status_code == 201, "each has its own"
    monkeypatch.setattr(services, "MOST_ADDRESSES", 1)
    full = api(cast.owner).post(ADDRESSES, {"address": f"{ADDRESS}/two"})
    assert (full.status_code, full.json()["code"]) == (409, "too_many_handover_addresses")
    assert registered(cast) == [ADDRESS]


def test_the_page_registers_shows_and_removes(cast, browse):
    browser, page = browse(cast.developer), page_of(cast)
    assert "No address is registered" in text_of(browser.get(page))
    assert ADDRESS in text_of(browser.post(page, {"address": ADDRESS}, follow=True))
    wrong = browser.post(page, {"address": "http://app.acme.example/"})
    assert wrong.status_code == 400
    assert "Use https." in text_of(wrong)
    with tenant_scope(cast.acme.id):
        row = HandoverAddress.objects.get()
    remove = f"{page}{row.public_id}/remove/"
    assert "From now on nobody is handed over there" in text_of(browser.get(remove))
    assert browser.post(remove).status_code == 302
    assert registered(cast) == []


def test_a_viewer_reads_and_changes_nothing(cast, api, browse):
    made = api(cast.owner).post(ADDRESSES, {"address": ADDRESS}).json()
    browser, page = browse(cast.viewer), page_of(cast)
    text = text_of(browser.get(page))
    assert ADDRESS in text
    assert "Register an address" not in text
    assert browser.post(page, {"address": "https://evil.example/"}).status_code == 403
    assert browser.post(f"{page}{made['id']}/remove/").status_code == 403
    assert api(cast.viewer).post(ADDRESSES, {"address": "https://evil.example/"}).status_code == 403
    assert registered(cast) == [ADDRESS]
