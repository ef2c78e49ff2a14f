"""manage.py list_organizations"""

from typing import Any

from django.core.management.base import CommandParser

from config.kernel.management.base import OperatorCommand
from orgs.models import Organization


class Command(OperatorCommand):
    """List organizations, oldest first: id, slug, status, plan, name."""

    help = "List organizations, oldest first: id, slug, status, plan, name."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", choices=Organization.Status.values)

    def run(self, **options: Any) -> None:
        organizations = Organization.objects.order_by("id")
        if options["status"]:
            organizations = organizations.filter(status=options["status"])
        self.answer_list(
            {
                "id": organization.public_id,
                "slug": organization.slug,
                "status": organization.status,
                "plan": organization.plan,
                "name": organization.name,
            }
            for organization in organizations.iterator()
        )
