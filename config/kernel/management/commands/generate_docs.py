"""manage.py generate_docs"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from config.kernel.documentation import pages
from config.kernel.management.base import OperatorCommand


class Command(OperatorCommand):
    """Writes docs/*.md and docs/openapi.json, or tells with --check which of them are stale."""

    help = "Write the generated pages of docs/. With --check only tell whether they are up to date."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="Write nothing; fail when a page is stale.")

    def run(self, **options: Any) -> None:
        folder = Path(settings.BASE_DIR) / "docs"
        stale = {name: text for name, text in pages().items() if not is_current(folder / name, text)}
        names = ", ".join(f"docs/{name}" for name in stale)
        if options["check"]:
            if stale:
                raise CommandError(f"Stale: {names}. Run `manage.py generate_docs`.")
            self.answer("The generated pages are up to date.", data={"stale": []})
            return
        folder.mkdir(exist_ok=True)
        for name, text in stale.items():
            (folder / name).write_text(text, encoding="utf-8")
        self.answer(
            f"Written: {names}." if stale else "The generated pages were up to date.", data={"written": list(stale)}
        )


def is_current(path: Path, text: str) -> bool:
    """Whether the file has exactly this text."""
    return path.exists() and path.read_text(encoding="utf-8") == text
