"""Key policies, as the REST interface reads and shows them."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Choice, Flag, Id, Whole
from config.kernel.api.serializers import Body, Record
from keys.models import LONGEST_LIFETIME_DAYS, Key, KeyPolicy

SHOWN = 50


class UnfitKey(serializers.Serializer):
    """A key that was made before the policy demanded what it does not keep."""

    id = Id("key")
    project_id = Id("prj")
    name = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class KeyPolicyRecord(Record):
    """What an organization demands of its keys. The keys that do not keep it are no part of its version."""

    uncounted = ("unfit_keys",)

    longest_lifetime_days = serializers.IntegerField(allow_null=True, help_text="null: no limit.")
    is_expiry_required = serializers.BooleanField(help_text="A longest lifetime requires an end by itself.")
    on_leak = serializers.ChoiceField(
        choices=KeyPolicy.OnLeak.values, help_text="What happens to a key of which somebody shows that it leaked."
    )
    unfit_keys = serializers.SerializerMethodField()

    @extend_schema_field(UnfitKey(many=True))
    def get_unfit_keys(self, policy: KeyPolicy) -> list[dict[str, object]]:
        """The keys that do not keep it, which were made before: the newest, 50 at most. They go on working."""
        rows = Key.objects.beyond(
            longest_lifetime=policy.longest_lifetime, is_expiry_required=policy.is_expiry_required
        )
        return list(UnfitKey(rows.order_by("-id")[:SHOWN], many=True).data)


class KeyPolicyChanges(Body):
    """What is left out stays as it is."""

    longest_lifetime_days = Whole(min_value=1, max_value=LONGEST_LIFETIME_DAYS, required=False, allow_null=True)
    is_expiry_required = Flag(required=False)
    on_leak = Choice(choices=KeyPolicy.OnLeak.values, required=False)
