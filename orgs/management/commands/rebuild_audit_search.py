"""manage.py rebuild_audit_search"""

from typing import Any

from django.core.management.base import CommandParser

from audit.indexing import index_all, rebuild
from config.kernel.management.base import OperatorCommand
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs.management.named import organization_named

INSTALLATION = "installation"


class Command(OperatorCommand):
    """Make the words by which the audit log is searched again, from the log itself."""

    help = (
        "Make the words by which the audit log is searched again, from the log itself. Searching works meanwhile, "
        "but looks back less far at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "organization", nargs="?", help=f"Its id or slug, or `{INSTALLATION}`; all of them by default."
        )

    def run(self, **options: Any) -> None:
        reference = options["organization"]
        if reference == INSTALLATION:
            blocks = rebuild(INSTALLATION_ID)
        else:
            blocks = rebuild(organization_named(reference).id if reference else None)
        # The worker's indexer, if it runs, takes its share.
        while index_all():
            pass
        self.answer(f"{blocks} blocks of the audit log have their words again.", data={"blocks": blocks})
