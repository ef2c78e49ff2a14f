"""Fields of what the REST interface reads and shows. Nothing is coerced: 1 is not "1", and "true" is not true."""

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.errors import Absent
from config.kernel.identifiers import TYPE_ID, parse_public_id, public_id
from config.kernel.permissions import Permission

NAME_LENGTH = 120
METADATA_ENTRIES = 50
METADATA_NAME_LENGTH = 40
METADATA_TEXT_LENGTH = 500
LARGEST_NUMBER = 10**15  # beyond it programs that read numbers as doubles lose digits
FARTHEST = timedelta(days=366 * 100)
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

one_line = RegexValidator(r"\A[^\x00-\x1f\x7f]*\Z", "Write one line without control characters.")
some_lines = RegexValidator(r"\A[^\x00-\x09\x0b-\x1f\x7f]*\Z", "Write text without control characters.")


class Text(serializers.CharField):
    """One line that must come as a string. Lone surrogates and NUL are refused with the other control characters."""

    def __init__(self, *, multiline: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(some_lines if multiline else one_line)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            data.encode()
        except UnicodeEncodeError:
            self.fail("invalid")
        return super().to_internal_value(data)


class Name(Text):
    """What people call a thing."""

    def __init__(self, *, max_length: int = NAME_LENGTH, **kwargs: Any) -> None:
        super().__init__(max_length=max_length, **kwargs)


class Email(Text, serializers.EmailField):
    """One address."""


class Slug(Text):
    """The part of an address that names something: `acme-robotics`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=48, trim_whitespace=False, **kwargs)
        sentence = "Use up to 48 lower-case letters, digits and hyphens, beginning and ending with a letter or digit."
        self.validators[-1] = RegexValidator(r"\A[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?\Z", sentence)


class Flag(serializers.BooleanField):
    """true or false, and nothing that merely looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Whole(serializers.IntegerField):
    """A whole number that comes as a number."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Choice(serializers.ChoiceField):
    """One of a few strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A time by RFC 3339 with its offset from UTC, less than a hundred years away."""

    default_error_messages = {
        "invalid": "Write a time with its offset from UTC, such as 2031-05-04T10:00:00Z.",
        "far": "Choose a time less than a hundred years away.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            self.fail("invalid")
        try:
            moment = parse_datetime(value.upper())
            if moment is None:
                self.fail("invalid")
            moment = moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid")
        if abs(moment - timezone.now()) > FARTHEST:
            self.fail("far")
        return moment


class PublicId(Text):
    """A TypeID of one kind, read as its UUID. One that does not parse is answered like one that does not exist."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.validators[-1] = RegexValidator(rf"\A{prefix}_{TYPE_ID}\Z")

    def run_validation(self, data: Any = serializers.empty) -> UUID | None:
        if not isinstance(data, str):
            return super().run_validation(data)
        found = parse_public_id(self.prefix, data)
        if found is None:
            raise Absent
        return found


class Id(serializers.CharField):
    """A UUID shown as a TypeID."""

    def __init__(self, prefix: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix
        self.validators[:] = [RegexValidator(rf"\A{prefix}_{TYPE_ID}\Z")]

    def to_representation(self, value: Any) -> str:
        return public_id(self.prefix, value)


class Permissions(serializers.ListField):
    """Names of permissions."""

    def __init__(self, allowed: frozenset[Permission], **kwargs: Any) -> None:
        names = sorted(permission.value for permission in allowed)
        super().__init__(child=Choice(choices=names), max_length=len(Permission), **kwargs)

    def to_representation(self, data: Any) -> list[str]:
        return sorted(str(name) for name in data)


class Address(Text):
    """One IPv4 or IPv6 address."""

    default_error_messages = {"address": "Write one IPv4 or IPv6 address."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=45, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        try:
            return str(ipaddress.ip_address(super().to_internal_value(data)))
        except ValueError:
            self.fail("address")


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": METADATA_ENTRIES,
        "propertyNames": {"minLength": 1, "maxLength": METADATA_NAME_LENGTH},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"], "maxLength": METADATA_TEXT_LENGTH},
    }
)
class Metadata(serializers.Field):
    """A flat object of a caller's own: strings, numbers, booleans and nulls by name."""

    default_error_messages = {
        "invalid": "Send an object of strings, numbers, booleans and nulls.",
        "entries": f"Keep at most {METADATA_ENTRIES} entries.",
        "name": f"Use names of 1 to {METADATA_NAME_LENGTH} characters on one line.",
        "text": f"Use strings of up to {METADATA_TEXT_LENGTH} characters without NUL.",
        "number": "Use numbers of up to 15 digits.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > METADATA_ENTRIES:
            self.fail("entries")
        for name, value in data.items():
            if not 1 <= len(name) <= METADATA_NAME_LENGTH or not name.isprintable():
                self.fail("name")
            if not isinstance(value, str | int | float | None):
                self.fail("invalid")
            if isinstance(value, str) and (len(value) > METADATA_TEXT_LENGTH or "\x00" in value):
                self.fail("text")
            if isinstance(value, int | float) and abs(value) >= LARGEST_NUMBER:
                self.fail("number")
        return data

    def to_representation(self, value: Any) -> Any:
        return value
