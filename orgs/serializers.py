"""What the REST interface reads and shows of organizations and people."""

from typing import Any

from rest_framework import serializers

from config.kernel.api.fields import Choice, Email, Flag, Id, Moment, Name, Permissions, PublicId, Slug, Text, Whole
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.errors import Invalid
from config.kernel.permissions import PERSONAL_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from orgs.models import DataExport, EmailDomain, Invitation, Organization, SignInPolicy
from orgs.services.invitations import BULK_LIMIT
from orgs.services.sign_in_policies import HOURS

BUILT_IN_ROLES = [role.value for role in ROLE_PERMISSIONS]
ROLES = [role.value for role in Role]
ROLES_AFTER_TRANSFER = [Role.ADMIN.value, Role.DEVELOPER.value, Role.VIEWER.value]
EVERY_PERMISSION = frozenset(Permission)
TOKEN_LENGTH = 100
PILOTS = 1000
LONGEST_TYPED = 300


# -- organizations ---------------------------------------------------------------------------------------------------
class OrganizationRecord(Record):
    """An organization as the caller stands to it, made from an Admission. A key has no role."""

    id = Id("org", source="organization.id")
    slug = serializers.CharField(source="organization.slug")
    name = serializers.CharField(source="organization.name")
    plan = serializers.ChoiceField(choices=Organization.Plan.values, source="organization.plan")
    status = serializers.ChoiceField(choices=Organization.Status.values, source="organization.status")
    erase_after = serializers.DateTimeField(
        source="organization.erase_after", allow_null=True, help_text="When a deleting organization is erased."
    )
    role = serializers.ChoiceField(
        choices=ROLES, source="membership.role", allow_null=True, help_text="The caller's; null for keys."
    )
    custom_role = Id("rol", source="membership.custom_role_id", allow_null=True)
    permissions = Permissions(EVERY_PERMISSION, help_text="What the caller may do in the organization.")
    created_at = serializers.DateTimeField(source="organization.created_at")
    updated_at = serializers.DateTimeField(source="organization.updated_at")


class WholeOrganizationRecord(OrganizationRecord):
    """An organization with what it asks of its people's sign-ins, made from a WholeAdmission."""

    enforce_sso = serializers.ChoiceField(
        choices=SignInPolicy.Enforcement.values,
        source="sign_in_policy.enforcement",
        help_text="For whom single sign-on is the only way in: nobody, chosen members, everybody of proven domains.",
    )
    sso_required_from = serializers.DateTimeField(
        source="sign_in_policy.required_from", allow_null=True, help_text="From when on it is required."
    )
    sso_confirmed_at = serializers.DateTimeField(
        source="sign_in_policy.confirmed_at",
        allow_null=True,
        help_text="When the first owner or admin came in by it; without, it ends an hour after it took effect.",
    )
    sso_rolled_back_at = serializers.DateTimeField(
        source="sign_in_policy.rolled_back_at", allow_null=True, help_text="When it last ended by itself."
    )
    sso_pilots = serializers.ListField(child=Id("usr"), source="pilots", help_text="Who tries it, under `pilot`.")
    sso_guests = serializers.ChoiceField(
        choices=SignInPolicy.Guests.values,
        source="sign_in_policy.guests",
        help_text="What holds for members outside of the proven domains while it is required.",
    )
    sso_session_hours = serializers.IntegerField(
        source="sign_in_policy.session_hours",
        help_text="For how long one single sign-on holds, for sessions and for personal tokens.",
    )
    require_second_factor = serializers.BooleanField(source="sign_in_policy.require_second_factor")


class NewOrganization(Body):
    """A new organization."""

    name = Name()
    slug = Slug(help_text="Its part of addresses; unique in the installation.")


class OrganizationChanges(Body):
    """What is left out stays as it is."""

    name = Name(required=False)
    slug = Slug(required=False, help_text="The old slug goes on leading here.")
    enforce_sso = Choice(
        choices=SignInPolicy.Enforcement.values,
        required=False,
        help_text="Switching it on needs a proven domain, an enabled connection, and that you came in through it "
        "within the last 15 minutes. This field and those below need manage_sso.",
    )
    sso_required_from = Moment(required=False, help_text="Of `required`; left out, it holds at once.")
    sso_pilots = serializers.ListField(
        child=PublicId("usr"), required=False, max_length=PILOTS, help_text="Members who try it, under `pilot`."
    )
    sso_guests = Choice(choices=SignInPolicy.Guests.values, required=False)
    sso_session_hours = Whole(required=False, min_value=HOURS[0], max_value=HOURS[1])
    require_second_factor = Flag(required=False)


class Confirmation(Body):
    """The organization's slug, typed to show that it is meant."""

    confirm = Text(max_length=48)


class Transfer(Body):
    """Who becomes an owner."""

    to = PublicId("usr")
    own_role = Choice(choices=ROLES_AFTER_TRANSFER, default=Role.ADMIN.value, help_text="What the caller becomes.")


# -- people ----------------------------------------------------------------------------------------------------------
class RoleChoice(Body):
    """A built-in role, or a custom one in its place: exactly one of the two."""

    also = {"oneOf": [{"required": ["role"]}, {"required": ["custom_role"]}]}

    role = Choice(choices=BUILT_IN_ROLES, required=False)
    custom_role = PublicId("rol", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("role" in attrs) == ("custom_role" in attrs):
            raise Invalid.field("role", "Name either role or custom_role.")
        attrs["custom_role_id"] = attrs.pop("custom_role", None)
        attrs.setdefault("role", Role.CUSTOM.value)
        return attrs


class MemberRecord(Record):
    """A member, named by their user's id."""

    id = Id("usr", source="user_id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.ChoiceField(choices=ROLES)
    custom_role = Id("rol", source="custom_role_id", allow_null=True)
    role_name = serializers.CharField(help_text="For people.")
    permissions = Permissions(PERSONAL_PERMISSIONS)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class InvitationRecord(Record):
    """An invitation. Its token is in the mail alone."""

    id = Id("inv")
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=ROLES)
    custom_role = Id("rol", source="custom_role_id", allow_null=True)
    role_name = serializers.CharField(help_text="For people.")
    state = serializers.ChoiceField(choices=Invitation.State.values)
    invited_by = Id("usr", source="invited_by_id", allow_null=True)
    expires_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True, help_text="When the newest mail went out.")
    accepted_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewInvitation(RoleChoice):
    """Whom to invite, and as what."""

    email = Email(max_length=254)


class NewInvitations(RoleChoice):
    """Several addresses for one role."""

    emails = serializers.ListField(
        child=Text(max_length=254, allow_blank=True),
        min_length=1,
        max_length=BULK_LIMIT,
        help_text="Each is judged by itself.",
    )


class InvitationLine(Record):
    """What became of one address: an invitation, or the code and sentence of the error."""

    line = serializers.IntegerField(min_value=1, help_text="Its place in `emails`, from 1.")
    email = serializers.CharField()
    invitation = InvitationRecord(allow_null=True)
    code = serializers.CharField(help_text="Empty when the invitation was made.")
    detail = serializers.CharField()


class InvitationLines(Record):
    """One result for each address, in the order in which they came."""

    data = InvitationLine(many=True)  # type: ignore[assignment]  # DRF takes declared fields out of the class


class InvitationToken(Body):
    """The token in the link of the mail."""

    token = Text(max_length=TOKEN_LENGTH)


class InvitationQuery(PagedQuery):
    """Filters of invitations."""

    state = Choice(choices=Invitation.State.values, required=False)


# -- roles -----------------------------------------------------------------------------------------------------------
class RoleRecord(Record):
    """A built-in role, whose id is its name, or one that the organization wrote."""

    id = serializers.RegexField(r"\A(owner|admin|developer|viewer|rol_[0-7][0-9a-hjkmnp-tv-z]{25})\Z")
    name = serializers.CharField()
    description = serializers.CharField()
    built_in = serializers.BooleanField()
    permissions = Permissions(PERSONAL_PERMISSIONS)
    created_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)


class NewRole(Body):
    """A role of the organization's own. `view_org` is always in it."""

    name = Name(max_length=60)
    description = Text(max_length=200, required=False, allow_blank=True)
    permissions = Permissions(PERSONAL_PERMISSIONS)


class RoleChanges(Body):
    """What is left out stays as it is."""

    name = Name(max_length=60, required=False)
    description = Text(max_length=200, required=False, allow_blank=True)
    permissions = Permissions(PERSONAL_PERMISSIONS, required=False)


# -- exports ---------------------------------------------------------------------------------------------------------
class ExportRecord(Record):
    """An archive of everything that an organization owns."""

    id = Id("exp")
    state = serializers.ChoiceField(choices=DataExport.State.values)
    tables_done = serializers.IntegerField(min_value=0)
    tables_total = serializers.IntegerField(min_value=0, help_text="0 until it is begun.")
    rows = serializers.IntegerField(min_value=0, help_text="Written so far.")
    size = serializers.IntegerField(min_value=0, help_text="Bytes of the file; 0 until it is ready.")
    downloadable = serializers.SerializerMethodField(
        help_text="Whether its file is there: it is ready, and no newer archives have taken its room."
    )
    requested_by = Id("usr", source="requested_by_id", allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_downloadable(self, export: DataExport) -> bool:
        """By the file's path, which an archive loses together with its file."""
        return bool(export.path)


# -- e-mail domains --------------------------------------------------------------------------------------------------
class EmailDomainRecord(Record):
    """A domain of e-mail addresses, and the TXT record that proves it."""

    id = Id("edm")
    domain = serializers.CharField(help_text="As the DNS writes it.")
    status = serializers.ChoiceField(choices=EmailDomain.Status.values)
    txt_name = serializers.CharField(help_text="Where the TXT record belongs.")
    txt_value = serializers.CharField(help_text="What it says.")
    failure = serializers.CharField(help_text="What the last check found instead; empty when all is well.")
    vouched_for = serializers.SerializerMethodField(
        help_text="Whether the operator's staff proved it; then no check undoes it."
    )
    checked_at = serializers.DateTimeField(allow_null=True)
    proven_at = serializers.DateTimeField(allow_null=True)
    missing_since = serializers.DateTimeField(
        allow_null=True, help_text="Since when checks do not see the record of a proven domain."
    )
    lost_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()

    def get_vouched_for(self, domain: EmailDomain) -> bool:
        """The reason is for the audit log."""
        return bool(domain.vouched_for)


class NewEmailDomain(Body):
    """A domain to register."""

    domain = Text(max_length=LONGEST_TYPED, help_text="What stands behind the @, such as `example.com`.")


class EmailDomainConfirmation(Body):
    """Needed while people sign in by the domain or enforcement rests on it."""

    confirm = Text(max_length=LONGEST_TYPED, required=False, help_text="The domain, to show that it is meant.")


class EmailDomainQuery(PagedQuery):
    """Filters of e-mail domains."""

    status = Choice(choices=EmailDomain.Status.values, required=False)
