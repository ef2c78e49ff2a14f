"""Bases of what the REST interface reads: nothing is coerced, nothing unknown is dropped silently."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers


class Body(serializers.Serializer):
    """A request body. A field that is not declared is an error: a typing mistake must not change the meaning."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(set(map(str, data)) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name: ["This field is not known here; leave it out."] for name in unknown}
                )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A string that must come as a string. NUL bytes are refused by CharField itself, lone surrogates here."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            data.encode()
        except UnicodeEncodeError:
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, and nothing that merely looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
