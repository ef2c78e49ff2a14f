"""The base of the operator's commands: data and secrets on standard output, words for people on standard error."""

import getpass
import json
import sys
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.kernel.errors import TenantryError
from config.kernel.principals import StaffPrincipal


def operator() -> StaffPrincipal:
    """Whoever has a shell on the installation: the actor of everything that commands do."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        name = "unknown"
    return StaffPrincipal(id="command_line", label=f"Command line ({name})")


class OperatorCommand(BaseCommand):
    """Subclasses write `run(**options)`, which calls one service and `answer`s once."""

    as_json = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Every command takes `--json`."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.add_argument("--json", action="store_true", help="Answer with one JSON object on standard output.")
        return parser

    def handle(self, *_args: Any, **options: Any) -> None:
        """Runs the command; an error of ours becomes its sentence and exit code 1."""
        self.as_json = options.pop("json", False)
        try:
            self.run(**options)
        except TenantryError as error:
            raise CommandError(error.sentence) from error

    def run(self, **options: Any) -> None:
        """The work."""
        raise NotImplementedError

    def answer(self, words: str, *, data: dict[str, Any], secret: str | None = None) -> None:
        """Ends the command: `words` for people, `secret` alone on standard output; with --json all of `data`."""
        if self.as_json:
            self.stdout.write(json.dumps(data, default=str))
            return
        self.stderr.write(words, self.style.SUCCESS)
        if secret is not None:
            self.stdout.write(secret)

    def answer_list(self, rows: Iterable[dict[str, Any]]) -> None:
        """Ends a command that lists: one tab-separated line a row, or with --json `{"data": rows}`."""
        if self.as_json:
            self.stdout.write(json.dumps({"data": list(rows)}, default=str))
            return
        for row in rows:
            self.stdout.write("\t".join(map(str, row.values())))


def read_secret(prompt: str) -> str:
    """A password or token: from the terminal without echo, or a line of standard input when that is no terminal.

    Raises CommandError when nothing is given.
    """
    text = getpass.getpass(f"{prompt}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise CommandError(f"{prompt}: give it at the prompt or as a line of standard input.")
    return text
