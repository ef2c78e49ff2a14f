"""How PostgreSQL is reached."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict


def database(url: str, *, prepared: bool) -> dict[str, Any]:
    """Django's settings of a `postgresql://` URL, in any spelling that libpq reads.

    `prepared`: whether config/kernel/statements.py may prepare statements, which Django's own cursors never do.
    """
    parts = conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "tenantry"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {**parts, "prepare_threshold": 0 if prepared else None},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        # A cursor of the server's own would outlive the message that carries the tenant scope.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
