"""Service accounts and their grants, as the REST interface reads and shows them."""

from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Permissions, PublicId, Text
from config.kernel.api.serializers import Body, PagedQuery, Record
from config.kernel.permissions import GRANT_PERMISSIONS
from orgs.models import ServiceGrant

REFERENCE_LENGTH = 80
STATES = ServiceGrant.State.values


class ServiceAccountRecord(Record):
    """A product behind this installation, to which an organization can grant permissions."""

    id = Id("svc")
    name = serializers.CharField()
    description = serializers.CharField()


class GrantRecord(Record):
    """What an organization lets a service account do."""

    id = Id("grt")
    service_account = ServiceAccountRecord(source="account")
    project_id = Id("prj", allow_null=True, help_text="The one project it is for; null for the whole organization.")
    permissions = Permissions(GRANT_PERMISSIONS)
    state = serializers.ChoiceField(choices=STATES)
    granted_by = serializers.CharField(help_text="The id that the ledger names who granted it by.")
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewGrant(Body):
    """What to grant to whom."""

    service_account = PublicId("svc", help_text="The service account; `service-accounts` lists them.")
    project = Text(
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        help_text="The id or slug of the one project it is for; without it for the whole organization.",
    )
    permissions = Permissions(GRANT_PERMISSIONS, min_length=1)


class GrantQuery(PagedQuery):
    """Filters of grants."""

    state = Choice(choices=STATES, required=False)


class WithdrawalRecord(Record):
    """What withdrawing a grant would do."""

    stops = Permissions(
        GRANT_PERMISSIONS, help_text="What the account could no longer do there. Empty when another grant allows it."
    )
    remaining = GrantRecord(many=True, help_text="The grants that the account would keep in this organization.")
