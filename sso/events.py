"""Events of sign-in."""

from config.kernel.event_fields import boolean, changes, choice, identifier, integer, moment, text, texts
from config.kernel.events import declare
from config.kernel.sign_in import Method

CONNECTION_CREATED = declare(
    "sso_connection.created",
    "A connection to an identity provider was made.",
    {
        "protocol": choice("what they speak", "oidc", "saml"),
        "enabled": boolean("whether people may sign in through it at once"),
        "role": text("of newcomers"),
    },
)
CONNECTION_UPDATED = declare(
    "sso_connection.updated",
    "A connection's name, state, default role or permission of provider-initiated sign-in changed.",
    {
        "changes": changes(
            "what changed",
            {"name": text(), "enabled": boolean(), "default_role": text(), "allow_idp_initiated": boolean()},
        )
    },
)
CONNECTION_DELETED = declare(
    "sso_connection.deleted",
    "A connection was deleted.",
    {
        "protocol": choice("what they spoke", "oidc", "saml"),
        "people": integer("how many members had signed in through single sign-on"),
    },
)
CONFIGURATION_CHANGED = declare(
    "sso_connection.configuration_changed",
    "Somebody changed how an identity provider is reached.",
    {
        "number": integer("the new configuration's"),
        "state": choice(
            "draft until a test of it passed, live where nobody signs in through the connection", "draft", "live"
        ),
        "changes": changes(
            "what changed; of the client secret only that it did",
            {
                "issuer": text(),
                "client_id": text(),
                "client_secret": choice("", "", "changed"),
                "entity_id": text(),
                "sso_url": text(),
                "metadata_url": text(),
                "signs_response_only": boolean(),
                "email_attribute": text(),
                "name_attribute": text(),
                "groups_attribute": text(),
                "certificates": texts(),
            },
        ),
    },
)
CONFIGURATION_ACTIVATED = declare(
    "sso_connection.configuration_activated",
    "A changed configuration took the place of the one before, after a test of it passed.",
    {
        "number": integer("the new configuration's"),
        "before": integer("the number of the one it replaced", nullable=True),
    },
)
CONFIGURATION_DISCARDED = declare(
    "sso_connection.configuration_discarded", "A draft was thrown away.", {"number": integer("its number")}
)
GROUP_MAPPED = declare(
    "sso_connection.group_mapped",
    "A group of the identity provider was given a role.",
    {
        "group": text("its name there"),
        "role": text("the role"),
        "before": text("the role it had", nullable=True),
    },
)
GROUP_UNMAPPED = declare(
    "sso_connection.group_unmapped",
    "A group of the identity provider no longer gives a role.",
    {"group": text("its name there"), "role": text("the role it gave")},
)
CERTIFICATES_REFRESHED = declare(
    "sso_connection.certificates_refreshed",
    "The identity provider's metadata were read, and name other signing certificates than before.",
    {
        "added": texts("fingerprints (SHA-256)"),
        "removed": texts("fingerprints (SHA-256)"),
    },
)
CERTIFICATE_EXPIRING = declare(
    "sso_connection.certificate_expiring",
    "The last usable signing certificate of a connection ends soon, or has ended.",
    {
        "days": integer("the threshold that was passed: 30, 7 or 1"),
        "not_after": moment("its end"),
        "fingerprint": text("SHA-256"),
    },
)
METADATA_FAILED = declare(
    "sso_connection.metadata_failed",
    "The identity provider's metadata could not be read. The certificates stay as they are.",
    {"cause": text("why, in a sentence")},
)
ACCOUNT_LINKED = declare(
    "user.account_linked",
    "Somebody signed in with Google or GitHub for the first time, by an address that is verified there and here.",
    {"provider": choice("who vouches for it", "google", "github")},
)
DEVICE_APPROVED = declare(
    "device.approved",
    "Somebody let a command line sign in as them.",
    {
        "client": text("what it calls itself"),
        "organization": text("the id of the one it works in, or all"),
    },
)
DEVICE_DENIED = declare(
    "device.denied", "Somebody refused a command line that wanted to sign in.", {"client": text("what it calls itself")}
)
IDENTITY_LINKED = declare(
    "sso_identity.linked",
    "A person came in through single sign-on for the first time: their account at the identity provider is known now.",
    {
        "connection": identifier("con", "the connection"),
        "issuer": text("the identity provider's name for itself"),
    },
)
IDENTITY_UNLINKED = declare(
    "sso_identity.unlinked",
    "An admin let a person come in with another account at the identity provider the next time.",
    {"connection": identifier("con", "the connection")},
)
PROVIDER_LOGGED_OUT = declare(
    "sso_connection.logged_out",
    "The identity provider said that somebody signed out there, which ended their sessions here.",
    {
        "browsers": integer("how many sessions in browsers"),
        "programs": integer("how many sessions of programs"),
    },
)
HANDOVER_ADDRESS_REGISTERED = declare(
    "handover_address.registered",
    "An address was registered to which people may be handed over.",
    {"project": identifier("prj", "whose")},
)
HANDOVER_ADDRESS_REMOVED = declare(
    "handover_address.removed",
    "An address to which people were handed over was removed.",
    {"project": identifier("prj", "whose")},
)
HANDOVER_COMPLETED = declare(
    "handover.completed",
    "A product took a person over who had signed in.",
    {
        "project": identifier("prj", "the product's"),
        "address": text("where it took them over"),
        "method": choice("how they had signed in", *Method),
        "session": identifier("ses", "the session that the product has by it"),
    },
)
HANDOVER_REFUSED = declare(
    "handover.refused",
    "A product could not take a person over; a code that came again ended the session that it had opened.",
    {
        "project": identifier("prj", "the one that the code is for, if it is known", nullable=True),
        "cause": text(
            "unknown, used, late, other_project, other_address, wrong_verifier, auth_failure, or the rule that keeps "
            "the person out"
        ),
    },
)
