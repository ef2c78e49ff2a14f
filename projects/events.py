"""Events of projects, and of who was refused at the two gates."""

from config.kernel.event_fields import boolean, changes, choice, day, identifier, integer, moment, text, texts
from config.kernel.events import declare

PROJECT_CREATED = declare("project.created", "A project was created.", {"slug": text("its slug")})
PROJECT_UPDATED = declare(
    "project.updated",
    "A project's name, slug or settings changed.",
    {
        "changes": changes(
            "what changed",
            {
                "name": text(),
                "slug": text(),
                "unregistered_domains": choice("", "downgrade", "reject"),
                "is_system": boolean(),
            },
        )
    },
)
PROJECT_ARCHIVED = declare("project.archived", "A project was archived: its keys are refused.")
PROJECT_RESTORED = declare("project.restored", "An archived project works again.")
DOMAIN_REGISTERED = declare(
    "domain.registered",
    "A domain was registered: publishable keys of the project work in full on its pages.",
    {"project": identifier("prj", "its project")},
)
DOMAIN_REMOVED = declare(
    "domain.removed", "A registered domain was removed.", {"project": identifier("prj", "its project")}
)
DOMAIN_SEEN = declare(
    "domain.seen",
    "A page of a host that is not registered used a publishable key of the project for the first time.",
    {"project": identifier("prj", "the project")},
)
DOMAINS_FORGOTTEN = declare(
    "domain.forgotten",
    "Hosts that were seen without being registered were forgotten.",
    {"project": identifier("prj", "the project"), "hosts": texts("the hosts")},
)
PROJECT_ROLE_SET = declare(
    "project_member.role_set",
    "A member got a role of their own in a project.",
    {"project": identifier("prj", "the project"), "role": text("the role")},
)
PROJECT_ROLE_CLEARED = declare(
    "project_member.role_cleared",
    "A member's own role in a project ended.",
    {"project": identifier("prj", "the project"), "role": text("the role they had")},
)
RESOURCE_REGISTERED = declare(
    "resource.registered",
    "A resource was registered, so that decisions can name it.",
    {
        "trn": text("its name"),
        "scopes": texts("its scopes"),
        "project": identifier("prj", "its project; null: the whole organization", nullable=True),
    },
)
RESOURCE_UPDATED = declare(
    "resource.updated",
    "A resource was registered again with other scopes or another project.",
    {
        "trn": text("its name"),
        "changes": changes("what changed", {"scopes": texts(), "project": identifier("prj", nullable=True)}),
        "project": identifier("prj", "its project now; null: the whole organization", nullable=True),
    },
)
RESOURCE_DEREGISTERED = declare(
    "resource.deregistered",
    "A resource is no longer registered: decisions about it are denials.",
    {
        "trn": text("its name"),
        "project": identifier("prj", "its project; null: the whole organization", nullable=True),
    },
)
USAGE_WARNED = declare(
    "usage.warned",
    "The organization used up 80 or 100 % of the events that its plan includes in a month.",
    {
        "percent": integer("80 or 100"),
        "month": text("the calendar month (UTC), such as 2031-05"),
        "used": integer("how many events were counted in it"),
        "limit": integer("how many the plan includes"),
        "resets_on": day("the day on which counting begins anew"),
    },
)

ACCESS_DENIED = declare(
    "access.denied",
    "Somebody asked for something of the organization that they may not, and was refused.",
    {
        "cause": choice(
            "why", "permission_missing", "rule", "not_a_member", "other_organization", "other_project", "no_grant"
        ),
        "method": text("the method of the request"),
        "route": text("the address that was asked for, with names in the place of its values"),
        "permission": text("the permission that this takes; empty: none"),
        "reason": text("which rule it was, as the answer said it", optional=True),
        "at": moment("when it was refused, where that was written down a little later", optional=True),
        "project": identifier("prj", "the project that it was about, if it was about one", nullable=True),
    },
)
