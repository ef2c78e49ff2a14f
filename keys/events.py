"""Events of credentials."""

from config.kernel.events import declare

KEY_CREATED = declare(
    "key.created",
    "A key was created.",
    {
        "project": "its project",
        "kind": "publishable or secret",
        "mode": "live or test",
        "permissions": "what it may",
    },
)
KEY_UPDATED = declare(
    "key.updated",
    "A key changed: its name, note, permissions, end, networks, limits or metadata.",
    {"project": "its project", "changes": "each changed field: [old, new]; of metadata the names"},
)
KEY_ROTATED = declare(
    "key.rotated",
    "A key was replaced; the old one works until its overlap ends.",
    {"project": "its project", "replacement": "the new key", "old_expires_at": "when the old key ends"},
)
KEY_REVOKED = declare("key.revoked", "A key was revoked.", {"project": "its project"})
KEY_RELEASED = declare("key.released", "A key was taken out of quarantine: it works again.", {"project": "its project"})
KEY_IMPORTED = declare(
    "key.imported",
    "A key of another system was taken over by its SHA-256.",
    {"project": "its project", "mode": "live or test", "permissions": "what it may"},
)
KEY_LEAKED = declare(
    "key.leaked",
    "Somebody showed that a key leaked.",
    {
        "project": "its project",
        "action": "what the key policy makes of it: revoke, quarantine or report",
        "source": "who found it or how, as it was told",
        "url": "where, as it was told",
    },
)
KEY_EXPIRING = declare(
    "key.expiring", "A key ends within 14 days.", {"project": "its project", "expires_at": "when it ends"}
)
KEY_UNUSED = declare(
    "key.unused",
    "A key was not used for 90 days.",
    {"project": "its project", "last_used_at": "when it was used last; none: never"},
)
KEY_POLICY_CHANGED = declare(
    "key_policy.changed", "What the organization demands of its keys changed.", {"changes": "each demand: [old, new]"}
)
TOKEN_CREATED = declare(
    "personal_token.created",
    "A person made a personal token.",
    {"organization": "its organization, or all", "permissions": "what it is narrowed to"},
)
TOKEN_REVOKED = declare("personal_token.revoked", "A personal token was revoked.")
TOKEN_LEAKED = declare(
    "personal_token.leaked",
    "Somebody showed that a personal token leaked; it is revoked.",
    {"source": "who found it or how, as it was told", "url": "where, as it was told"},
)

GRANT_CREATED = declare(
    "service_grant.created",
    "The organization let a service account act in it.",
    {
        "service_account": "the account",
        "project": "the one project it is for; none for the whole organization",
        "permissions": "what the account may",
    },
)
GRANT_WITHDRAWN = declare(
    "service_grant.withdrawn",
    "A grant of a service account was ended.",
    {
        "service_account": "the account",
        "project": "the one project it was for; none for the whole organization",
        "permissions": "what the account might",
    },
)

SERVICE_ACCOUNT_CREATED = declare(
    "service_account.created", "Staff registered a service account.", {"key_id": "the id of its first secret"}
)
SERVICE_ACCOUNT_SECRET_ROTATED = declare(
    "service_account.secret_rotated",
    "A service account got a new secret; earlier ones work until the overlap ends.",
    {"key_id": "the id of the new secret", "old_expires_at": "when the earlier ones end, at the latest"},
)
SERVICE_ACCOUNT_DISABLED = declare("service_account.disabled", "Staff disabled a service account.", {"reason": "why"})
SERVICE_ACCOUNT_ENABLED = declare("service_account.enabled", "Staff enabled a service account again.")

SIGNING_KEY_CREATED = declare("signing_key.created", "A key that tokens are signed with was made.")
SIGNING_KEY_ROTATED = declare(
    "signing_key.rotated",
    "The next signing key takes over; what the old one signed stays valid.",
    {"replacement": "the key that takes over", "signs_from": "from when on it signs"},
)
SIGNING_KEY_WITHDRAWN = declare(
    "signing_key.withdrawn", "A signing key was withdrawn: nothing that it signed is valid any more.", {"reason": "why"}
)

TOKEN_SESSION_ENDED = declare(
    "token_session.ended", "A session that a program had as a person was ended.", {"reason": "why"}
)
REFRESH_TOKEN_REUSED = declare(
    "refresh_token.reused",
    "A refresh token came a second time, so somebody may have copied it: its session was ended.",
)

AGENT_CREATED = declare(
    "agent.created",
    "An agent was made.",
    {"project": "its project", "permissions": "what it may", "token_lifetime_seconds": "how long its tokens live"},
)
AGENT_UPDATED = declare(
    "agent.updated",
    "An agent's name, permissions or lifetime of tokens changed.",
    {"project": "its project", "changes": "each changed field: [old, new]"},
)
AGENT_ENROLMENT_ISSUED = declare(
    "agent.enrolment_issued",
    "An agent got a new enrolment token.",
    {"project": "its project", "expires_at": "until when it can be exchanged"},
)
AGENT_ENROLLED = declare("agent.enrolled", "An agent exchanged its enrolment token.", {"project": "its project"})
AGENT_ENROLMENT_REFUSED = declare(
    "agent.enrolment_refused",
    "Somebody came with an enrolment token that opens nothing.",
    {"project": "the agent's project", "cause": "why"},
)
AGENT_REVOKED = declare("agent.revoked", "An agent was revoked.", {"project": "its project"})
