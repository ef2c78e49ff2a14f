#!/usr/bin/env python
"""Runs Tenantry's management commands: `manage.py COMMAND --help`."""

import os
import sys

# These change or read the schema, which belongs to the owner role; everything else runs as the unprivileged role.
OWNER_COMMANDS = {
    "migrate",
    "sqlmigrate",
    "makemigrations",
    "lintmigrations",
    "showmigrations",
    "optimizemigration",
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ["TENANTRY_DATABASE_AS_OWNER"] = "true"
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
