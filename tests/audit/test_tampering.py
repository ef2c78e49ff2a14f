"""Each way of tampering alone, where one month ends and the next begins; what can be said of the newest records.

Within a month tests/commands/test_verify_audit.py has them. Acme's numbers 1 to 3 are of one month, 4 to 6 of the next,
7 to 10 of this one.
"""

import io
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command

from audit.checkpoints import signed_link
from audit.models import AuditSeal, first_id_at
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from tests.audit.months import NEXT
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified

Found = tuple[str, int | None, str]
COPIED = (
    "org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, target_id, target_label, result, data, "
    "ip, user_agent, request_id, transaction_id"
)


class Chain:
    """The ids of Acme's records by number."""

    def __init__(self, cast: Cast) -> None:
        self.organization = cast.acme.id
        with tenant_scope(self.organization):
            self.ids = {seal.sequence: seal.id for seal in AuditSeal.objects.all()}

    def name(self, place: int) -> str:
        return public_id("evt", self.ids[place])

    def copy(self, place: int, new: UUID) -> None:
        tamper(
            f"INSERT INTO audit_event (id, {COPIED}) SELECT %s, {COPIED} FROM audit_event WHERE id = %s",
            new, self.ids[place],
        )  # fmt: skip

    def move_link(self, before: int, after: int) -> None:
        tamper("UPDATE audit_seal SET sequence = %s WHERE org_id = %s AND sequence = %s",
               after, self.organization, before)  # fmt: skip


def changed(chain: Chain, place: int) -> Found:
    tamper("UPDATE audit_event SET target_label = 'x' WHERE id = %s", chain.ids[place])
    return "changed", place, chain.name(place)


def removed(chain: Chain, place: int) -> Found:
    tamper("DELETE FROM audit_event WHERE id = %s", chain.ids[place])
    return "removed", place, chain.name(place)


def removed_with_its_link(chain: Chain, place: int) -> Found:
    tamper("DELETE FROM audit_event WHERE id = %s", chain.ids[place])
    tamper("DELETE FROM audit_seal WHERE id = %s", chain.ids[place])
    return "removed", place, ""


def moved_to_the_next_month(chain: Chain, place: int) -> Found:
    new = UUID(int=first_id_at(NEXT).int | 7 << 76 | 2 << 62 | 77)
    tamper("UPDATE audit_event SET id = %s WHERE id = %s", new, chain.ids[place])
    return "removed", place, chain.name(place)


def inserted(chain: Chain, place: int) -> Found:
    """Among the records of the next month."""
    new = UUID(int=first_id_at(NEXT).int | 7 << 76 | 2 << 62 | 77)
    chain.copy(place, new)
    return "inserted", None, public_id("evt", new)


def inserted_with_a_link(chain: Chain, place: int) -> Found:
    new = UUID(int=first_id_at(NEXT).int | 7 << 76 | 2 << 62 | 77)
    chain.copy(place, new)
    for later in sorted((each for each in chain.ids if each >= place), reverse=True):
        chain.move_link(later, later + 1)
    tamper("INSERT INTO audit_seal (id, org_id, created_at, sequence, digest) VALUES (%s, %s, now(), %s, %s)",
           new, chain.organization, place, b"x" * 32)  # fmt: skip
    return "inserted", place, public_id("evt", new)


def reordered(chain: Chain, place: int) -> Found:
    """With the one behind it."""
    for before, after in ((place, 1000), (place + 1, place), (1000, place + 1)):
        chain.move_link(before, after)
    return "reordered", place, chain.name(place + 1)


def cut(chain: Chain, place: int) -> Found:
    """That record and all behind it."""
    gone = "id IN (SELECT id FROM audit_seal WHERE org_id = %s AND sequence >= %s)"
    tamper(f"DELETE FROM audit_event WHERE {gone}", chain.organization, place)
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence >= %s", chain.organization, place)
    return "cut", place, chain.name(place) if place == max(chain.ids) else ""


@pytest.mark.parametrize("place", [3, 4], ids="number {}".format)
@pytest.mark.parametrize(
    "tampering", [changed, removed, removed_with_its_link, inserted, inserted_with_a_link, reordered, cut]
)
def test_each_way_of_tampering_alone_names_the_record_where_a_month_ends_and_the_next_begins(
    months: Cast, tmp_path: Path, tampering: Callable[[Chain, int], Found], place: int
):
    chain = Chain(months)
    (tmp_path / "kept").write_text(signed_link(months.acme.id, max(chain.ids)))
    kept = ("acme", "--checkpoint", str(tmp_path / "kept"))
    assert verified(*kept)[0]
    expected = tampering(chain, place)
    for arguments in (kept, ("acme",)):
        holds, answers, _ = verified(*arguments)
        # Only what was kept elsewhere knows of an end that is gone.
        assert holds == (tampering is cut and arguments == ("acme",))
        if not holds:
            finding = answers["acme"]["finding"]
            assert (finding["kind"], finding["sequence"], finding["record"]) == expected


def test_a_record_moved_to_another_month_is_missed_where_it_was(months: Cast):
    expected = moved_to_the_next_month(Chain(months), 3)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"], finding["record"]) == expected


def test_the_very_last_record_is_named_when_it_was_cut(months: Cast, tmp_path: Path):
    chain = Chain(months)
    (tmp_path / "kept").write_text(signed_link(months.acme.id, max(chain.ids)))
    expected = cut(chain, max(chain.ids))
    finding = verified("acme", "--checkpoint", str(tmp_path / "kept"))[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"], finding["record"]) == expected


@pytest.mark.parametrize(
    ("tampering", "left"),
    [
        ("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", 3),
        ("DELETE FROM audit_event WHERE id = %s", 2),
        ("UPDATE audit_event SET transaction_id = transaction_id - 1 WHERE id = %s", 3),
    ],
)
def test_of_the_newest_records_nothing_is_said_before_they_are_sealed_but_how_many_they_are(
    months: Cast, tampering: str, left: int
):
    """Nobody has vouched for them yet: no checkpoint, and no digest."""
    newest = write(months.acme.id, 3)
    tamper(tampering, newest[1])
    holds, answers, _ = verified("acme")
    assert (holds, answers["acme"]["records"], answers["acme"]["waiting"]) == (True, 10, left)
    words = io.StringIO()
    call_command("verify_audit", "acme", stdout=io.StringIO(), stderr=words, no_color=True)
    assert f"{left} newer records are not sealed yet, of which nothing can be said" in words.getvalue()
    seal_everything()
    holds, answers, _ = verified("acme")
    assert (holds, answers["acme"]["records"], answers["acme"]["waiting"]) == (True, 10 + left, 0)
    # From here on each of them is watched.
    with tenant_scope(months.acme.id):
        last = AuditSeal.objects.head()
    tamper("UPDATE audit_event SET actor_label = 'y' WHERE id = %s", last.id)
    assert verified("acme")[1]["acme"]["finding"]["record"] == last.record_id


def test_a_record_slipped_in_among_the_newest_as_of_an_ended_transaction_is_named(months: Cast):
    write(months.acme.id, 2)
    new = UUID(int=Chain(months).ids[10].int + 1)
    Chain(months).copy(10, new)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["record"]) == ("inserted", public_id("evt", new))
