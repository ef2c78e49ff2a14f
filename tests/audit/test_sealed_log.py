"""What people and programs see of the chain: pages, REST, and a log that is verified without us."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.checkpoints import make_checkpoint
from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from tests.audit.test_sealing import seal_everything, write
from tests.browsers import signed_in
from tests.cast import Cast
from tests.commands.test_operator_commands import ROOT
from tests.commands.test_verify_audit import tamper
from tests.conftest import JSONClient
from tests.texts import without_what_varies

EVENTS = "/api/v1/orgs/acme/audit-events"
CHECKPOINTS = "/api/v1/orgs/acme/audit-checkpoints"
AUDIT = "/orgs/acme/audit/"


@pytest.fixture
def sealed(committed_cast: Cast) -> Cast:
    """Acme's log, in which all is sealed and signed but the last two records."""
    write(committed_cast.acme.id, 3)
    committed_cast.token(committed_cast.viewer), committed_cast.token(committed_cast.outsider)
    seal_everything()
    make_checkpoint(committed_cast.acme.id)
    write(committed_cast.acme.id, 2)
    return committed_cast


def program(cast: Cast, user: Any) -> JSONClient:
    return JSONClient(cast.token(user))


def browser(user: Any) -> Client:
    return signed_in(Client(), user)


def records(cast: Cast) -> list[dict[str, Any]]:
    return program(cast, cast.viewer).get(f"{EVENTS}?limit=100").json()["data"]


def test_rest_tells_the_place_of_each_record(sealed: Cast):
    rows = records(sealed)
    assert [(row["sequence"], row["sealed"]) for row in rows[:2]] == [(None, False)] * 2
    places = [row["sequence"] for row in rows[2:]]
    assert sorted(places) == list(range(1, len(rows) - 1))
    assert all(row["sealed"] for row in rows[2:])
    one = program(sealed, sealed.viewer).get(f"{EVENTS}/{rows[2]['id']}").json()
    assert one == rows[2]


def test_checkpoints_are_listed_for_ones_own_organization_alone(sealed: Cast):
    answer = program(sealed, sealed.viewer).get(CHECKPOINTS)
    (row,) = answer.json()["data"]
    assert row["organization_id"] == sealed.acme.public_id
    assert row["sequence"] == len(records(sealed)) - 2
    assert len(bytes.fromhex(row["digest"])) == 32
    assert program(sealed, sealed.outsider).get(CHECKPOINTS).status_code == 404
    assert program(sealed, sealed.outsider).get("/api/v1/orgs/globex/audit-checkpoints").json()["data"] == []


def test_the_log_says_up_to_where_it_is_sealed(sealed: Cast):
    page = browser(sealed.viewer).get(AUDIT).content.decode()
    assert f"record {len(records(sealed)) - 2}</a>" in page
    assert "2 newer records will follow within seconds" in page
    assert "Sealing is behind" not in page


def test_the_log_says_when_sealing_is_behind(sealed: Cast):
    tamper("UPDATE audit_event SET created_at = created_at - interval '2 minutes'")
    page = browser(sealed.viewer).get(AUDIT).content.decode()
    assert "Sealing is behind" in page
    assert "will follow within seconds" not in page


def test_a_log_without_a_seal_says_nothing_of_it(committed_cast: Cast):
    page = browser(committed_cast.viewer).get(AUDIT).content.decode()
    assert "Sealed up to" not in page


def test_a_record_shows_its_place_and_whether_it_holds(sealed: Cast):
    newest, *_, first = [row["id"] for row in sorted(records(sealed), key=lambda row: -(row["sequence"] or 10**9))]
    page = browser(sealed.viewer)
    assert "Not sealed yet" in page.get(f"{AUDIT}{newest}/").content.decode()
    whole = page.get(f"{AUDIT}{first}/").content.decode()
    assert "Holds" in whole
    assert "does not fit its seal" not in whole
    for event in (first, records(sealed)[2]["id"]):
        tamper("UPDATE audit_event SET actor_label = 'Somebody else'")
        assert "does not fit its seal" in page.get(f"{AUDIT}{event}/").content.decode()


def test_the_page_takes_the_same_queries_for_few_and_many(sealed: Cast):
    client = browser(sealed.viewer)
    client.get(AUDIT)
    with CaptureQueriesContext(connection) as few:
        client.get(AUDIT)
    write(sealed.acme.id, 20)
    seal_everything()
    with CaptureQueriesContext(connection) as many:
        client.get(AUDIT)
    assert len(few) == len(many)
    with CaptureQueriesContext(connection) as listed:
        program(sealed, sealed.viewer).get(f"{EVENTS}?limit=2")
    with CaptureQueriesContext(connection) as listed_more:
        program(sealed, sealed.viewer).get(f"{EVENTS}?limit=30")
    assert len(listed) == len(listed_more)


@pytest.fixture
def kept(sealed: Cast, tmp_path: Path) -> Path:
    """What a customer keeps, as docs/audit.md tells them to fetch it."""
    client = program(sealed, sealed.viewer)
    (tmp_path / "keys.json").write_bytes(JSONClient().get("/.well-known/jwks.json").content)
    (tmp_path / "checkpoint.json").write_text(json.dumps(client.get(f"{CHECKPOINTS}?limit=1").json()["data"][0]))
    pages, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{EVENTS}?limit=4{cursor}").json()
        pages.append(json.dumps(page))
        cursor = page["next"] and f"&cursor={page['next']}"
    (tmp_path / "pages.jsonl").write_text("\n".join(pages))
    return tmp_path


def sample(kept: Path) -> subprocess.CompletedProcess[str]:
    program = ROOT / "docs" / "samples" / "verify_audit.py"
    files = [str(kept / name) for name in ("keys.json", "checkpoint.json", "pages.jsonl")]
    return subprocess.run([sys.executable, str(program), *files], check=False, capture_output=True, text=True)


def test_a_log_is_verified_without_us(sealed: Cast, kept: Path):
    ended = sample(kept)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{len(records(sealed)) - 2} records of {sealed.acme.public_id} are as they were sealed" in ended.stdout


def drop(rows: list[dict[str, Any]]) -> None:
    rows.remove(next(row for row in rows if row["sequence"] == 3))


def cut(rows: list[dict[str, Any]]) -> None:
    rows.remove(max((row for row in rows if row["sealed"]), key=lambda row: row["sequence"]))


def change(rows: list[dict[str, Any]]) -> None:
    rows[-1]["actor"]["label"] = "Somebody else"


def swap(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["sequence"] = {2: 3, 3: 2}.get(row["sequence"], row["sequence"])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(drop, "Record 3 is missing"), (cut, "The log ends at"), (change, "not those that"), (swap, "not those that")],
)
def test_a_spoiled_log_is_seen_without_us(kept: Path, spoil: Callable[[list[dict[str, Any]]], None], words: str):
    pages = kept / "pages.jsonl"
    rows = [row for line in pages.read_text().splitlines() for row in json.loads(line)["data"]]
    spoil(rows)
    pages.write_text(json.dumps({"data": rows}))
    ended = sample(kept)
    assert ended.returncode == 1
    assert words in ended.stderr


def test_a_checkpoint_that_is_not_signed_so_is_refused_without_us(kept: Path):
    checkpoint = json.loads((kept / "checkpoint.json").read_text())
    head, claims, signature = checkpoint["statement"].split(".")
    checkpoint["statement"] = f"{head}.{claims[:-2]}AA.{signature}"
    (kept / "checkpoint.json").write_text(json.dumps(checkpoint))
    assert sample(kept).returncode == 1


def test_a_tampered_record_says_so_by_its_address_too(sealed: Cast):
    with tenant_scope(sealed.acme.id):
        event = AuditEvent.objects.order_by("id").first()
    tamper("DELETE FROM audit_event WHERE id = %s", event.id)
    absent = browser(sealed.viewer).get(f"{AUDIT}{public_id('evt', event.id)}/")
    assert absent.status_code == 404
    assert "Holds" not in without_what_varies(absent.content.decode())
