"""Keys of another system: taken over by their SHA-256, verified like ours, rotated into ours."""

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.models import Key
from keys.services.imports import Line, Status, import_keys
from keys.services.key_policies import set_key_policy
from projects.services.projects import create_project
from tests.api.rows import everything
from tests.cast import Cast
from tests.keys.test_pages import text_of

IMPORT = "/api/v1/orgs/acme/projects/rocket/keys/import"
VERIFY = "/api/v1/keys/verify"
OLD = "old_live_4xRf09sdfKJH23lkjhsdf"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def line(plaintext: str = OLD, **fields: Any) -> dict[str, Any]:
    return {"sha256": sha256(plaintext), "start": plaintext[:4], "name": "Checkout", **fields}


def statuses(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["status"] for row in answer.json()["data"]]


def test_an_imported_key_is_verified_like_ours_and_rotated_into_our_format(cast: Cast, api: Any):
    answer = api(cast.developer).post(IMPORT, {"keys": [line(permissions=["keys:verify"], metadata={"old": 7})]})
    (row,) = answer.json()["data"]
    assert row == {"status": "imported", "id": row["id"], "code": None, "detail": None}
    key = api(cast.viewer).get(f"{IMPORT.removesuffix('import')}{row['id']}").json()
    assert (key["is_imported"], key["start"], key["kind"]) == (True, OLD[:4], "secret")
    verified = api(cast.secret_key).post(VERIFY, {"key": OLD}).json()
    assert (verified["code"], verified["key_id"], verified["metadata"]) == ("valid", row["id"], {"old": 7})
    assert api(cast.secret_key).post(VERIFY, {"key": OLD + "x"}).json()["code"] == "not_found"

    rotated = api(cast.owner).post(f"{IMPORT.removesuffix('import')}{row['id']}/rotate", {"overlap_seconds": 3600})
    new = rotated.json()
    assert (new["is_imported"], new["key"][:8], new["metadata"]) == (False, "sk_live_", {"old": 7})
    for plaintext in (OLD, new["key"]):
        assert api(cast.secret_key).post(VERIFY, {"key": plaintext}).json()["code"] == "valid"
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="key.imported")
    assert event.data == {"project": cast.project.public_id, "mode": "live", "permissions": ["keys:verify"]}


def test_the_same_lines_again_change_nothing(cast: Cast, api: Any):
    body = {"keys": [line(), line("old_live_another"), line()]}
    assert statuses(api(cast.owner).post(IMPORT, body)) == ["imported", "imported", "exists"]
    before = everything()
    assert statuses(api(cast.owner).post(IMPORT, body)) == ["exists"] * 3
    upper = [{**each, "sha256": each["sha256"].upper(), "name": "Renamed"} for each in body["keys"]]
    assert statuses(api(cast.owner).post(IMPORT, {"keys": upper})) == ["exists"] * 3
    assert everything() == before


def test_a_line_that_is_refused_stops_no_other(cast: Cast, api: Any, make: Any):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=cast.principal(cast.owner), name="Second", slug="second")
    taken = api(cast.owner).post("/api/v1/orgs/acme/projects/second/keys/import", {"keys": [line("elsewhere-key")]})
    assert statuses(taken) == ["imported"]
    narrowed = make.token(cast.owner, permissions=["manage_keys", "view_org"])
    foreign = sha256(cast.foreign_secret_key)
    answer = api(narrowed).post(
        IMPORT,
        {
            "keys": [
                line("good-one", permissions=[]),
                line("bad-hex", sha256="x" * 64),
                line("whole", start="whole"),
                line("sk_live_without_checksum", start="sk_live_with"),
                line("beyond", permissions=["manage_env"]),
                line("elsewhere-key"),
                line("theirs", sha256=foreign),
                line("over", expires_at=(timezone.now() - timedelta(1)).isoformat()),
                line("nets", allowed_ips=["300.0.0.1"]),
                line("good-two", permissions=["view_org"]),
            ]
        },
    )
    assert statuses(answer) == ["imported", *["refused"] * 8, "imported"]
    details = [row["detail"] for row in answer.json()["data"]]
    causes = [row["code"] for row in answer.json()["data"]]
    assert causes == [None, *["invalid"] * 3, "forbidden", "key_taken", "key_taken", "invalid", "invalid", None]
    assert details[1].startswith("Write the SHA-256")
    assert "never the key itself" in details[2]
    assert cast.globex.name not in str(details)
    with tenant_scope(cast.acme.id):
        assert Key.objects.of_project(cast.project.id).filter(is_imported=True).count() == 2
        assert Key.objects.of_project(other.id).count() == 1


def test_who_may_not_manage_keys_imports_none(cast: Cast, api: Any, make: Any):
    _, reader = make.secret_key("view_org")
    before = everything()
    for credential, status in ((cast.viewer, 403), (cast.outsider, 404), (reader, 403), (None, 401)):
        assert api(credential).post(IMPORT, {"keys": [line()]}).status_code == status
    for body in ({}, {"keys": []}, {"keys": [line()] * 101}, {"keys": [{**line(), "key": OLD}]}, {"keys": ["x"]}):
        assert api(cast.owner).post(IMPORT, body).status_code == 400
    assert everything() == before


def test_the_policy_binds_imported_keys_too(cast: Cast, api: Any):
    with tenant_scope(cast.acme.id):
        set_key_policy(actor=cast.principal(cast.owner), organization=cast.acme, longest_lifetime_days=30)
    late, fitting = [(timezone.now() + timedelta(days)).isoformat() for days in (31, 29)]
    answer = api(cast.owner).post(
        IMPORT, {"keys": [line("a-key"), line("b-key", expires_at=late), line("c-key", expires_at=fitting)]}
    )
    assert statuses(answer) == ["refused", "refused", "imported"]
    assert "at most 30 days" in answer.json()["data"][1]["detail"]


def test_two_imports_at_once_make_one_key(committed_cast: Cast):
    cast, barrier, found = committed_cast, threading.Barrier(3), []

    def work() -> None:
        with tenant_scope(cast.acme.id):
            barrier.wait()
            found.extend(
                import_keys(
                    actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
                    lines=[Line(**line())],
                )
            )  # fmt: skip
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.status for result in found) == [Status.EXISTS, Status.EXISTS, Status.IMPORTED]
    with system_scope("test"):
        assert Key.objects.filter(is_imported=True).count() == 1


# -- the page --------------------------------------------------------------------------------------------------------
def page_of(cast: Cast) -> str:
    return f"/orgs/acme/projects/{cast.project.public_id}/keys/import/"


def test_pasted_lines_are_imported_and_each_is_accounted_for(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    assert "never paste a key itself" in text_of(browser.get(page_of(cast)))
    day = f"{timezone.now() + timedelta(days=40):%Y-%m-%d}"
    lines = f'sha256,start,name,expires\n{sha256(OLD)},{OLD[:9]},"Checkout, old",{day}\n\n{"x" * 64},old,Wrong\n'
    shown = text_of(browser.post(page_of(cast), {"lines": lines, "mode": "test", "preset": "runner"}))
    assert "Imported" in shown
    assert "Write the SHA-256" in shown
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(is_imported=True)
    assert (key.name, key.mode, f"{key.expires_at:%Y-%m-%d}") == ("Checkout, old", "test", day)
    assert "keys:verify" in key.permissions
    assert "Was there already" in text_of(
        browser.post(page_of(cast), {"lines": lines, "mode": "test", "preset": "none"})
    )
    detail = text_of(browser.get(f"/orgs/acme/projects/{cast.project.public_id}/keys/{key.public_id}/"))
    assert "Imported" in detail


@pytest.mark.parametrize(
    "lines",
    ["", "   \n", "sha256,start,name", "only,two", f"{'ab' * 32},old,{'x' * 121}", f"{'ab' * 32},old,",
     f"{'ab' * 32},old,Name,tomorrow", f"{'ab' * 32},old,Name,2031-05-04,more", "\n".join(["a,b,c"] * 101),
     ],
    ids=range(9),
)  # fmt: skip
def test_lines_that_cannot_be_read_import_nothing(cast: Cast, browse: Any, lines: str):
    browser = browse(cast.developer)
    before = everything()
    answer = browser.post(page_of(cast), {"lines": lines, "mode": "live", "preset": "none"})
    assert answer.status_code == 422
    assert everything() == before


def test_viewers_have_no_import_page(cast: Cast, browse: Any):
    assert browse(cast.viewer).get(page_of(cast)).status_code == 403
    assert browse(cast.outsider).get(page_of(cast)).status_code == 404
