"""Usage, as the REST interface is asked for it and shows it."""

import re
from datetime import date
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Id, Text
from config.kernel.api.serializers import Limit, Query, Record
from projects.models.usage import CALLER_LENGTH, DIMENSIONS, DOMAIN_LENGTH, NAME_LENGTH
from projects.selectors import LONGEST_DAYS, in_order

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LONGEST_CURSOR = 2000
LONGEST_REFERENCE = 80
LONGEST_GROUPS = 60
BASE64 = r"\A[A-Za-z0-9_-]+\Z"


@extend_schema_field(OpenApiTypes.DATE)
class Day(serializers.DateField):
    """A day as 2031-05-04."""

    default_error_messages = {"invalid": "Write a day such as 2031-05-04."}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not DAY.fullmatch(value):
            self.fail("invalid")
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail("invalid")


class Groups(Text):
    """Some of the dimensions, separated by commas."""

    default_error_messages = {"groups": f"Name each of {', '.join(DIMENSIONS)} at most once, separated by commas."}

    def to_internal_value(self, data: Any) -> Any:
        names = super().to_internal_value(data).split(",")
        if len(set(names)) != len(names) or not set(names) <= set(DIMENSIONS):
            self.fail("groups")
        return in_order(names)


class UsageFilter(Query):
    """Which days, and whose usage."""

    key = Text(required=False, max_length=CALLER_LENGTH, help_text="The id of a key or an agent.")
    domain = Text(
        required=False, max_length=DOMAIN_LENGTH, allow_blank=True, help_text="A host; empty for what servers sent."
    )
    name = Text(required=False, max_length=NAME_LENGTH, help_text="The name of an event.")

    def get_fields(self) -> dict[str, serializers.Field]:
        """`from` is a word of Python's, so it cannot be written above."""
        last = f"The last day (UTC); at most {LONGEST_DAYS} days. By default today."
        return {
            "from": Day(required=False, help_text="The first day (UTC), by default 29 days before the last."),
            "to": Day(required=False, help_text=last),
            **super().get_fields(),
        }


class UsageQuery(UsageFilter):
    """A page of groups."""

    group_by = Groups(
        required=False, max_length=LONGEST_GROUPS, default=["day"], help_text="Such as `day` or `project,name`."
    )
    cursor = serializers.RegexField(
        BASE64,
        required=False,
        max_length=LONGEST_CURSOR,
        trim_whitespace=False,
        error_messages={"invalid": "Use the cursor of a previous answer's next, or none."},
        help_text="`next` of the answer before; without it the first page.",
    )
    limit = Limit(help_text="How many groups the page may have.")


class ProjectReference(Query):
    """One project of the organization."""

    project = Text(required=False, max_length=LONGEST_REFERENCE, help_text="The id or slug of a project.")


class OrganizationUsageQuery(UsageQuery, ProjectReference):
    """The same, of all projects or one."""


class OrganizationUsageFilter(UsageFilter, ProjectReference):
    """The same, of all projects or one."""


class UsageRow(Record):
    """How many events one group has. What they are not grouped by is null."""

    day = serializers.DateField(allow_null=True)
    project_id = Id("prj", allow_null=True)
    key_id = serializers.CharField(allow_null=True, help_text="A key or an agent.")
    domain = serializers.CharField(allow_null=True, help_text="Empty for what servers sent.")
    name = serializers.CharField(allow_null=True)
    count = serializers.IntegerField()


class QuotaRecord(Record):
    """What is used of the plan's events in the month in hand (UTC), by when events were received."""

    plan = serializers.CharField()
    month = serializers.CharField(help_text="Such as 2031-05.")
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="Null for no limit.")
    resets_on = serializers.DateField()


class UsageReport(Record):
    """Usage of a period, by the days of the events' timestamps."""

    total = serializers.IntegerField(help_text="All events of the period that fit the filters.")
    quota = QuotaRecord()
    data = UsageRow(many=True)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    next = serializers.CharField(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        """With the period."""
        return {"from": serializers.DateField(), "to": serializers.DateField(), **super().get_fields()}
