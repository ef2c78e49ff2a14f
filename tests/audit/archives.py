"""Exports of Acme's ledger, and the script in them, run where no server is."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from audit import exporting
from audit.models import AuditExport
from audit.services.exports import request_export
from config.kernel.tenancy.scope import tenant_scope
from tests.cast import Cast


def asked(cast: Cast, kind: str = "jsonl", **filters: Any) -> AuditExport:
    with tenant_scope(cast.acme.id):
        return request_export(actor=cast.principal(cast.viewer), kind=kind, filters=filters)


def made(cast: Cast, kind: str = "jsonl", **filters: Any) -> AuditExport:
    """Asked for and made."""
    export = asked(cast, kind, **filters)
    with tenant_scope(cast.acme.id):
        assert exporting.make_export(export.id) == "ready"
        export.refresh_from_db()
    return export


def unpacked(export: AuditExport, folder: Path) -> Path:
    with default_storage.open(export.path) as file, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().split("\n") if line]


def script(folder: Path, *kept: str) -> subprocess.CompletedProcess[str]:
    """The script of the archive, with nothing of Tenantry in its reach."""
    return subprocess.run(
        [sys.executable, "verify_audit.py", ".", *kept],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
    )


def spoil(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    lines = lines_of(folder)
    change(lines)
    (folder / "records.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
