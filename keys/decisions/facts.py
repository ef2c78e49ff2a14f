"""What is known of the subjects and the places of decisions, as plain values: no rule, no query, no request.

They are told apart by type and public id, as questions name them. A process may keep them, as long as it forgets in
time what changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from config.kernel.principals import Principal
from keys.decisions.wire import Name


class SubjectType(StrEnum):
    """Who can be asked about."""

    USER = "user"
    KEY = "key"
    AGENT = "agent"
    SERVICE_ACCOUNT = "service_account"


class ResourceType(StrEnum):
    """What can be asked about. A RESOURCE is a registered one, named by its trn."""

    ORGANIZATION = "organization"
    PROJECT = "project"
    RESOURCE = "resource"


@dataclass(slots=True, eq=False)
class Held:
    """What a subject holds in one place, by name, and the rule path to it: its `code`, and `words` for people."""

    permissions: frozenset[str]
    code: str
    words: str


@dataclass(slots=True, eq=False)
class SubjectFacts:
    """A subject of the organization.

    `refused` says why it may do nothing at all (with `refused_code`), `ends_at` is when it ends by itself (POSIX
    time). `everywhere` holds in the organization and in every project that `in_projects` has no other for; None holds
    nowhere. A subject `bound` to a project holds nothing in any other.
    """

    principal: Principal
    words: str
    everywhere: Held | None
    in_projects: Mapping[UUID, Held]
    bound: UUID | None = None
    refused: str = ""
    refused_code: str = ""
    ends_at: float | None = None


@dataclass(slots=True, eq=False)
class Place:
    """What is asked about: `project_id` is the project it is or belongs to, None for the whole organization's."""

    words: str
    project_id: UUID | None = None


@dataclass(slots=True, eq=False)
class ProjectFacts:
    """A project of the organization."""

    public_id: str
    is_active: bool


@dataclass(slots=True, eq=False)
class OrganizationFacts:
    """The organization in which all of it is. `tracks` says whether its plan includes any events."""

    id: UUID
    public_id: str
    is_active: bool
    plan: str
    tracks: bool


@dataclass(slots=True, eq=False)
class Facts:
    """What was looked for: None stands for what is not there. `projects` has all that subjects and places name."""

    organization: OrganizationFacts
    subjects: dict[Name, SubjectFacts | None] = field(default_factory=dict)
    places: dict[Name, Place | None] = field(default_factory=dict)
    projects: dict[UUID, ProjectFacts] = field(default_factory=dict)
