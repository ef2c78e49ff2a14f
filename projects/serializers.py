"""What the REST interface reads and shows of projects."""

from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Name, Slug, Text
from config.kernel.api.serializers import Body, PagedQuery, Record
from projects.hosts import LONGEST_ORIGIN
from projects.models import PROJECT_ROLES, Project
from projects.models.resource import SCOPE_LENGTH
from projects.resource_names import KIND_LENGTH, NAME_LENGTH, SERVICE_LENGTH
from projects.services.resources import MOST_SCOPES

REFERENCE_LENGTH = 80
ROLES = [role.value for role in PROJECT_ROLES]


class ProjectRecord(Record):
    """A project."""

    id = Id("prj")
    organization_id = Id("org", source="org_id")
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Project.Status.values)
    unregistered_domains = serializers.ChoiceField(
        choices=Project.UnregisteredDomains.values,
        help_text="What pages of domains that are not registered get.",
    )
    is_system = serializers.BooleanField(help_text="Whether its hosts are exempt from the plan's limit of domains.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewProject(Body):
    """A new project."""

    name = Name()
    slug = Slug(help_text="Its part of addresses; unique in the organization.")


class ProjectChanges(Body):
    """What is left out stays as it is."""

    name = Name(required=False)
    slug = Slug(required=False)
    unregistered_domains = Choice(choices=Project.UnregisteredDomains.values, required=False)


class ProjectQuery(PagedQuery):
    """Filters of projects."""

    status = Choice(choices=Project.Status.values, required=False)


class DomainRecord(Record):
    """A registered domain."""

    id = Id("dom")
    project_id = Id("prj")
    domain = serializers.CharField(source="pattern", help_text="A host, or `*.` and a host for all below it.")
    test_only = serializers.BooleanField(
        source="is_loopback", help_text="This machine's own name, on which only test keys work."
    )
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class NewDomain(Body):
    """A domain to register."""

    domain = Text(max_length=LONGEST_ORIGIN, help_text="A host such as `shop.example.com`, or `*.example.com`.")


class SeenDomainRecord(Record):
    """A host that was seen without being registered."""

    id = Id("seen")
    project_id = Id("prj")
    host = serializers.CharField()
    first_seen_at = serializers.DateTimeField(source="created_at")
    last_seen_at = serializers.DateTimeField()
    count = serializers.IntegerField(help_text="How often, counted once in ten minutes at most.")


class ProjectMemberRecord(Record):
    """A member's own role in one project, named by their user's id."""

    id = Id("usr", source="membership.user_id")
    email = serializers.EmailField(source="membership.user.email")
    name = serializers.CharField(source="membership.user.name")
    role = serializers.ChoiceField(choices=ROLES)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ProjectRoleChoice(Body):
    """The role that holds in the project, in place of the organization role."""

    role = Choice(choices=ROLES)


class ResourceRecord(Record):
    """A registered resource."""

    id = Id("res")
    trn = serializers.CharField(help_text="By which decisions name it.")
    organization_id = Id("org", source="org_id")
    project_id = Id("prj", allow_null=True, help_text="Null for one of the whole organization.")
    service = serializers.CharField()
    kind = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class NewResource(Body):
    """A resource to register."""

    service = Text(max_length=SERVICE_LENGTH, help_text="The product that owns it.")
    kind = Text(max_length=KIND_LENGTH, help_text="What it is: `dataset`, `pipeline`.")
    name = Text(max_length=NAME_LENGTH, trim_whitespace=False, help_text="What the product calls it.")
    scopes = serializers.ListField(
        child=Text(max_length=SCOPE_LENGTH),
        max_length=MOST_SCOPES,
        required=False,
        help_text="The product's own words for what can be done with it.",
    )
    project = Text(
        max_length=REFERENCE_LENGTH,
        required=False,
        allow_null=True,
        help_text="The id or slug of the project it belongs to; left out for the whole organization.",
    )


class ResourceQuery(PagedQuery):
    """Filters of resources."""

    service = Text(max_length=SERVICE_LENGTH, required=False)
    kind = Text(max_length=KIND_LENGTH, required=False)
    project = Text(max_length=REFERENCE_LENGTH, required=False, help_text="The id or slug of a project.")
