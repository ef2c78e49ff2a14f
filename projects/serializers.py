"""What the REST interface reads and shows of projects."""

from rest_framework import serializers

from config.kernel.api.fields import Choice, Id, Name, Slug
from config.kernel.api.serializers import Body, PagedQuery, Record
from projects.models import PROJECT_ROLES, Project

ROLES = [role.value for role in PROJECT_ROLES]


class ProjectRecord(Record):
    """A project."""

    id = Id("prj")
    organization_id = Id("org", source="org_id")
    slug = serializers.CharField()
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=Project.Status.values)
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


class ProjectQuery(PagedQuery):
    """Filters of projects."""

    status = Choice(choices=Project.Status.values, required=False)


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
