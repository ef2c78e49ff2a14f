"""The ledger's monthly partitions. They are the owner's, and made ahead by a function of the owner's.

The runtime role may call it and nothing else: it makes the partitions of this month and the three after it.
"""

from typing import Any

from django.apps import AppConfig
from django.db import connections


def make_partitions(using: str = "default") -> int:
    """Makes what is missing. Returns how many."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT audit_make_partitions()")
        return cursor.fetchone()[0]


def make_after_migrate(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Receiver of post_migrate, so that an installation which was off for months has its partitions."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regproc('audit_make_partitions') IS NOT NULL")
        is_there = cursor.fetchone()[0]
    if is_there:
        make_partitions(using)
