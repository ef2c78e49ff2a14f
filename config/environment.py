"""The environment as settings: each variable is declared once, with what it means, and read where it is declared.

`manage.py generate_docs` draws docs/settings.md from the declarations.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import environs
from marshmallow import ValidationError
from marshmallow.validate import OneOf

LARGEST_PORT = 65535


@dataclass(frozen=True)
class Setting:
    """One environment variable. `kind` and `default` are in words."""

    section: str
    name: str
    kind: str
    default: str
    meaning: str


class Environment:
    """Reads variables and remembers their declarations. `default_words` stands for a default that is worked out."""

    def __init__(self) -> None:
        self._reader = environs.Env(eager=False)
        self._section = ""
        self.settings: list[Setting] = []

    def section(self, title: str) -> None:
        """What follows belongs under this heading."""
        self._section = title

    def text(self, name: str, default: str, meaning: str, *, default_words: str | None = None, **checks: Any) -> str:
        """A text."""
        self._declare(name, "text", f"`{default}`" if default else "none", meaning, default_words)
        return self._reader.str(name, default, **checks)

    def choice(self, name: str, default: str, meaning: str, *, choices: list[str]) -> str:
        """One of a few words."""
        self._declare(name, " or ".join(f"`{word}`" for word in choices), f"`{default}`", meaning, None)
        return self._reader.str(name, default, validate=OneOf(choices))

    def flag(self, name: str, meaning: str, *, default: bool) -> bool:
        """Yes or no."""
        self._declare(name, "`true` or `false`", f"`{str(default).lower()}`", meaning, None)
        return self._reader.bool(name, default)

    def number(self, name: str, default: int, meaning: str, **checks: Any) -> int:
        """A whole number."""
        self._declare(name, "whole number", f"`{default}`", meaning, None)
        return self._reader.int(name, default, **checks)

    def texts(self, name: str, default: list[str], meaning: str, *, default_words: str | None = None) -> list[str]:
        """Texts separated by commas."""
        words = ", ".join(f"`{text}`" for text in default) or "none"
        self._declare(name, "texts separated by commas", words, meaning, default_words)
        return self._reader.list(name, default)

    def mapping(self, name: str, meaning: str) -> dict[str, Any]:
        """A JSON object; empty without one."""
        self._declare(name, "JSON object", "none", meaning, None)
        return cast("dict[str, Any]", self._reader.json(name, {}))

    def socket(self, name: str, meaning: str, *, port: int, default_words: str) -> tuple[str, int] | None:
        """An IP address, with a port if it is not `port`: `10.0.0.2`, `10.0.0.2:5353`, `[::1]:53`. None without one."""
        self._declare(name, "IP address, and port if it is not the usual one", "none", meaning, default_words)

        def readable(text: str) -> None:
            if text and _socket(text, port) is None:
                raise ValidationError("Write an IP address, with or without a port: 10.0.0.2:53, [::1]:53.")

        return _socket(self._reader.str(name, "", validate=readable) or "", port)

    def folder(self, name: str, default: Path, meaning: str, *, default_words: str) -> Path:
        """A folder, as an absolute path."""
        self._declare(name, "folder", "", meaning, default_words)
        return self._reader.path(name, default).resolve()

    def problems(self) -> list[str]:
        """Everything that could not be read, a sentence each."""
        try:
            self._reader.seal()
        except environs.EnvValidationError as error:
            wrong: Any = error.error_messages
            return [f"{name}: {' '.join(map(str, sentences))}" for name, sentences in wrong.items()]
        return []

    def _declare(self, name: str, kind: str, default: str, meaning: str, default_words: str | None) -> None:
        self.settings.append(Setting(self._section, name, kind, default_words or default, meaning))


def _socket(text: str, port: int) -> tuple[str, int] | None:
    """None for what is no address."""
    whole = re.fullmatch(r"\[(?P<six>[^\]]+)\](?::(?P<port6>\d{1,5}))?|(?P<four>[0-9.]+)(?::(?P<port4>\d{1,5}))?", text)
    host, given = (whole["six"] or whole["four"], whole["port6"] or whole["port4"]) if whole else (text, None)
    try:
        address = str(ipaddress.ip_address(host))
    except ValueError:
        return None
    number = int(given) if given else port
    return (address, number) if 0 < number <= LARGEST_PORT else None
