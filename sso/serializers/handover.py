"""What the REST interface reads and shows of handover."""

from rest_framework import serializers

from config.kernel.api.fields import Id, Text
from config.kernel.api.serializers import Body, Record
from config.kernel.sign_in import Method, SecondFactor
from keys.serializers.sessions import IssuedTokensRecord
from sso.services.handover_addresses import LONGEST_ADDRESS

LONGEST_CODE = 200
VERIFIER = (43, 128)  # RFC 7636, 4.1


class HandoverAddressRecord(Record):
    """An address at which a project's product takes people over."""

    id = Id("hva")
    project_id = Id("prj")
    address = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewHandoverAddress(Body):
    """An address to register."""

    address = Text(
        max_length=LONGEST_ADDRESS,
        trim_whitespace=False,
        help_text="Compared character by character. https, or http on this machine's own names.",
    )


class HandoverExchange(Body):
    """What the person brought, and for what it was asked."""

    code = Text(max_length=LONGEST_CODE, trim_whitespace=False)
    redirect_uri = Text(max_length=LONGEST_ADDRESS, trim_whitespace=False, help_text="As it began the handover.")
    code_verifier = Text(
        min_length=VERIFIER[0],
        max_length=VERIFIER[1],
        trim_whitespace=False,
        required=False,
        help_text="What code_challenge was made of; needed exactly when the handover began with one.",
    )


class HandoverUser(Record):
    """The person."""

    id = Id("usr")
    email = serializers.EmailField()
    name = serializers.CharField()


class HandoverOrganization(Record):
    """Where they were handed over from, and where the session works."""

    id = Id("org")
    slug = serializers.CharField()
    name = serializers.CharField()


class HandoverSignIn(Record):
    """How they had signed in."""

    method = serializers.ChoiceField(choices=[method.value for method in Method])
    second_factor = serializers.ChoiceField(
        choices=[factor.value for factor in SecondFactor],
        allow_null=True,
        help_text="Null also when the identity provider asked for one.",
    )
    connection_id = Id("con", allow_null=True, help_text="Of single sign-on.")
    at = serializers.DateTimeField()


class HandedOverRecord(Record):
    """A person, taken over."""

    user = HandoverUser()
    organization = HandoverOrganization()
    project_id = Id("prj", source="project.id")
    sign_in = HandoverSignIn()
    session_id = serializers.CharField(source="session", help_text="To end it, or to name it in the audit log.")
    tokens = IssuedTokensRecord()
    identity_token = serializers.CharField(
        help_text="The same, signed (`handover+jwt`): for a part of the product that trusts only our signature."
    )
