"""Cursor paging: lists are ordered by id, newest first; a cursor is the id of the last row seen."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from config.kernel.errors import Invalid

DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 100
CURSOR_LENGTH = 22


@dataclass(frozen=True)
class Page:
    """One page of `rows`; `next` is the cursor of the following page, None on the last."""

    rows: list[Any]
    next: str | None


def encode_cursor(last: UUID) -> str:
    """An opaque cursor of a fixed length."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(text: str) -> UUID:
    """The id behind a cursor. Raises Invalid for anything that is not one of ours."""
    sentence = "Use the cursor of a previous answer's next, or none."
    if len(text) != CURSOR_LENGTH:
        raise Invalid.field("cursor", sentence)
    try:
        return UUID(bytes=base64.b64decode(f"{text}==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error) as error:
        raise Invalid.field("cursor", sentence) from error


def page_of(rows: QuerySet, *, cursor: str | None = None, limit: int = DEFAULT_LIMIT) -> Page:
    """The page of `rows` after `cursor`. One query, one row more than `limit` to know whether there is a next page."""
    rows = rows.order_by("-id")
    if cursor:
        rows = rows.filter(id__lt=decode_cursor(cursor))
    found = list(rows[: limit + 1])
    more = len(found) > limit
    found = found[:limit]
    return Page(rows=found, next=encode_cursor(found[-1].pk) if more else None)


@dataclass(frozen=True)
class Window:
    """A page between its neighbours: cursors of what is `older` and `newer`, None where nothing is."""

    rows: list[Any]
    older: str | None
    newer: str | None


def window_of(
    rows: QuerySet, *, before: str | None = None, after: str | None = None, limit: int = DEFAULT_LIMIT
) -> Window:
    """The page older than `before`, or newer than `after`, or the newest; for lists that turn both ways."""
    if after:
        found = list(rows.order_by("id").filter(id__gt=decode_cursor(after))[: limit + 1])
        shown = found[:limit][::-1]
        if shown:
            newer = encode_cursor(shown[0].pk) if len(found) > limit else None
            return Window(shown, older=encode_cursor(shown[-1].pk), newer=newer)
    page = page_of(rows, cursor=before, limit=limit)
    if not before:
        return Window(page.rows, older=page.next, newer=None)
    return Window(page.rows, older=page.next, newer=encode_cursor(page.rows[0].pk) if page.rows else before)


def limit_of(text: str | None) -> int:
    """The `limit` parameter. Raises Invalid outside of 1 to MAXIMUM_LIMIT."""
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAXIMUM_LIMIT))):
        raise Invalid.field("limit", f"Send a whole number from 1 to {MAXIMUM_LIMIT}.")
    if not 1 <= int(text) <= MAXIMUM_LIMIT:
        raise Invalid.field("limit", f"Send a whole number from 1 to {MAXIMUM_LIMIT}.")
    return int(text)
