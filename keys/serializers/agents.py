"""Agents, as the REST interface reads and shows them."""

from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Name, Permissions, Text, Whole
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.permissions import KEY_PERMISSIONS
from keys.models import Agent
from keys.models.agent import LONGEST_LIFETIME, SHORTEST_LIFETIME
from keys.serializers.keys import KeyPermissions

ENROLMENT_TOKEN_LENGTH = 80


class AgentRecord(Record):
    """An agent. Its enrolment token is shown when it is made, and never again."""

    id = Id("agt")
    organization_id = Id("org", source="org_id")
    project_id = Id("prj")
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=Agent.State.values)
    permissions = Permissions(KEY_PERMISSIONS)
    token_lifetime_seconds = serializers.IntegerField(help_text="How long each of its tokens lives.")
    enrolment_expires_at = serializers.DateTimeField(help_text="Until when its enrolment token can be exchanged.")
    enrolment_used_at = serializers.DateTimeField(allow_null=True, help_text="When that was exchanged.")
    enrolled_at = serializers.DateTimeField(allow_null=True, help_text="When it was last enrolled.")
    last_renewed_at = serializers.DateTimeField(allow_null=True, help_text="When it last renewed its token.")
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_by = serializers.CharField(help_text="The id of the user or key that made it.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class IssuedEnrolment(AgentRecord):
    """An agent with the enrolment token that was just made for it."""

    enrolment_token = serializers.CharField(help_text="Exchanged once at `agents/enroll`; shown this once.")


class NewAgent(Body):
    """A new agent of the project."""

    name = Name()
    permissions = KeyPermissions(required=False, help_text="A preset or a list; without it the preset `runner`.")
    token_lifetime_seconds = Whole(
        min_value=SHORTEST_LIFETIME,
        max_value=LONGEST_LIFETIME,
        required=False,
        help_text="How long each of its tokens lives; without it 3600, an hour.",
    )


class AgentChanges(Body):
    """What is left out stays as it is."""

    name = Name(required=False)
    permissions = KeyPermissions(required=False)
    token_lifetime_seconds = Whole(min_value=SHORTEST_LIFETIME, max_value=LONGEST_LIFETIME, required=False)


class AgentQuery(PagedQuery):
    """Filters of agents."""

    state = Choice(choices=Agent.State.values, required=False)


class Enrolment(Body):
    """An enrolment token, which is used up by this."""

    enrolment_token = Text(max_length=ENROLMENT_TOKEN_LENGTH, trim_whitespace=False)


class AgentTokenRecord(Record):
    """The token that an agent goes on with."""

    access_token = serializers.CharField(help_text="For `Authorization: Bearer …`.")
    expires_in = serializers.IntegerField(help_text="Seconds until it ends: renew it before at `agents/refresh`.")
    token_type = serializers.ChoiceField(choices=["Bearer"])
    agent = AgentRecord()
