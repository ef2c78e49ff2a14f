"""System checks of what is encrypted, by `check --database default` and before every migrate."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import ProgrammingError

from orgs.encryption import missing_master_keys


@register(Tags.database)
def check_master_keys(app_configs: Any, databases: Any = None, **_kwargs: Any) -> list[CheckMessage]:
    """No data key is under a master key that was taken away too early."""
    if not databases:
        return []
    try:
        missing = missing_master_keys()
    except ProgrammingError:  # before the first migrate
        return []
    if not missing:
        return []
    return [
        Error(
            f"Secrets are encrypted under master keys that are not configured: {', '.join(missing)}.",
            hint="Add them to the end of TENANTRY_ENCRYPTION_KEYS, and run `manage.py rotate_encryption_key`.",
            id="encryption.E001",
        )
    ]
