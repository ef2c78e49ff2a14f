"""Events of sign-in."""

from config.kernel.events import declare

CONNECTION_CREATED = declare(
    "sso_connection.created",
    "A connection to an identity provider was made.",
    {"protocol": "oidc or saml", "enabled": "whether people may sign in through it at once", "role": "of newcomers"},
)
CONNECTION_UPDATED = declare(
    "sso_connection.updated",
    "A connection's name, state, default role or permission of provider-initiated sign-in changed.",
    {"changes": "each changed field: [old, new]"},
)
CONNECTION_DELETED = declare(
    "sso_connection.deleted",
    "A connection was deleted.",
    {"protocol": "oidc or saml", "people": "how many members had signed in through single sign-on"},
)
CONFIGURATION_CHANGED = declare(
    "sso_connection.configuration_changed",
    "Somebody changed how an identity provider is reached.",
    {
        "number": "the new configuration's",
        "state": "draft until a test of it passed, live where nobody signs in through the connection",
        "changes": "each changed field: [old, new]; of the client secret only that it changed",
    },
)
CONFIGURATION_ACTIVATED = declare(
    "sso_connection.configuration_activated",
    "A changed configuration took the place of the one before, after a test of it passed.",
    {"number": "the new configuration's", "before": "the number of the one it replaced"},
)
CONFIGURATION_DISCARDED = declare(
    "sso_connection.configuration_discarded", "A draft was thrown away.", {"number": "its number"}
)
GROUP_MAPPED = declare(
    "sso_connection.group_mapped",
    "A group of the identity provider was given a role.",
    {"group": "its name there", "role": "the role", "before": "the role it had, if any"},
)
GROUP_UNMAPPED = declare(
    "sso_connection.group_unmapped",
    "A group of the identity provider no longer gives a role.",
    {"group": "its name there", "role": "the role it gave"},
)
CERTIFICATES_REFRESHED = declare(
    "sso_connection.certificates_refreshed",
    "The identity provider's metadata were read, and name other signing certificates than before.",
    {"added": "fingerprints (SHA-256)", "removed": "fingerprints (SHA-256)"},
)
CERTIFICATE_EXPIRING = declare(
    "sso_connection.certificate_expiring",
    "The last usable signing certificate of a connection ends soon, or has ended.",
    {"days": "the threshold that was passed: 30, 7 or 1", "not_after": "its end", "fingerprint": "SHA-256"},
)
METADATA_FAILED = declare(
    "sso_connection.metadata_failed",
    "The identity provider's metadata could not be read. The certificates stay as they are.",
    {"cause": "why, in a sentence"},
)
ACCOUNT_LINKED = declare(
    "user.account_linked",
    "Somebody signed in with Google or GitHub for the first time, by an address that is verified there and here.",
    {"provider": "google or github"},
)
DEVICE_APPROVED = declare(
    "device.approved",
    "Somebody let a command line sign in as them.",
    {"client": "what it calls itself", "organization": "the one it works in, or all"},
)
DEVICE_DENIED = declare(
    "device.denied", "Somebody refused a command line that wanted to sign in.", {"client": "what it calls itself"}
)
IDENTITY_LINKED = declare(
    "sso_identity.linked",
    "A person came in through single sign-on for the first time: their account at the identity provider is known now.",
    {"connection": "the connection", "issuer": "the identity provider's name for itself"},
)
IDENTITY_UNLINKED = declare(
    "sso_identity.unlinked",
    "An admin let a person come in with another account at the identity provider the next time.",
    {"connection": "the connection"},
)
PROVIDER_LOGGED_OUT = declare(
    "sso_connection.logged_out",
    "The identity provider said that somebody signed out there, which ended their sessions here.",
    {"browsers": "how many sessions in browsers", "programs": "how many sessions of programs"},
)
HANDOVER_ADDRESS_REGISTERED = declare(
    "handover_address.registered", "An address was registered to which people may be handed over.", {"project": "whose"}
)
HANDOVER_ADDRESS_REMOVED = declare(
    "handover_address.removed", "An address to which people were handed over was removed.", {"project": "whose"}
)
HANDOVER_COMPLETED = declare(
    "handover.completed",
    "A product took a person over who had signed in.",
    {
        "project": "the product's",
        "address": "where it took them over",
        "method": "how they had signed in",
        "session": "the session that the product has by it",
    },
)
HANDOVER_REFUSED = declare(
    "handover.refused",
    "A product could not take a person over; a code that came again ended the session that it had opened.",
    {
        "project": "the one that the code is for, if it is known",
        "cause": "unknown, used, late, other_project, other_address, wrong_verifier, auth_failure, or the rule that "
        "keeps the person out",
    },
)
