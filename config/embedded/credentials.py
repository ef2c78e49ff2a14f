"""Passwords of the embedded servers and development secrets: made once, kept in the home, mode 0600."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from config.embedded.processes import write_private


@dataclass(frozen=True, repr=False)
class Credentials:
    """Random texts of the URL-safe alphabet: base64 of as many bytes as the field says."""

    postgres_superuser: str
    postgres_owner: str
    postgres_app: str
    valkey: str
    secret_key: str
    encryption_key: str = field(metadata={"bytes": 32})

    @classmethod
    def of(cls, file: Path) -> Credentials:
        """Those stored in `file`, which is made, or completed by names it lacks, first."""
        stored = json.loads(file.read_text()) if file.exists() else {}
        sizes = {each.name: each.metadata.get("bytes", 48) for each in fields(cls)}
        credentials = cls(**{name: stored.get(name) or secrets.token_urlsafe(size) for name, size in sizes.items()})
        if asdict(credentials) != stored:
            write_private(file, json.dumps(asdict(credentials), indent=1))
        return credentials
