"""Questions about keys and their answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Address, Choice, Metadata, Permissions, Text, Whole
from config.kernel.api.serializers import Body, Record
from config.kernel.permissions import KEY_PERMISSIONS, Permission
from keys.models import Key
from keys.verification import Code

BATCH = 100
LONGEST_KEY = 1000
LONGEST_ORIGIN = 300
LARGEST_COST = 1_000_000


class KeyQuestion(Body):
    """May this key, from this origin and address, do this?"""

    key = Text(max_length=LONGEST_KEY, trim_whitespace=False, allow_blank=True)
    origin = Text(
        max_length=LONGEST_ORIGIN, required=False, allow_null=True, help_text="The Origin header that it came with."
    )
    ip = Address(required=False, allow_null=True, help_text="The address that it came from.")
    permission = Choice(choices=sorted(p.value for p in Permission), required=False, allow_null=True)
    cost = Whole(min_value=1, max_value=LARGEST_COST, default=1, help_text="How many requests this one counts for.")


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": BATCH,
        "items": {"oneOf": [{"type": "string"}, {"$ref": "#/components/schemas/KeyQuestionRequest"}]},
    }
)
class KeyQuestions(serializers.ListField):
    """Questions; a bare string asks about the key alone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=KeyQuestion(), min_length=1, max_length=BATCH, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list):
            data = [{"key": item} if isinstance(item, str) else item for item in data]
        return super().to_internal_value(data)


class KeyBatch(Body):
    """Several questions at once."""

    keys = KeyQuestions()


class RateLimit(Record):
    """What is left of a key's rate limit."""

    limit = serializers.IntegerField()
    remaining = serializers.IntegerField()
    reset = serializers.IntegerField(help_text="Seconds until the window begins anew.")


class VerificationRecord(Record):
    """Whether to let a key pass, and the first cause that applies. Of a key that was not found nothing is told."""

    valid = serializers.BooleanField()
    code = serializers.ChoiceField(choices=[code.value for code in Code])
    key_id = serializers.CharField(allow_null=True)
    organization_id = serializers.CharField(allow_null=True)
    project_id = serializers.CharField(allow_null=True)
    kind = serializers.ChoiceField(choices=Key.Kind.values, allow_null=True)
    mode = serializers.ChoiceField(choices=Key.Mode.values, allow_null=True)
    permissions = Permissions(KEY_PERMISSIONS)
    plan = serializers.CharField(allow_null=True)
    metadata = Metadata()
    expires_at = serializers.DateTimeField(allow_null=True)
    ratelimit = RateLimit(allow_null=True)
    remaining = serializers.IntegerField(allow_null=True)


class VerificationRecords(Record):
    """One answer for each question, in order."""

    data = VerificationRecord(many=True)  # type: ignore[assignment]  # DRF takes declared fields out of the class
