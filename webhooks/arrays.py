"""Columns of many rows as one text each, which PostgreSQL reads far cheaper than JSON or than adapted lists."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson


def array_of(values: Sequence[str | int | UUID | datetime | None]) -> str:
    """An array of ids, words, numbers or moments, None for NULL. Not of texts that may need escapes."""
    # Without escapes both ways of writing a list are one but for the brackets.
    return "{" + orjson.dumps(values).decode()[1:-1] + "}"


def array_of_texts(texts: Sequence[str]) -> str:
    """An array of any texts without NUL."""
    # Most of a column are the same few.
    quoted = {text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in set(texts)}
    return "{" + ",".join([quoted[text] for text in texts]) + "}"
