"""What commands about the audit log are given: which logs, and files that were kept elsewhere."""

from collections.abc import Collection
from pathlib import Path
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from audit.checkpoints import Statement, keys_in, read_statement, statements_in
from audit.selectors import organizations_with_links
from config.kernel.errors import Invalid
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope
from orgs.management.named import organization_named
from orgs.models import Organization

INSTALLATION = "installation"


def add_evidence(parser: CommandParser) -> None:
    """The arguments `organization`, `checkpoint` and `keys`."""
    parser.add_argument("organization", nargs="?", help=f"Its id or slug, or `{INSTALLATION}`; all of them by default.")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="A file of checkpoints that was kept elsewhere, as audit-checkpoints answered.",
    )
    parser.add_argument(
        "--keys",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="A key set (/.well-known/jwks.json) that was kept elsewhere. The keys of such files alone count then, "
        "instead of those in the database; for kept checkpoints also those that were withdrawn since.",
    )


def logs_named(reference: str | None) -> dict[UUID, str]:
    """The names of the logs by organization: of the one named, or of all.

    A log whose organization is not there has its id for a name: erasing takes the log along, so somebody removed the
    organization, or gave it another id, past the program.
    """
    if reference == INSTALLATION:
        return {INSTALLATION_ID: INSTALLATION}
    if reference:
        organization = organization_named(reference)
        return {organization.id: organization.slug}
    with system_scope("whose logs there are"):
        found = organizations_with_links()
    names = {INSTALLATION_ID: INSTALLATION, **dict(Organization.objects.order_by("id").values_list("id", "slug"))}
    return names | {number: public_id("org", number) for number in found if number not in names}


def kept_keys(files: Collection[Path]) -> dict[str, bytes] | None:
    """The keys of all these key sets by kid; None without a file."""
    found: dict[str, bytes] = {}
    for file in files:
        for kid, key in keys_in(_text(file)).items():
            if found.setdefault(kid, key) != key:
                raise CommandError(f"{file} has another key {kid} than the file before: one of them was changed.")
    return found if files else None


def kept_checkpoints(
    files: Collection[Path], keys: dict[str, bytes] | None, logs: Collection[UUID]
) -> dict[UUID, list[Statement]]:
    """The statements in these files by organization. Raises CommandError for one that proves nothing of these logs."""
    kept: dict[UUID, list[Statement]] = {}
    for file in files:
        for text in statements_in(_text(file)):
            try:
                statement = read_statement(text, keys)
            except Invalid as error:
                raise CommandError(f"{file}: {error.sentence}") from error
            if statement.is_withdrawn and keys is None:
                raise CommandError(
                    f"{file} was signed with a key that was withdrawn since; it proves nothing, unless you kept it "
                    "since before the key leaked: then name the key set that you kept with it (--keys)."
                )
            kept.setdefault(statement.organization_id, []).append(statement)
    foreign = set(kept) - set(logs)
    if foreign:
        named = ", ".join(public_id("org", organization) for organization in foreign)
        raise CommandError(f"The checkpoints are of other organizations: {named}.")
    return kept


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}.") from error
