"""manage.py verify_audit"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audit.beginnings import Trust
from audit.chain import moment_text
from audit.checkpoints import Statement
from audit.models import AuditSeal
from audit.verifying import Report, verify
from config.kernel.management.base import OperatorCommand
from config.kernel.tenancy.scope import tenant_scope
from orgs.management.audit_evidence import add_evidence, kept_checkpoints, kept_keys, logs_named
from orgs.retention import audit_days

# Of a log without an organization.
LEFT = (
    " Its organization is not there, though erasing one takes its log along: find out who removed it, or gave it "
    "another id, in the database."
)


class Command(OperatorCommand):
    """Verify the audit log: name the first record that was changed, removed, inserted or moved."""

    help = "Verify the audit log: name the first record that was changed, removed, inserted or moved. Fails if any was."

    def add_arguments(self, parser: CommandParser) -> None:
        add_evidence(parser)

    def run(self, **options: Any) -> None:
        names = logs_named(options["organization"])
        keys = kept_keys(options["keys"])
        kept = kept_checkpoints(options["checkpoint"], keys, names)
        console = Console(stderr=True)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=self.as_json or not console.is_terminal,
        ) as progress:
            reports = [self._verify(name, number, kept, Trust(keys), progress) for number, name in names.items()]
        self._tell(reports, names, audit_days([report.organization_id for report in reports]))

    def _verify(
        self, name: str, number: UUID, kept: dict[UUID, list[Statement]], trust: Trust, progress: Progress
    ) -> Report:
        with tenant_scope(number):
            head = AuditSeal.objects.head()
        task = progress.add_task(name, total=head.sequence if head else 0)
        return verify(
            number,
            kept=kept.get(number),
            progress=lambda links: progress.update(task, completed=links),
            trust=trust,
        )

    def _tell(self, reports: list[Report], names: dict[UUID, str], days: dict[UUID, int | None]) -> None:
        wrong = [report for report in reports if report.finding]
        for report in reports if not self.as_json else []:
            words = words_of(report, days.get(report.organization_id))
            left = LEFT if report.organization_id not in days else ""
            self.stderr.write(f"{names[report.organization_id]}: {words}{left}")
        whole = f"{len(reports)} logs hold." if not wrong else f"{len(wrong)} of {len(reports)} logs do not hold."
        rows = [
            {
                "organization": names[report.organization_id],
                "records": report.links,
                "waiting": report.waiting,
                "begins_after": report.beginning.sequence,
                "checkpoints": report.checkpoints,
                "dropped_before": _text(report.beginning.dropped_before),
                "attested_at": _text(report.beginning.attested_at),
                "dropped_early": is_early(report, days.get(report.organization_id)),
                "untrusted_checkpoints": report.untrusted,
                "contradicting_checkpoints": report.contradicting,
                "unconfirmed_checkpoints": report.unconfirmed,
                "finding": report.finding and vars(report.finding),
            }
            for report in reports
        ]
        if not wrong or self.as_json:
            self.answer(whole, data={"holds": not wrong, "organizations": rows})
        if wrong:
            raise CommandError(whole)


def _text(moment: datetime | None) -> str | None:
    return moment_text(moment) if moment else None


def is_early(report: Report, days: int | None) -> bool:
    """Whether records are gone that would be kept now: for `days`, None for good."""
    if report.beginning.dropped_before is None:
        return False
    return days is None or report.beginning.dropped_before + timedelta(days=days) > timezone.now()


def words_of(report: Report, days: int | None) -> str:
    """One line for people. `days` is for how long the log is kept now, None for good."""
    checked = f"{report.links} records hold, {report.checkpoints} checkpoints agree"
    beginning = report.beginning
    if beginning.dropped_before:
        begins = (
            f"begins behind number {beginning.sequence}, as signed when older records were dropped "
            f"(before {beginning.dropped_before:%Y-%m-%d})"
        )
        if beginning.attested_at:
            begins += f", and signed anew on an operator's word on {beginning.attested_at:%Y-%m-%d}"
        if is_early(report, days):
            kept = f"for {days} days" if days else "for good"
            begins += f", though its records are kept {kept} now: make sure that they were not when it was dropped"
        checked = f"{begins}; {checked}"
    if report.unconfirmed:
        checked += f", {report.unconfirmed} are of before that beginning and cannot be confirmed any more"
    if report.untrusted:
        checked += f", {report.untrusted} were signed with keys that do not count"
    if report.contradicting:
        checked += (
            f"; {report.contradicting} of these say otherwise: the log was changed, or whoever has such a key wrote "
            "them, so hold checkpoints against it that were kept elsewhere"
        )
    if report.waiting:
        checked += f", {report.waiting} newer records are not sealed yet, of which nothing can be said"
    if report.finding is None:
        return f"{checked}."
    finding = report.finding
    place = f"number {finding.sequence}" if finding.sequence else ""
    which = " ".join(filter(None, [place, finding.record]))
    return f"{finding.kind.upper()}: {which}: {finding.words} ({report.links} records before it hold)."
