"""manage.py disable_organization"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand, operator
from config.kernel.tenancy.scope import tenant_scope
from orgs.management.named import organization_named
from orgs.services.organizations import disable_organization


class Command(OperatorCommand):
    """Refuse every credential of an organization at once."""

    help = "Refuse every credential of an organization at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="Its id or slug.")
        parser.add_argument("--reason", required=True, help="Why, for the audit log.")

    def run(self, **options: Any) -> None:
        organization = organization_named(options["organization"])
        with tenant_scope(organization.id):
            organization = disable_organization(actor=operator(), reason=options["reason"])
        self.answer(
            f"{organization.name} is {organization.status}.",
            data={"id": organization.public_id, "status": organization.status},
        )
