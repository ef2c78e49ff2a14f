"""Events of credentials."""

from config.kernel.event_fields import boolean, changes, choice, group, identifier, integer, moment, text, texts
from config.kernel.events import declare

KEY_CREATED = declare(
    "key.created",
    "A key was created.",
    {
        "project": identifier("prj", "its project"),
        "kind": choice("its kind", "publishable", "secret"),
        "mode": choice("its mode", "live", "test"),
        "permissions": texts("what it may"),
    },
)
KEY_UPDATED = declare(
    "key.updated",
    "A key changed: its name, note, permissions, end, networks, limits or metadata.",
    {
        "project": identifier("prj", "its project"),
        "changes": changes(
            "what changed; of metadata the names",
            {
                "name": text(),
                "note": text(),
                "permissions": texts(),
                "expires_at": moment(nullable=True),
                "allowed_ips": texts(),
                "rate_limit": group("", {"limit": integer(), "window_seconds": integer()}, nullable=True),
                "remaining": integer(nullable=True),
                "metadata": texts(),
            },
        ),
    },
)
KEY_ROTATED = declare(
    "key.rotated",
    "A key was replaced; the old one works until its overlap ends.",
    {
        "project": identifier("prj", "its project"),
        "replacement": identifier("key", "the new key"),
        "old_expires_at": moment("when the old key ends"),
    },
)
KEY_REVOKED = declare("key.revoked", "A key was revoked.", {"project": identifier("prj", "its project")})
KEY_RELEASED = declare(
    "key.released", "A key was taken out of quarantine: it works again.", {"project": identifier("prj", "its project")}
)
KEY_IMPORTED = declare(
    "key.imported",
    "A key of another system was taken over by its SHA-256.",
    {
        "project": identifier("prj", "its project"),
        "mode": choice("its mode", "live", "test"),
        "permissions": texts("what it may"),
    },
)
KEY_LEAKED = declare(
    "key.leaked",
    "Somebody showed that a key leaked.",
    {
        "project": identifier("prj", "its project"),
        "action": choice("what the key policy makes of it", "revoke", "quarantine", "report"),
        "source": text("who found it or how, as it was told"),
        "url": text("where, as it was told"),
    },
)
KEY_EXPIRING = declare(
    "key.expiring",
    "A key ends within 14 days.",
    {"project": identifier("prj", "its project"), "expires_at": moment("when it ends")},
)
KEY_UNUSED = declare(
    "key.unused",
    "A key was not used for 90 days.",
    {
        "project": identifier("prj", "its project"),
        "last_used_at": moment("when it was used last; null: never", nullable=True),
    },
)
KEY_POLICY_CHANGED = declare(
    "key_policy.changed",
    "What the organization demands of its keys changed.",
    {
        "changes": changes(
            "the demands that changed",
            {
                "longest_lifetime_days": integer(nullable=True),
                "is_expiry_required": boolean(),
                "on_leak": choice("", "revoke", "quarantine", "report"),
            },
        )
    },
)
TOKEN_CREATED = declare(
    "personal_token.created",
    "A person made a personal token.",
    {
        "organization": text("the id of its organization, or all"),
        "permissions": texts("what it is narrowed to; null: it may what the person may", nullable=True),
    },
)
TOKEN_REVOKED = declare("personal_token.revoked", "A personal token was revoked.")
TOKEN_LEAKED = declare(
    "personal_token.leaked",
    "Somebody showed that a personal token leaked; it is revoked.",
    {"source": text("who found it or how, as it was told"), "url": text("where, as it was told")},
)

GRANT_CREATED = declare(
    "service_grant.created",
    "The organization let a service account act in it.",
    {
        "service_account": identifier("svc", "the account"),
        "project": identifier("prj", "the one project it is for; null: the whole organization", nullable=True),
        "permissions": texts("what the account may"),
    },
)
GRANT_WITHDRAWN = declare(
    "service_grant.withdrawn",
    "A grant of a service account was ended.",
    {
        "service_account": identifier("svc", "the account"),
        "project": identifier("prj", "the one project it was for; null: the whole organization", nullable=True),
        "permissions": texts("what the account might"),
    },
)

SERVICE_ACCOUNT_CREATED = declare(
    "service_account.created", "Staff registered a service account.", {"key_id": text("the id of its first secret")}
)
SERVICE_ACCOUNT_SECRET_ROTATED = declare(
    "service_account.secret_rotated",
    "A service account got a new secret; earlier ones work until the overlap ends.",
    {
        "key_id": text("the id of the new secret"),
        "old_expires_at": moment("when the earlier ones end, at the latest"),
    },
)
SERVICE_ACCOUNT_DISABLED = declare(
    "service_account.disabled", "Staff disabled a service account.", {"reason": text("why")}
)
SERVICE_ACCOUNT_ENABLED = declare("service_account.enabled", "Staff enabled a service account again.")

SIGNING_KEY_CREATED = declare("signing_key.created", "A key that tokens are signed with was made.")
SIGNING_KEY_ROTATED = declare(
    "signing_key.rotated",
    "The next signing key takes over; what the old one signed stays valid.",
    {
        "replacement": identifier("sgk", "the key that takes over"),
        "signs_from": moment("from when on it signs"),
    },
)
SIGNING_KEY_WITHDRAWN = declare(
    "signing_key.withdrawn",
    "A signing key was withdrawn: nothing that it signed is valid any more.",
    {"reason": text("why")},
)

TOKEN_SESSION_ENDED = declare(
    "token_session.ended",
    "A session that a program had as a person was ended.",
    {"reason": choice("why", "signed out", "revoked", "refresh token reused", "password changed", "person disabled")},
)
REFRESH_TOKEN_REUSED = declare(
    "refresh_token.reused",
    "A refresh token came a second time, so somebody may have copied it: its session was ended.",
)

AGENT_CREATED = declare(
    "agent.created",
    "An agent was made.",
    {
        "project": identifier("prj", "its project"),
        "permissions": texts("what it may"),
        "token_lifetime_seconds": integer("how long its tokens live"),
    },
)
AGENT_UPDATED = declare(
    "agent.updated",
    "An agent's name, permissions or lifetime of tokens changed.",
    {
        "project": identifier("prj", "its project"),
        "changes": changes(
            "what changed",
            {
                "name": text(),
                "permissions": texts(),
                "token_lifetime_seconds": integer(),
                "enrolment_expires_at": moment(),
            },
        ),
    },
)
AGENT_ENROLMENT_ISSUED = declare(
    "agent.enrolment_issued",
    "An agent got a new enrolment token.",
    {
        "project": identifier("prj", "its project"),
        "expires_at": moment("until when it can be exchanged"),
    },
)
AGENT_ENROLLED = declare(
    "agent.enrolled", "An agent exchanged its enrolment token.", {"project": identifier("prj", "its project")}
)
AGENT_ENROLMENT_REFUSED = declare(
    "agent.enrolment_refused",
    "Somebody came with an enrolment token that opens nothing.",
    {
        "project": identifier("prj", "the agent's project"),
        "cause": choice(
            "why", "replaced", "used", "expired", "agent revoked", "project archived", "organization inactive"
        ),
    },
)
AGENT_REVOKED = declare("agent.revoked", "An agent was revoked.", {"project": identifier("prj", "its project")})
