"""manage.py verify_audit"""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from audit.chain import moment_text
from audit.checkpoints import Statement, read_statement, statements_in
from audit.models import AuditSeal
from audit.verifying import Report, verify
from config.kernel.identifiers import public_id
from config.kernel.management.base import OperatorCommand
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.management.named import organization_named
from orgs.models import Organization
from orgs.retention import audit_days

INSTALLATION = "installation"


class Command(OperatorCommand):
    """Verify the audit log: name the first record that was changed, removed, inserted or moved."""

    help = "Verify the audit log: name the first record that was changed, removed, inserted or moved. Fails if any was."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "organization", nargs="?", help=f"Its id or slug, or `{INSTALLATION}`; all of them by default."
        )
        parser.add_argument(
            "--checkpoint",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="A file of checkpoints that was kept elsewhere, as audit-checkpoints answered.",
        )

    def run(self, **options: Any) -> None:
        kept = self._kept(options["checkpoint"])
        names = self._names(options["organization"], kept)
        foreign = set(kept) - set(names)
        if foreign:
            named = ", ".join(public_id("org", organization) for organization in foreign)
            raise CommandError(f"The checkpoints are of other organizations: {named}.")
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
            reports = [self._verify(name, number, kept, progress) for number, name in names.items()]
        self._tell(reports, names, audit_days([report.organization_id for report in reports]))

    def _kept(self, files: list[Path]) -> dict[UUID, list[Statement]]:
        kept: dict[UUID, list[Statement]] = {}
        for file in files:
            try:
                texts = statements_in(file.read_text())
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(f"{file} cannot be read: {error}.") from error
            for text in texts:
                statement = read_statement(text)
                if statement is None:
                    raise CommandError(f"{file} was signed with a key that was withdrawn since; it proves nothing.")
                kept.setdefault(statement.organization_id, []).append(statement)
        return kept

    def _names(self, reference: str | None, kept: dict[UUID, list[Statement]]) -> dict[UUID, str]:
        if reference == INSTALLATION:
            return {INSTALLATION_ID: INSTALLATION}
        if reference:
            organization = organization_named(reference)
            return {organization.id: organization.slug}
        names = dict(Organization.objects.order_by("id").values_list("id", "slug"))
        return {INSTALLATION_ID: INSTALLATION, **names}

    def _verify(self, name: str, number: UUID, kept: dict[UUID, list[Statement]], progress: Progress) -> Report:
        with tenant_scope(number):
            head = AuditSeal.objects.head()
        task = progress.add_task(name, total=head.sequence if head else 0)
        return verify(number, kept=kept.get(number), progress=lambda links: progress.update(task, completed=links))

    def _tell(self, reports: list[Report], names: dict[UUID, str], days: dict[UUID, int | None]) -> None:
        wrong = [report for report in reports if report.finding]
        for report in reports if not self.as_json else []:
            self.stderr.write(f"{names[report.organization_id]}: {words_of(report, days.get(report.organization_id))}")
        whole = f"{len(reports)} logs hold." if not wrong else f"{len(wrong)} of {len(reports)} logs do not hold."
        rows = [
            {
                "organization": names[report.organization_id],
                "records": report.links,
                "begins_after": report.begins_after,
                "checkpoints": report.checkpoints,
                "dropped_before": report.dropped_before and moment_text(report.dropped_before),
                "dropped_early": is_early(report, days.get(report.organization_id)),
                "untrusted_checkpoints": report.untrusted,
                "unconfirmed_checkpoints": report.unconfirmed,
                "finding": report.finding and vars(report.finding),
            }
            for report in reports
        ]
        if not wrong or self.as_json:
            self.answer(whole, data={"holds": not wrong, "organizations": rows})
        if wrong:
            raise CommandError(whole)


def is_early(report: Report, days: int | None) -> bool:
    """Whether records are gone that would be kept now: for `days`, None for good."""
    if report.dropped_before is None:
        return False
    return days is None or report.dropped_before + timedelta(days=days) > timezone.now()


def words_of(report: Report, days: int | None) -> str:
    """One line for people. `days` is for how long the log is kept now, None for good."""
    checked = f"{report.links} records hold, {report.checkpoints} checkpoints agree"
    if report.dropped_before:
        before = f"{report.dropped_before:%Y-%m-%d}"
        begins = (
            f"begins behind number {report.begins_after}, as signed when older records were dropped (before {before})"
        )
        if is_early(report, days):
            kept = f"for {days} days" if days else "for good"
            begins += f", though its records are kept {kept} now: make sure that they were not when it was dropped"
        checked = f"{begins}; {checked}"
    if report.unconfirmed:
        checked += f", {report.unconfirmed} are of before that beginning and cannot be confirmed any more"
    if report.untrusted:
        checked += f", {report.untrusted} were signed with withdrawn keys and do not count"
    if report.finding is None:
        return f"{checked}."
    finding = report.finding
    place = f"number {finding.sequence}" if finding.sequence else ""
    which = " ".join(filter(None, [place, finding.record]))
    return f"{finding.kind.upper()}: {which}: {finding.words} ({report.links} records before it hold)."
