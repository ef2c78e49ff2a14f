"""A record as a line of an export: JSON Lines, or CSV that no spreadsheet takes for formulas."""

import csv
import io
import json
import re
from typing import Any

CSV_COLUMNS = (
    "sequence",
    "id",
    "created_at",
    "event",
    "result",
    "actor_kind",
    "actor_id",
    "actor_label",
    "target_kind",
    "target_id",
    "target_label",
    "data",
    "ip",
    "user_agent",
    "request_id",
    "organization_id",
    "digest",
)
# What spreadsheets take for the beginning of a formula, also behind blanks and in their full-width forms; and the
# apostrophe that is put before it, so that taking it away gives the text again.
# https://owasp.org/www-community/attacks/CSV_Injection
FORMULA = re.compile(r"[\s\0]*[=+\-@＝＋－＠]|['\t\r\n]")  # noqa: RUF001 - the full-width forms


def line_of(kind: str, record: dict[str, Any]) -> bytes:
    """One line in UTF-8. `record` is what `audit.chain.written` gives, with `sequence` (None) and `digest` (or empty).

    `kind` is `csv` or `jsonl`.
    """
    if kind == "jsonl":
        return json.dumps(record, ensure_ascii=False).encode() + b"\n"
    flat = {
        **record,
        **{f"{side}_{part}": value for side in ("actor", "target") for part, value in record[side].items()},
        "data": json.dumps(record["data"], ensure_ascii=False),
    }
    return csv_line([flat[name] for name in CSV_COLUMNS])


def csv_line(values: list[Any]) -> bytes:
    """RFC 4180, every value in quotes; None is empty."""
    line = io.StringIO()
    csv.writer(line, quoting=csv.QUOTE_ALL).writerow(
        [harmless("" if value is None else str(value)) for value in values]
    )
    return line.getvalue().encode()


def harmless(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet might calculate it."""
    return f"'{text}" if FORMULA.match(text) else text


HEADERS = {"csv": csv_line(list(CSV_COLUMNS)), "jsonl": b""}
