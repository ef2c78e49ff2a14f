"""Events of organizations and people."""

from config.kernel.event_fields import (
    boolean,
    changes,
    choice,
    counts,
    identifier,
    integer,
    moment,
    text,
    texts,
)
from config.kernel.events import declare
from config.kernel.sign_in import Method, SecondFactor

PLANS = ("free", "pro", "enterprise")
ENFORCEMENT = ("off", "pilot", "required")
CONFIRMATIONS = ("password", "mailed code", *SecondFactor)

ORGANIZATION_CREATED = declare(
    "organization.created",
    "An organization was created.",
    {"slug": text("its slug"), "plan": choice("its plan", *PLANS)},
)
ORGANIZATION_UPDATED = declare(
    "organization.updated",
    "An organization's name or slug changed.",
    {"changes": changes("what changed", {"name": text(), "slug": text()})},
)
ORGANIZATION_PLAN_CHANGED = declare(
    "organization.plan_changed",
    "Staff changed the plan.",
    {"changes": changes("the plan", {"plan": choice("", *PLANS)})},
)
ORGANIZATION_DISABLED = declare("organization.disabled", "Staff disabled the organization.", {"reason": text("why")})
ORGANIZATION_ENABLED = declare("organization.enabled", "Staff enabled the organization again.")
ORGANIZATION_DELETED = declare(
    "organization.deleted",
    "Deletion was asked for; it can be restored until then.",
    {"erase_after": moment("when it is erased")},
)
ORGANIZATION_RESTORED = declare("organization.restored", "A deletion was taken back.")
ORGANIZATION_ERASED = declare(
    "organization.erased",
    "All rows and files of an organization were erased.",
    {"rows": counts("rows erased, by table")},
)

MEMBER_JOINED = declare(
    "member.joined",
    "A person became a member.",
    {
        "role": text("their role"),
        "invitation": identifier("inv", "the invitation by which they came", optional=True),
        "connection": identifier("con", "the connection by which they came, without an invitation", optional=True),
    },
)
MEMBER_ROLE_CHANGED = declare(
    "member.role_changed", "A member's role changed.", {"changes": changes("the role", {"role": text()})}
)
MEMBER_REMOVED = declare("member.removed", "A member was removed.", {"role": text("the role they had")})
MEMBER_LEFT = declare("member.left", "A member left by themselves.", {"role": text("the role they had")})
OWNERSHIP_TRANSFERRED = declare(
    "ownership.transferred",
    "An owner handed the organization over.",
    {"to": identifier("usr", "the new owner"), "role": text("the old owner's new role")},
)

INVITATION_CREATED = declare(
    "invitation.created", "Somebody was invited.", {"email": text("the address"), "role": text("the role")}
)
INVITATION_RESENT = declare(
    "invitation.resent", "An invitation was sent again, with a new link.", {"email": text("the address")}
)
INVITATION_REVOKED = declare("invitation.revoked", "An invitation was taken back.", {"email": text("the address")})
INVITATION_ACCEPTED = declare(
    "invitation.accepted", "An invitation was accepted.", {"email": text("the address"), "role": text("the role")}
)

ROLE_CREATED = declare("role.created", "A custom role was written.", {"permissions": texts("its permissions")})
ROLE_UPDATED = declare(
    "role.updated",
    "A custom role changed.",
    {"changes": changes("what changed", {"name": text(), "description": text(), "permissions": texts()})},
)
ROLE_DELETED = declare("role.deleted", "A custom role was deleted.", {"permissions": texts("its permissions")})

EMAIL_DOMAIN_REGISTERED = declare("email_domain.registered", "An e-mail domain was registered, which is to be proven.")
EMAIL_DOMAIN_PROVEN = declare(
    "email_domain.proven",
    "An e-mail domain was proven; refused when another organization has it.",
    {
        "how": choice("by what", "dns", "staff"),
        "reason": text("why staff vouched for it", optional=True),
    },
)
EMAIL_DOMAIN_LOST = declare(
    "email_domain.lost",
    "The record of a proven e-mail domain is gone, so it no longer counts.",
    {
        "missing_since": moment("when a check first did not see it", nullable=True),
        "people": integer("how many members have an address in it"),
        "enforcement": choice("whether single sign-on was required", *ENFORCEMENT),
    },
)
EMAIL_DOMAIN_REMOVED = declare(
    "email_domain.removed",
    "An e-mail domain was removed.",
    {
        "status": choice("what it was", "pending", "proven", "lost"),
        "people": integer("how many members have an address in it"),
        "enforcement": choice("whether single sign-on was required", *ENFORCEMENT),
    },
)

EXPORT_REQUESTED = declare("export.requested", "An owner asked for an archive of everything.")
EXPORT_FINISHED = declare(
    "export.finished", "The archive is ready.", {"rows": integer("rows in it"), "size": integer("bytes")}
)
EXPORT_DOWNLOADED = declare("export.downloaded", "The archive was downloaded.")

USER_CREATED = declare(
    "user.created",
    "A user was created.",
    {
        "how": choice(
            "by what", "sign-up", "google", "github", "single sign-on", "staff", "bootstrap", "development sign-in"
        )
    },
)
USER_UPDATED = declare(
    "user.updated", "A person changed their name.", {"changes": changes("the name", {"name": text()})}
)
USER_DISABLED = declare("user.disabled", "Staff disabled a user.", {"reason": text("why")})
USER_ENABLED = declare("user.enabled", "Staff enabled a user again.")
USER_PASSWORD_RESET = declare("user.password_reset", "Staff set a temporary password.")
USER_PASSWORD_CHANGED = declare(
    "user.password_changed",
    "A person chose a new password.",
    {"how": choice("in which way", "changed", "set", "reset by mail")},
)
USER_SECOND_FACTOR_ADDED = declare(
    "user.second_factor_added",
    "Somebody set up a second factor.",
    {
        "factor": choice("which", SecondFactor.TOTP, SecondFactor.PASSKEY),
        "name": text("a passkey's name", optional=True),
        "replaced": boolean("whether an authenticator took an earlier one's place", optional=True),
    },
)
USER_SECOND_FACTOR_REMOVED = declare(
    "user.second_factor_removed",
    "Somebody removed a second factor of theirs.",
    {
        "factor": choice("which", SecondFactor.TOTP, SecondFactor.PASSKEY),
        "name": text("a passkey's name", optional=True),
    },
)
USER_SECOND_FACTOR_RESET = declare("user.second_factor_reset", "Staff removed a user's second factors.")
USER_SECOND_FACTOR_GIVEN = declare(
    "user.second_factor_given",
    "Somebody gave their second factor in a session that had begun without it.",
    {"factor": choice("which", *SecondFactor)},
)
USER_RECOVERY_CODES_MADE = declare(
    "user.recovery_codes_made", "Somebody got new recovery codes; earlier ones ended.", {"count": integer("how many")}
)
USER_RECOVERY_CODE_USED = declare(
    "user.recovery_code_used",
    "Somebody used a recovery code as their second factor.",
    {"left": integer("how many are unused")},
)
USER_SIGNED_IN = declare(
    "user.signed_in",
    "Somebody signed in.",
    {
        "method": choice("how", *Method),
        "second_factor": choice("the second factor that they gave", *SecondFactor, optional=True),
        "session": identifier("ses", "the session that a program has by it", optional=True),
    },
)
USER_SIGN_IN_FAILED = declare(
    "user.sign_in_failed",
    "A sign-in was refused.",
    {
        "method": choice("how", *dict.fromkeys([*Method, *SecondFactor])),
        "cause": text("why, where the method tells causes apart", optional=True),
    },
)
USER_SIGN_IN_REFUSED = declare(
    "user.sign_in_refused",
    "A sign-in, or a session, was refused because an organization lets the person in by single sign-on only.",
    {"method": choice("how", *Method, "personal token")},
)

SIGN_IN_POLICY_CHANGED = declare(
    "sign_in_policy.changed",
    "What the organization asks of sign-ins changed.",
    {
        "changes": changes(
            "what changed",
            {
                "guests": choice("", "second_factor", "refused"),
                "session_hours": integer(),
                "require_second_factor": boolean(),
            },
        )
    },
)
SSO_ENFORCED = declare(
    "sso.enforced",
    "Single sign-on was switched on for chosen members (pilot) or for everybody of the proven domains (required).",
    {
        "enforcement": choice("for whom", "pilot", "required"),
        "from": moment("when it takes effect"),
        "pilots": integer("how many members were chosen"),
    },
)
SSO_ENFORCEMENT_CONFIRMED = declare(
    "sso.enforcement_confirmed", "After it took effect, an owner or admin came in by single sign-on."
)
SSO_ENFORCEMENT_ENDED = declare(
    "sso.enforcement_ended",
    "Single sign-on is required no more.",
    {"reason": text("why"), "enforcement": choice("what it was", "pilot", "required")},
)
SSO_ENFORCEMENT_ROLLED_BACK = declare(
    "sso.enforcement_rolled_back",
    "Within an hour no owner or admin came in by single sign-on, so the requirement ended by itself.",
    {
        "enforcement": choice("what it was", "pilot", "required"),
        "from": moment("when it had taken effect", nullable=True),
    },
)
SSO_ENFORCEMENT_REFUSED = declare(
    "sso.enforcement_refused",
    "Switching single sign-on on was refused.",
    {"cause": text("the code of what is missing")},
)
BREAK_GLASS_CODES_MADE = declare(
    "break_glass.codes_made",
    "An owner made break-glass codes; earlier ones stopped working.",
    {"codes": integer("how many")},
)
BREAK_GLASS_CODES_WITHDRAWN = declare(
    "break_glass.codes_withdrawn", "An owner's break-glass codes stopped working.", {"codes": integer("how many")}
)
BREAK_GLASS_USED = declare(
    "break_glass.used", "An owner came in by a break-glass code.", {"left": integer("how many of their codes are left")}
)
BREAK_GLASS_REFUSED = declare("break_glass.refused", "Somebody tried to come in by a break-glass code and failed.")
USER_CONFIRMED = declare(
    "user.confirmed",
    "Somebody signed in confirmed once more that it is them.",
    {"method": choice("how", *CONFIRMATIONS)},
)
USER_CONFIRMATION_FAILED = declare(
    "user.confirmation_failed",
    "Somebody signed in could not confirm that it is them.",
    {"method": choice("how", *CONFIRMATIONS)},
)
USER_NEW_DEVICE = declare(
    "user.new_device", "Somebody signed in from a browser not seen before.", {"device": text("browser and system")}
)
BROWSER_SESSION_ENDED = declare(
    "browser_session.ended", "The session of a browser was ended.", {"device": text("browser and system")}
)
BROWSER_SESSIONS_ENDED = declare(
    "browser_session.others_ended", "A person ended their sessions in other browsers.", {"count": integer("how many")}
)

ENCRYPTION_KEY_ROTATED = declare(
    "encryption_key.rotated",
    "Data keys of organizations were wrapped under the newest master key.",
    {
        "rewrapped": integer("how many in this step"),
        "left": integer("how many are still under an earlier one"),
    },
)
INSTALLATION_BOOTSTRAPPED = declare(
    "installation.bootstrapped",
    "The first staff user and organization were made.",
    {"mode": choice("what it asked for", "token", "open")},
)
BOOTSTRAP_REFUSED = declare(
    "bootstrap.refused", "A first start was refused.", {"mode": choice("what it asks for", "off", "token", "open")}
)

SERVICE_ACCOUNT_REFUSED = declare(
    "service_account.refused",
    "A request in the name of a service account was refused, because of its signature or for want of a grant.",
    {"cause": text("the first of the causes in docs/service-accounts.md that applies")},
)
