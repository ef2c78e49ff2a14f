"""manage.py attest_audit"""

from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from audit.attesting import Attestation, Evidence, State, attest, examine
from audit.beginnings import Trust
from audit.chain import moment_text
from config.kernel.identifiers import required_id
from config.kernel.management.base import OperatorCommand, operator
from orgs.management.audit_evidence import add_evidence, kept_checkpoints, kept_keys, logs_named


class Command(OperatorCommand):
    """Vouch for where audit logs begin after the key that signed it was withdrawn, and have it signed anew."""

    help = (
        "Vouch for where audit logs begin whose beginnings were signed with a key that was withdrawn since, and have "
        "them signed anew. Without --reason it says what it would do. Fails if any log is refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add_evidence(parser)
        parser.add_argument(
            "--reason", default="", help="How you know that these logs begin where they say; kept in their records."
        )
        parser.add_argument(
            "--unproven",
            action="store_true",
            help="Sign also what no kept checkpoint confirms: your word alone speaks for it then.",
        )
        parser.add_argument(
            "--dropped",
            action="append",
            default=[],
            metavar="EVENT",
            help="A late record (evt_…) of which you know that an older version dropped it with its month without "
            "signing so. Needs an organization.",
        )

    def run(self, **options: Any) -> None:
        names = logs_named(options["organization"])
        if options["dropped"] and not options["organization"]:
            raise CommandError("Name the organization whose records were dropped.")
        keys = kept_keys(options["keys"])
        kept = kept_checkpoints(options["checkpoint"], keys, names)
        trust = Trust(keys, dropped=frozenset(required_id("evt", one) for one in options["dropped"]))
        found = [
            self._attest(number, Evidence(kept.get(number, []), trust, options["unproven"]), options["reason"].strip())
            for number in names
        ]
        self._tell(found, names)

    def _attest(self, number: UUID, evidence: Evidence, reason: str) -> Attestation:
        if not reason:
            return examine(number, evidence)
        return attest(actor=operator(), organization_id=number, evidence=evidence, reason=reason)

    def _tell(self, found: list[Attestation], names: dict[UUID, str]) -> None:
        concerned = [one for one in found if one.state != State.NOTHING]
        for one in concerned if not self.as_json else []:
            self.stderr.write(f"{names[one.organization_id]}: {words_of(one)}")
        count = {state: sum(one.state == state for one in found) for state in State}
        rows = [
            {
                "organization": names[one.organization_id],
                "state": one.state.value,
                "begins_after": one.beginning.sequence,
                "dropped_before": one.beginning.dropped_before and moment_text(one.beginning.dropped_before),
                "key": one.beginning.kid,
                "proven": one.is_proven,
                "refusal": one.words,
            }
            for one in concerned
        ]
        words = f"{count[State.SIGNED]} beginnings were signed anew, {count[State.NOTHING]} logs need nothing."
        if count[State.READY]:
            words = f"{count[State.READY]} beginnings can be signed anew: run it again with --reason."
        refused = f"{count[State.REFUSED]} of {len(found)} logs were refused."
        if self.as_json or not count[State.REFUSED]:
            self.answer(words, data={"done": not count[State.REFUSED], "organizations": rows})
        if count[State.REFUSED]:
            raise CommandError(refused)


def words_of(one: Attestation) -> str:
    """One line for people."""
    begins = f"begins behind number {one.beginning.sequence}"
    if one.beginning.dropped_before:
        begins += f", since records before {one.beginning.dropped_before:%Y-%m-%d} were dropped"
    if one.state == State.REFUSED:
        return f"not signed anew: {one.words}."
    proof = "its own record and a kept checkpoint say so too" if one.is_proven else "your word alone speaks for it"
    return f"{'signed anew' if one.state == State.SIGNED else 'to be signed anew'}: {begins}; {proof}."
