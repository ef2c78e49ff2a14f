"""manage.py list_service_accounts"""

from typing import Any

from config.kernel.management.base import OperatorCommand
from orgs.models import ServiceAccount


class Command(OperatorCommand):
    """Name every service account with the keyids of the secrets that work."""

    help = "Name every service account with the keyids of the secrets that work."

    def run(self, **options: Any) -> None:
        accounts = ServiceAccount.objects.with_usable_secrets().order_by("name")
        self.answer_list(
            {
                "id": account.public_id,
                "name": account.name,
                "status": "active" if account.is_active else "disabled",
                "key_ids": " ".join(secret.key_id for secret in account.secrets.all()),
            }
            for account in accounts
        )
