"""Events of projects."""

from config.kernel.events import declare

PROJECT_CREATED = declare("project.created", "A project was created.", {"slug": "its slug"})
PROJECT_UPDATED = declare(
    "project.updated", "A project's name or slug changed.", {"changes": "each changed field: [old, new]"}
)
PROJECT_ARCHIVED = declare("project.archived", "A project was archived: its keys are refused.")
PROJECT_RESTORED = declare("project.restored", "An archived project works again.")
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
