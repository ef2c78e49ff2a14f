"""Events of projects, and of who was refused at the two gates."""

from config.kernel.events import declare

PROJECT_CREATED = declare("project.created", "A project was created.", {"slug": "its slug"})
PROJECT_UPDATED = declare(
    "project.updated", "A project's name, slug or settings changed.", {"changes": "each changed field: [old, new]"}
)
PROJECT_ARCHIVED = declare("project.archived", "A project was archived: its keys are refused.")
PROJECT_RESTORED = declare("project.restored", "An archived project works again.")
DOMAIN_REGISTERED = declare(
    "domain.registered",
    "A domain was registered: publishable keys of the project work in full on its pages.",
    {"project": "its project"},
)
DOMAIN_REMOVED = declare("domain.removed", "A registered domain was removed.", {"project": "its project"})
DOMAIN_SEEN = declare(
    "domain.seen",
    "A page of a host that is not registered used a publishable key of the project for the first time.",
    {"project": "the project"},
)
DOMAINS_FORGOTTEN = declare(
    "domain.forgotten",
    "Hosts that were seen without being registered were forgotten.",
    {"project": "the project", "hosts": "the hosts"},
)
PROJECT_ROLE_SET = declare(
    "project_member.role_set",
    "A member got a role of their own in a project.",
    {"project": "its id", "role": "the role"},
)
PROJECT_ROLE_CLEARED = declare(
    "project_member.role_cleared",
    "A member's own role in a project ended.",
    {"project": "its id", "role": "the role they had"},
)
RESOURCE_REGISTERED = declare(
    "resource.registered",
    "A resource was registered, so that decisions can name it.",
    {"trn": "its name", "scopes": "its scopes", "project": "its project, or null for the whole organization"},
)
RESOURCE_UPDATED = declare(
    "resource.updated",
    "A resource was registered again with other scopes or another project.",
    {
        "trn": "its name",
        "changes": "each changed field: [old, new]",
        "project": "its project now, or null for the whole organization",
    },
)
RESOURCE_DEREGISTERED = declare(
    "resource.deregistered",
    "A resource is no longer registered: decisions about it are denials.",
    {"trn": "its name", "project": "its project, or null for the whole organization"},
)
USAGE_WARNED = declare(
    "usage.warned",
    "The organization used up 80 or 100 % of the events that its plan includes in a month.",
    {
        "percent": "80 or 100",
        "month": "the calendar month (UTC), such as 2031-05",
        "used": "how many events were counted in it",
        "limit": "how many the plan includes",
        "resets_on": "the day on which counting begins anew",
    },
)

ACCESS_DENIED = declare(
    "access.denied",
    "Somebody asked for something of the organization that they may not, and was refused.",
    {
        "cause": "permission_missing, not_a_member, other_organization, other_project or no_grant",
        "method": "the method of the request",
        "route": "the address that was asked for, with names in the place of its values",
        "permission": "the permission that this takes",
        "project": "the project that it was about, if it was about one",
        "at": "when it was refused, where that was written down a little later",
    },
)
