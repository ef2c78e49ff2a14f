"""Importing keys of another system, as the REST interface reads and answers it."""

from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Metadata, Moment, Name, Text
from config.kernel.api.serializers import Body, Record
from keys.models import Key
from keys.serializers.keys import NOTE_LENGTH, KeyPermissions, Networks, RateLimitBody, Uses
from keys.services.imports import MOST_LINES, START_LENGTH, Status

SHA256_LENGTH = 64


class ForeignKey(Body):
    """A secret key that another system made. The key itself is never sent."""

    sha256 = Text(min_length=SHA256_LENGTH, max_length=SHA256_LENGTH, help_text="Its SHA-256 in hexadecimal.")
    start = Text(max_length=START_LENGTH, help_text="Its first characters, to recognize it by.")
    name = Name()
    mode = Choice(choices=Key.Mode.values, default=Key.Mode.LIVE.value)
    note = Text(multiline=True, max_length=NOTE_LENGTH, required=False, allow_blank=True)
    permissions = KeyPermissions(required=False, help_text="A preset or a list; without it the preset `runner`.")
    expires_at = Moment(required=False, allow_null=True)
    allowed_ips = Networks(required=False)
    rate_limit = RateLimitBody(required=False, allow_null=True)
    remaining = Uses(required=False, allow_null=True)
    metadata = Metadata(required=False)


class ForeignKeys(Body):
    """A batch of them."""

    keys = serializers.ListField(child=ForeignKey(), min_length=1, max_length=MOST_LINES)


class ImportedLine(serializers.Serializer):
    """What became of one of them."""

    status = serializers.ChoiceField(choices=[status.value for status in Status])
    id = Id("key", source="key.id", allow_null=True, default=None)
    code = serializers.CharField(source="error.code", allow_null=True, default=None)
    detail = serializers.CharField(
        source="error.detail", allow_null=True, default=None, help_text="Why it was refused, and what to do."
    )


class ImportRecord(Record):
    """What became of each, in the order in which they came."""

    data = ImportedLine(many=True)  # type: ignore[assignment]  # DRF takes declared fields out of the class
