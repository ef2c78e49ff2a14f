"""The one vocabulary of permissions, and who holds them. Dashboard and docs render it, one test asserts it whole."""

from enum import StrEnum


class Permission(StrEnum):
    """What may be done. The first block belongs to people and their roles, the second to secret keys only."""

    DELETE_ORG = "delete_org"
    MANAGE_APPS = "manage_apps"
    MANAGE_BILLING = "manage_billing"
    MANAGE_ENV = "manage_env"
    MANAGE_KEYS = "manage_keys"
    MANAGE_MEMBERS = "manage_members"
    MANAGE_SCHEMAS = "manage_schemas"
    MANAGE_SSO = "manage_sso"
    MANAGE_WEBHOOKS = "manage_webhooks"
    RUN_ENGINES = "run_engines"
    VIEW_AUDIT = "view_audit"
    VIEW_ORG = "view_org"
    VIEW_USAGE = "view_usage"

    ACCESS_EVALUATE = "access:evaluate"
    ENV_READ = "env:read"
    KEYS_VERIFY = "keys:verify"
    USAGE_TRACK = "usage:track"


class Role(StrEnum):
    """The built-in roles of an organization, highest first. `CUSTOM` stands for one the organization wrote itself."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    CUSTOM = "custom"


DESCRIPTIONS: dict[Permission, str] = {
    Permission.DELETE_ORG: "Delete and restore the organization, and transfer its ownership",
    Permission.MANAGE_BILLING: "Change the plan and the billing contact",
    Permission.MANAGE_MEMBERS: "Invite, change and remove people, and write roles",
    Permission.MANAGE_SSO: "Connect identity providers and enforce single sign-on",
    Permission.MANAGE_WEBHOOKS: "Manage webhook endpoints, to which every event can be sent, and replay deliveries",
    Permission.MANAGE_APPS: "Create, change and archive projects",
    Permission.MANAGE_SCHEMAS: "Register resources and manage their schemas",
    Permission.RUN_ENGINES: "Run the engines of the products behind Tenantry",
    Permission.MANAGE_KEYS: "Create, rotate and revoke keys",
    Permission.MANAGE_ENV: "Read and change environment variables",
    Permission.VIEW_ORG: "See the organization, its people and projects",
    Permission.VIEW_USAGE: "See usage",
    Permission.VIEW_AUDIT: "Read the audit log",
    Permission.KEYS_VERIFY: "Verify keys",
    Permission.ACCESS_EVALUATE: "Ask for access decisions",
    Permission.USAGE_TRACK: "Report usage",
    Permission.ENV_READ: "Read the project's effective environment",
}

_VIEWER = frozenset({Permission.VIEW_ORG, Permission.VIEW_USAGE, Permission.VIEW_AUDIT})
_DEVELOPER = _VIEWER | {
    Permission.MANAGE_APPS,
    Permission.MANAGE_SCHEMAS,
    Permission.RUN_ENGINES,
    Permission.MANAGE_KEYS,
    Permission.MANAGE_ENV,
}
_ADMIN = _DEVELOPER | {
    Permission.MANAGE_BILLING,
    Permission.MANAGE_MEMBERS,
    Permission.MANAGE_SSO,
    Permission.MANAGE_WEBHOOKS,
}
_OWNER = _ADMIN | {Permission.DELETE_ORG}

ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _OWNER,
    Role.ADMIN: _ADMIN,
    Role.DEVELOPER: _DEVELOPER,
    Role.VIEWER: _VIEWER,
}

# What a person may hold; every other permission exists for programs.
PERSONAL_PERMISSIONS: frozenset[Permission] = _OWNER

# What a secret key may be given. It acts inside its own project, so nothing that governs the organization is here.
KEY_PERMISSIONS: frozenset[Permission] = frozenset(
    {
        Permission.ACCESS_EVALUATE,
        Permission.ENV_READ,
        Permission.KEYS_VERIFY,
        Permission.MANAGE_APPS,
        Permission.MANAGE_ENV,
        Permission.MANAGE_KEYS,
        Permission.MANAGE_SCHEMAS,
        Permission.USAGE_TRACK,
        Permission.VIEW_ORG,
        Permission.VIEW_USAGE,
    }
)

# The presets of secret keys: `admin` manages its project, `runner` does a product's everyday work.
KEY_PRESETS: dict[str, frozenset[Permission]] = {
    "admin": KEY_PERMISSIONS,
    "runner": frozenset(
        {Permission.KEYS_VERIFY, Permission.ACCESS_EVALUATE, Permission.USAGE_TRACK, Permission.ENV_READ}
    ),
}

# What an organization may grant a service account, for all of it or for one project.
GRANT_PERMISSIONS: frozenset[Permission] = KEY_PERMISSIONS

# Of a project key's permissions, these hold for the organization around its project too. What it registers with
# MANAGE_SCHEMAS is its own project's, though the registry is the organization's: products register what they own.
KEY_ORGANIZATION_PERMISSIONS: frozenset[Permission] = frozenset(
    {Permission.MANAGE_SCHEMAS, Permission.VIEW_ORG, Permission.VIEW_USAGE}
)


def may_assign(*, holder: frozenset[Permission], assigned: frozenset[Permission]) -> bool:
    """Whether somebody with `holder` may give, change or take a role of `assigned`: never one above their own."""
    return assigned <= holder
