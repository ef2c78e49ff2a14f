"""People, the first start, and whoever asks."""

from rest_framework import serializers

from config.kernel.api.fields import Id, Name, Permissions, Text
from config.kernel.api.serializers import Body, Record
from config.kernel.permissions import Permission
from keys.serializers.agents import AgentRecord
from keys.serializers.keys import KeyRecord
from keys.serializers.service_grants import ServiceAccountRecord
from keys.serializers.sessions import SessionRecord
from keys.serializers.tokens import TokenRecord
from orgs.serializers import NewOrganization, OrganizationRecord
from projects.serializers import ProjectRecord

EMAIL_LENGTH = 254
PASSWORD_LENGTH = 4096
BOOTSTRAP_TOKEN_LENGTH = 500


class PersonRecord(Record):
    """A person."""

    id = Id("usr")
    email = serializers.EmailField()
    name = serializers.CharField()


class NewInstallation(Body):
    """The first staff user and their organization."""

    email = Text(max_length=EMAIL_LENGTH)
    password = Text(max_length=PASSWORD_LENGTH, trim_whitespace=False)
    name = Name(required=False, allow_blank=True)
    organization = NewOrganization()
    token = Text(
        max_length=BOOTSTRAP_TOKEN_LENGTH,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="The operator's TENANTRY_BOOTSTRAP_TOKEN, in the mode `token`.",
    )


class FirstStartRecord(Record):
    """What the first start made."""

    organization = OrganizationRecord()
    user = PersonRecord()
    token = serializers.CharField(help_text="A personal token of the user's, shown this once.")


class BootstrapStatus(Record):
    """Whether the first start is still to be made."""

    bootstrap_available = serializers.BooleanField()


class CallerRecord(Record):
    """The caller. Of the credentials one is not null: `token` or `session` of a `user` with any number of
    organizations, `key` or `agent` of a `project`, or `service_account`.
    """

    kind = serializers.ChoiceField(choices=["user", "key", "agent", "service"])
    id = serializers.CharField(help_text="The id that the ledger names the caller by.")
    user = PersonRecord(allow_null=True)
    token = TokenRecord(allow_null=True)
    session = SessionRecord(allow_null=True)
    key = KeyRecord(allow_null=True)
    agent = AgentRecord(allow_null=True)
    service_account = ServiceAccountRecord(allow_null=True)
    project = ProjectRecord(allow_null=True)
    organizations = OrganizationRecord(many=True, help_text="The newest hundred; `orgs` lists all.")
    permissions = Permissions(
        frozenset(Permission),
        allow_null=True,
        help_text="What the credential carries: of a key or an agent, or what a personal token is narrowed to.",
    )
