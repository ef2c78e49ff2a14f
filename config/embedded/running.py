"""What another terminal needs to know about the servers that run for a home."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from config.embedded.processes import ProcessRecord, start_mark, write_private


def _file(home: Path) -> Path:
    return home / "run" / "environment.json"


def publish(home: Path, environment: Mapping[str, str], servers: Iterable[ProcessRecord]) -> None:
    """Write `environment` (with its passwords: mode 0600) and the processes that show that it still holds."""
    supervisor = ProcessRecord("supervisor", os.getpid(), start_mark(os.getpid()) or "")
    processes = [asdict(record) for record in (supervisor, *servers)]
    write_private(_file(home), json.dumps({"processes": processes, "environment": dict(environment)}, indent=1))


def withdraw(home: Path) -> None:
    """Take the published environment back before the servers stop."""
    _file(home).unlink(missing_ok=True)


def running_environment(home: Path) -> dict[str, str] | None:
    """The environment of the servers running for `home`, or None when none run (or they are somebody else's).

    Has at least DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL.
    """
    try:
        published = json.loads(_file(home).read_text())
        processes = [ProcessRecord(**record) for record in published["processes"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not all(record.alive for record in processes):
        return None
    return {str(name): str(value) for name, value in published["environment"].items()}
