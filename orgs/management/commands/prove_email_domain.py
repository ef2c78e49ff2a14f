"""manage.py prove_email_domain"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.tenancy.scope import tenant_scope
from orgs.management.named import organization_named
from orgs.services.email_domains import prove_by_staff


class Command(OperatorCommand):
    """Mark an e-mail domain of an organization as proven, without a record in the DNS."""

    help = "Mark an e-mail domain of an organization as proven, without a record in the DNS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")
        parser.add_argument("domain", help="What stands behind the @, such as example.com.")
        parser.add_argument("--reason", required=True, help="Why, for the audit log.")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            row = prove_by_staff(actor=operator(), domain=options["domain"], reason=options["reason"])
        self.answer(
            f"{row.domain} is proven for {organization.name}; no check of the DNS undoes it.",
            data={"id": row.public_id, "domain": row.domain, "status": row.status},
        )
