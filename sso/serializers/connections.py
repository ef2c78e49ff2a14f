"""Connections to identity providers, as the REST interface reads and shows them."""

from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers

from config.kernel.api.fields import Choice, Email, Flag, Id, Name, Text
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.identifiers import TYPE_ID, parse_public_id
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from sso import addresses
from sso.certificates import LONGEST, MOST
from sso.models import Configuration, Connection, ConnectionLogEntry
from sso.saml_metadata import MOST_BYTES
from sso.services.connections import Ending

PROTOCOLS = Connection.Protocol.values
OUTCOMES = ConnectionLogEntry.Outcome.values
ROLES = [role.value for role in ROLE_PERMISSIONS if role != Role.OWNER]
ASSIGNED_ROLE = rf"\A({'|'.join(ROLES)}|rol_{TYPE_ID})\Z"
LONGEST_ADDRESS = 500
LONGEST_NAME = 255
LONGEST_SECRET = 2048


class Document(Text):
    """A text of many lines, with the tabs and line ends of any system."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(multiline=True, **kwargs)
        self.validators[-1] = RegexValidator(
            r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z", "Write text without control characters."
        )


class AssignedRole(Text):
    """A role that an identity provider may give: a built-in one but owner, or the id of one of the organization's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sentence = f"Name one of {', '.join(ROLES)}, or the id of a role of your own."
        self.validators[-1] = RegexValidator(ASSIGNED_ROLE, sentence)


def role_arguments(value: str | None) -> dict[str, Any]:
    """What services take for an AssignedRole: `role` and `custom_role_id`; nothing for None."""
    if value is None:
        return {}
    custom_role_id = parse_public_id("rol", value)
    return {"role": Role.CUSTOM.value if custom_role_id else value, "custom_role_id": custom_role_id}


def assigned_role(row: Any) -> str:
    """The role of a connection or mapping, as AssignedRole reads it."""
    return Id("rol").to_representation(row.custom_role_id) if row.custom_role_id else str(row.role)


# -- what is shown ---------------------------------------------------------------------------------------------------
class CertificateRecord(Record):
    """A certificate by which the identity provider signs."""

    fingerprint = serializers.CharField(help_text="SHA-256, in hexadecimal.")
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField(help_text="Its end. We warn 30, 7 and 1 day before that of the last one.")
    pem = serializers.CharField()


class ProviderConfigurationRecord(Record):
    """How the identity provider is reached. The client secret is never shown."""

    id = Id("cfg")
    number = serializers.IntegerField(min_value=1, help_text="Counts the configurations of the connection.")
    state = serializers.ChoiceField(choices=Configuration.State.values)
    issuer = serializers.CharField(help_text="Empty for SAML, as the fields of SAML are otherwise.")
    client_id = serializers.CharField()
    entity_id = serializers.CharField()
    sso_url = serializers.CharField()
    metadata_url = serializers.CharField(help_text="Where the provider's metadata are read every day; empty for none.")
    metadata_read_at = serializers.DateTimeField(allow_null=True, help_text="When they last could be read.")
    metadata_failure = serializers.CharField(help_text="Why they could not be read last; empty if they could.")
    signs_response_only = serializers.BooleanField()
    certificates = CertificateRecord(many=True)
    email_attribute = serializers.CharField(help_text="Empty: looked for under its usual names.")
    name_attribute = serializers.CharField()
    groups_attribute = serializers.CharField()
    tested_at = serializers.DateTimeField(allow_null=True, help_text="When a test of it last passed.")
    created_at = serializers.DateTimeField()


class ConnectionRecord(Record):
    """A connection to an identity provider, with the addresses that belong into it."""

    uncounted = ("last_sign_in_at",)

    id = Id("con")
    name = serializers.CharField()
    protocol = serializers.ChoiceField(choices=PROTOCOLS)
    enabled = serializers.BooleanField(source="is_enabled")
    allow_idp_initiated = serializers.BooleanField(help_text="Whether sign-ins may begin at the provider (SAML).")
    default_role = serializers.SerializerMethodField(help_text="What newcomers get: a built-in role, or the id of one.")
    start_url = serializers.SerializerMethodField(help_text="Where a sign-in begins.")
    redirect_uri = serializers.SerializerMethodField(help_text="OpenID Connect: where people are sent back to.")
    back_channel_logout_url = serializers.SerializerMethodField(
        help_text="OpenID Connect: where the provider tells us that somebody signed out."
    )
    acs_url = serializers.SerializerMethodField(help_text="SAML: where the provider posts its responses.")
    sp_entity_id = serializers.SerializerMethodField(help_text="SAML: what we are called, and the audience.")
    metadata_url = serializers.SerializerMethodField(help_text="SAML: where our own metadata are.")
    configuration = ProviderConfigurationRecord(source="live", allow_null=True, help_text="The one in force.")
    draft = ProviderConfigurationRecord(
        allow_null=True, help_text="A changed one, which goes live when a test of it passed."
    )
    last_sign_in_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_default_role(self, row: Connection) -> str:
        """By name or id."""
        return assigned_role(row)

    def get_start_url(self, row: Connection) -> str:
        """Always there."""
        return addresses.start_url(row)

    def get_redirect_uri(self, row: Connection) -> str | None:
        """Of OpenID Connect."""
        return addresses.redirect_uri(row) if row.protocol == Connection.Protocol.OIDC else None

    def get_back_channel_logout_url(self, row: Connection) -> str | None:
        """Of OpenID Connect."""
        return addresses.back_channel_logout_url(row) if row.protocol == Connection.Protocol.OIDC else None

    def get_acs_url(self, row: Connection) -> str | None:
        """Of SAML."""
        return addresses.acs_url(row) if row.protocol == Connection.Protocol.SAML else None

    def get_sp_entity_id(self, row: Connection) -> str | None:
        """Of SAML."""
        return addresses.sp_entity_id(row) if row.protocol == Connection.Protocol.SAML else None

    def get_metadata_url(self, row: Connection) -> str | None:
        """Of SAML."""
        return addresses.metadata_url(row) if row.protocol == Connection.Protocol.SAML else None


class EndingRecord(Record):
    """What disabling or deleting a connection would mean."""

    people = serializers.IntegerField(min_value=0, help_text="Who signed in through it last.")
    enforcement = serializers.CharField(help_text="Of the organization: off, pilot or required.")
    is_last = serializers.BooleanField(help_text="Whether it is the only enabled connection.")
    refusal = serializers.SerializerMethodField(help_text="Why it is refused; empty when it is not.")

    def get_refusal(self, ending: Ending) -> str:
        """A sentence."""
        return ending.refusal


class GroupMappingRecord(Record):
    """A group of the identity provider, and the role that its people get."""

    id = Id("sgm")
    group = serializers.CharField()
    role = serializers.SerializerMethodField(help_text="A built-in role, or the id of one.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_role(self, row: Any) -> str:
        """By name or id."""
        return assigned_role(row)


class LogEntryRecord(Record):
    """What happened at a connection. Kept for 90 days."""

    id = Id("sle")
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    configuration_number = serializers.IntegerField(min_value=0)
    code = serializers.CharField(help_text="The cause, stable.")
    detail = serializers.CharField(help_text="The cause, exactly.")
    email = serializers.CharField()
    subject = serializers.CharField()
    claims = serializers.DictField(help_text="What was received, without tokens and secrets.")
    ip = serializers.IPAddressField(allow_null=True)
    request_id = serializers.CharField()
    created_at = serializers.DateTimeField()


# -- what is read ----------------------------------------------------------------------------------------------------
class ProviderFields(Body):
    """How the identity provider is reached: by the fields of its protocol."""

    issuer = Text(max_length=LONGEST_ADDRESS, required=False, help_text="Its discovery document must name the same.")
    client_id = Text(max_length=LONGEST_NAME, required=False)
    client_secret = Text(
        max_length=LONGEST_SECRET, required=False, trim_whitespace=False, help_text="Never shown again."
    )
    entity_id = Text(max_length=LONGEST_ADDRESS, required=False)
    sso_url = Text(max_length=LONGEST_ADDRESS, required=False, help_text="For the binding HTTP-Redirect.")
    certificates = serializers.ListField(
        child=Document(max_length=LONGEST), required=False, min_length=1, max_length=MOST, help_text="PEM."
    )
    metadata_xml = Document(max_length=MOST_BYTES, required=False, help_text="In place of the three fields before.")
    metadata_url = Text(
        max_length=LONGEST_ADDRESS, required=False, help_text="In place of metadata_xml, and read again every day."
    )
    signs_response_only = Flag(
        required=False, help_text="The provider signs the whole response and not the assertion in it."
    )
    email_attribute = Text(max_length=LONGEST_NAME, required=False, allow_blank=True)
    name_attribute = Text(max_length=LONGEST_NAME, required=False, allow_blank=True)
    groups_attribute = Text(
        max_length=LONGEST_NAME, required=False, allow_blank=True, help_text="The claim or attribute that names groups."
    )


class NewConnection(ProviderFields):
    """A new connection, with the fields of its protocol."""

    name = Name()
    protocol = Choice(choices=PROTOCOLS)
    enabled = Flag(default=False)
    allow_idp_initiated = Flag(default=False)
    default_role = AssignedRole(default=Role.VIEWER.value, help_text="What newcomers get.")


class ConnectionChanges(ProviderFields):
    """What is left out stays as it is."""

    name = Name(required=False)
    enabled = Flag(required=False)
    allow_idp_initiated = Flag(required=False)
    default_role = AssignedRole(required=False)


class NewGroupMapping(Body):
    """A group and its role."""

    group = Text(max_length=LONGEST_NAME, help_text="As the identity provider names it.")
    role = AssignedRole()


class LogQuery(PagedQuery):
    """Filters of a log."""

    outcome = Choice(choices=OUTCOMES, required=False)
    email = Email(max_length=254, required=False)


PROVIDER_FIELDS = frozenset(ProviderFields().fields)
