"""Files that are made while they are sent."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse

from config.kernel.tenancy.scope import tenant_scope
from projects.models.usage import UsageDayQuerySet
from projects.selectors import Period, usage_page

ROWS_AT_ONCE = 1000
CSV_TYPE = "text/csv"


class _Line:
    """What the csv module writes to: the last line."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text


def usage_csv(
    rows: UsageDayQuerySet, dimensions: Sequence[str], *, organization_id: UUID, projects: Mapping[UUID, str],
    period: Period, name: str,
) -> StreamingHttpResponse:  # fmt: skip
    """The groups of `rows` as CSV (RFC 4180) with a line of titles. Projects are written by their slugs.

    Lines are read while they are sent, a page at a time, when the scope of the view is over.
    """
    response = StreamingHttpResponse(
        _lines(rows, dimensions, organization_id, projects), content_type=f"{CSV_TYPE}; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{name}-usage-{period.start}-{period.end}.csv"'
    response["Cache-Control"] = "no-store"
    return response


def _lines(
    rows: UsageDayQuerySet, dimensions: Sequence[str], organization_id: UUID, projects: Mapping[UUID, str]
) -> Iterator[str]:
    line = _Line()
    writer = csv.writer(line)
    writer.writerow([*dimensions, "count"])
    yield line.text
    cursor = None
    while True:
        with tenant_scope(organization_id):
            page = usage_page(rows, dimensions, cursor=cursor, limit=ROWS_AT_ONCE)
        for row in page.rows:
            writer.writerow([*(_cell(name, row[name], projects) for name in dimensions), row["total"]])
            yield line.text
        cursor = page.next
        if cursor is None:
            return


def _cell(dimension: str, value: Any, projects: Mapping[UUID, str]) -> str:
    return projects.get(value, str(value)) if dimension == "project" else str(value)
