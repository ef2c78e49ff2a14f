"""Bases of what the REST interface reads and shows: nothing is coerced, nothing unknown is dropped silently."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from config.kernel.api.fields import Flag, Text
from config.kernel.paging import CURSOR_LENGTH, DEFAULT_LIMIT, MAXIMUM_LIMIT, limit_of

__all__ = ["Body", "Flag", "Limit", "PagedQuery", "ProblemBody", "Query", "Record", "RefusedCredential", "Text"]


class Body(serializers.Serializer):
    """A request body. A field that is not declared is an error: a typing mistake must not change the meaning.

    `also` is what the OpenAPI document says beside the fields: a rule between them.
    """

    also: ClassVar[dict[str, Any]] = {}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name: ["This field is not known here; leave it out."] for name in unknown}
                )
        return super().to_internal_value(data)


class Query(Body):
    """The parameters of a query string. A mistyped filter is an error, so that it never widens a list."""


class Limit(serializers.IntegerField):
    """How many rows a page has."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=MAXIMUM_LIMIT, default=DEFAULT_LIMIT, **kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, str):
            self.fail("invalid")
        return limit_of(data)


class PagedQuery(Query):
    """What every list understands."""

    cursor = serializers.RegexField(
        rf"\A[A-Za-z0-9_-]{{{CURSOR_LENGTH}}}\Z",
        required=False,
        trim_whitespace=False,
        error_messages={"invalid": "Use the cursor of a previous answer's next, or none."},
        help_text="`next` of the answer before; without it the first page.",
    )
    limit = Limit(help_text="How many records the page may have.")


class Record(serializers.Serializer):
    """A row as programs see it. Every field is always present.

    `uncounted` names those that use alone changes: they are no part of the version that ETag and If-Match name.
    """

    uncounted: ClassVar[tuple[str, ...]] = ()


class ProblemBody(serializers.Serializer):
    """An error (RFC 9457). `code` is stable, `detail` tells a person what to do next."""

    type = serializers.ChoiceField(choices=["about:blank"])
    title = serializers.CharField()
    status = serializers.IntegerField(min_value=400, max_value=599)
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields out of the class
        required=False, help_text="The sentences about each wrong field."
    )

    class Meta:
        ref_name = "Problem"


class RefusedCredential(serializers.Serializer):
    """No credential or a bad one: one body for every cause."""

    type = serializers.ChoiceField(choices=["about:blank"])
    title = serializers.ChoiceField(choices=["auth failure"])
    status = serializers.ChoiceField(choices=[401])

    class Meta:
        ref_name = "AuthFailure"
