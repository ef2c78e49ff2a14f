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
KEY_UPDATED = declare("key.updated", "A key's name or note changed.", {"changes": "each changed field: [old, new]"})
KEY_ROTATED = declare(
    "key.rotated",
    "A key was replaced; the old one works until its overlap ends.",
    {"project": "its project", "replacement": "the new key", "old_expires_at": "when the old key ends"},
)
KEY_REVOKED = declare("key.revoked", "A key was revoked.", {"project": "its project"})
TOKEN_CREATED = declare(
    "personal_token.created",
    "A person made a personal token.",
    {"organization": "its organization, or all", "permissions": "what it is narrowed to"},
)
TOKEN_REVOKED = declare("personal_token.revoked", "A personal token was revoked.")
