"""Questions about access and their answers, as the OpenAPI document shows them; keys/decisions/wire.py reads them."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.fields import Choice, Text, Whole
from config.kernel.api.serializers import Body, Record
from config.kernel.permissions import Permission
from keys.decisions.facts import ResourceType, SubjectType
from keys.decisions.maker import LONGEST_TTL
from keys.decisions.wire import LARGEST_LIMIT, LONGEST_TEXT, MOST_EVALUATIONS, Semantic

TOKEN_LENGTH = 500


class OpenBody(Body):
    """A body whose unknown fields are ignored, as the standard asks."""

    also: ClassVar[dict[str, Any]] = {"additionalProperties": True}


@extend_schema_field({"type": "object", "additionalProperties": True})
class Attributes(serializers.DictField):
    """An object of the caller's own."""


class AccessEntityType(OpenBody):
    """What kind of subject or resource."""

    type = Text(max_length=LONGEST_TEXT)
    properties = Attributes(required=False)


class AccessSubject(AccessEntityType):
    """Who: a `user`, `key`, `agent` or `service_account`, by public id."""

    type = Text(max_length=LONGEST_TEXT, help_text=f"One of {', '.join(SubjectType)}.")
    id = Text(max_length=LONGEST_TEXT)


class AccessAction(OpenBody):
    """What: a permission."""

    name = Text(max_length=LONGEST_TEXT, help_text="A permission, such as manage_keys.")
    properties = Attributes(required=False)


class AccessResource(AccessEntityType):
    """With what: the `organization`, a `project`, or a registered `resource` by its trn."""

    type = Text(max_length=LONGEST_TEXT, help_text=f"One of {', '.join(ResourceType)}.")
    id = Text(max_length=LONGEST_TEXT)


class AccessQuestion(OpenBody):
    """May this subject do this with that resource?"""

    subject = AccessSubject()
    action = AccessAction()
    resource = AccessResource()
    context = Attributes(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class


class AccessOptions(OpenBody):
    """How a batch is worked off."""

    evaluations_semantic = Choice(choices=list(Semantic), required=False)


@extend_schema_field({"type": "object", "additionalProperties": True})
class Part(serializers.DictField):
    """A part of a question, which may be spread over an item and its defaults."""


class AccessItem(OpenBody):
    """One question of a batch; what it leaves out, the top level says."""

    subject = Part(required=False)
    action = Part(required=False)
    resource = Part(required=False)
    context = Part(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class


class AccessQuestions(AccessItem):
    """Questions with defaults. Without `evaluations` it is a single question."""

    evaluations = serializers.ListField(child=AccessItem(), max_length=MOST_EVALUATIONS, required=False)
    options = AccessOptions(required=False)


class AccessPage(OpenBody):
    """Which page."""

    token = Text(max_length=TOKEN_LENGTH, required=False, allow_blank=True, help_text="`next_token` of the last page.")
    limit = Whole(min_value=0, max_value=LARGEST_LIMIT, required=False)


class AccessSubjectSearch(OpenBody):
    """Who may?"""

    subject = AccessEntityType()
    action = AccessAction()
    resource = AccessResource()
    context = Attributes(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    page = AccessPage(required=False)


class AccessResourceSearch(OpenBody):
    """With what?"""

    subject = AccessSubject()
    action = AccessAction()
    resource = AccessEntityType()
    context = Attributes(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    page = AccessPage(required=False)


class AccessActionSearch(OpenBody):
    """What?"""

    subject = AccessSubject()
    resource = AccessResource()
    context = Attributes(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class
    page = AccessPage(required=False)


class DecisionContext(Record):
    """Why, and for how long that may be remembered. It is left out where the caller may not be told."""

    ttl = serializers.IntegerField(
        required=False, min_value=0, max_value=LONGEST_TTL, help_text="Seconds for which the decision may be kept."
    )
    reason = serializers.CharField(required=False, help_text="The rule path that decided, or what is missing.")
    code = serializers.CharField(required=False, help_text="The kind of the rule, for programs.")
    error = serializers.DictField(required=False, help_text="What is wrong of this question of a batch.")


class DecisionRecord(Record):
    """The answer to one question."""

    decision = serializers.BooleanField()
    context = DecisionContext(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class


class DecisionRecords(Record):
    """The answers in order, or the one answer to a question without `evaluations`."""

    evaluations = DecisionRecord(many=True, required=False)
    decision = serializers.BooleanField(required=False)
    context = DecisionContext(required=False)  # type: ignore[assignment]  # DRF takes declared fields out of the class


class PageRecord(Record):
    """Where the results go on."""

    next_token = serializers.CharField(allow_blank=True, help_text="Empty on the last page.")
    count = serializers.IntegerField()


class FoundEntity(Record):
    """A subject or resource."""

    type = serializers.CharField()
    id = serializers.CharField()


class FoundEntities(Record):
    """A page of subjects or resources."""

    page = PageRecord()
    results = FoundEntity(many=True)


class FoundAction(Record):
    """A permission."""

    name = serializers.ChoiceField(choices=sorted(permission.value for permission in Permission))


class FoundActions(Record):
    """A page of permissions."""

    page = PageRecord()
    results = FoundAction(many=True)


class ConfigurationRecord(Record):
    """Where the decision point is (AuthZEN, section 9)."""

    policy_decision_point = serializers.CharField()
    access_evaluation_endpoint = serializers.CharField()
    access_evaluations_endpoint = serializers.CharField()
    search_subject_endpoint = serializers.CharField()
    search_resource_endpoint = serializers.CharField()
    search_action_endpoint = serializers.CharField()
