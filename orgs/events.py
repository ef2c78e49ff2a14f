"""Events of organizations and people."""

from config.kernel.events import declare

ORGANIZATION_CREATED = declare(
    "organization.created", "An organization was created.", {"slug": "its slug", "plan": "its plan"}
)
ORGANIZATION_UPDATED = declare(
    "organization.updated",
    "An organization's name or slug changed.",
    {"changes": "each changed field: [old, new]"},
)
ORGANIZATION_PLAN_CHANGED = declare(
    "organization.plan_changed", "Staff changed the plan.", {"changes": "the plan: [old, new]"}
)
ORGANIZATION_DISABLED = declare("organization.disabled", "Staff disabled the organization.", {"reason": "why"})
ORGANIZATION_ENABLED = declare("organization.enabled", "Staff enabled the organization again.")
ORGANIZATION_DELETED = declare(
    "organization.deleted",
    "Deletion was asked for; it can be restored until then.",
    {"erase_after": "when it is erased"},
)
ORGANIZATION_RESTORED = declare("organization.restored", "A deletion was taken back.")
ORGANIZATION_ERASED = declare(
    "organization.erased",
    "All rows and files of an organization were erased.",
    {"rows": "rows erased, by table"},
)

MEMBER_JOINED = declare(
    "member.joined",
    "A person became a member.",
    {
        "role": "their role",
        "invitation": "the invitation's id",
        "connection": "the connection by which they came, without an invitation",
    },
)
MEMBER_ROLE_CHANGED = declare("member.role_changed", "A member's role changed.", {"changes": "the role: [old, new]"})
MEMBER_REMOVED = declare("member.removed", "A member was removed.", {"role": "the role they had"})
MEMBER_LEFT = declare("member.left", "A member left by themselves.", {"role": "the role they had"})
OWNERSHIP_TRANSFERRED = declare(
    "ownership.transferred",
    "An owner handed the organization over.",
    {"to": "the new owner", "role": "the old owner's new role"},
)

INVITATION_CREATED = declare(
    "invitation.created", "Somebody was invited.", {"email": "the address", "role": "the role"}
)
INVITATION_RESENT = declare(
    "invitation.resent", "An invitation was sent again, with a new link.", {"email": "the address"}
)
INVITATION_REVOKED = declare("invitation.revoked", "An invitation was taken back.", {"email": "the address"})
INVITATION_ACCEPTED = declare(
    "invitation.accepted", "An invitation was accepted.", {"email": "the address", "role": "the role"}
)

ROLE_CREATED = declare("role.created", "A custom role was written.", {"permissions": "its permissions"})
ROLE_UPDATED = declare("role.updated", "A custom role changed.", {"changes": "each changed field: [old, new]"})
ROLE_DELETED = declare("role.deleted", "A custom role was deleted.", {"permissions": "its permissions"})

EMAIL_DOMAIN_REGISTERED = declare("email_domain.registered", "An e-mail domain was registered, which is to be proven.")
EMAIL_DOMAIN_PROVEN = declare(
    "email_domain.proven",
    "An e-mail domain was proven; refused when another organization has it.",
    {"how": "dns or staff", "reason": "why staff vouched for it"},
)
EMAIL_DOMAIN_LOST = declare(
    "email_domain.lost",
    "The record of a proven e-mail domain is gone, so it no longer counts.",
    {
        "missing_since": "when a check first did not see it",
        "people": "how many members have an address in it",
        "enforcement": "off, pilot or required",
    },
)
EMAIL_DOMAIN_REMOVED = declare(
    "email_domain.removed",
    "An e-mail domain was removed.",
    {
        "status": "what it was: pending, proven or lost",
        "people": "how many members have an address in it",
        "enforcement": "off, pilot or required",
    },
)

EXPORT_REQUESTED = declare("export.requested", "An owner asked for an archive of everything.")
EXPORT_FINISHED = declare("export.finished", "The archive is ready.", {"rows": "rows in it", "size": "bytes"})
EXPORT_DOWNLOADED = declare("export.downloaded", "The archive was downloaded.")

USER_CREATED = declare(
    "user.created", "A user was created.", {"how": "sign-up, bootstrap, invitation, staff or single sign-on"}
)
USER_UPDATED = declare("user.updated", "A person changed their name.", {"changes": "the name: [old, new]"})
USER_DISABLED = declare("user.disabled", "Staff disabled a user.", {"reason": "why"})
USER_ENABLED = declare("user.enabled", "Staff enabled a user again.")
USER_PASSWORD_RESET = declare("user.password_reset", "Staff set a temporary password.")
USER_PASSWORD_CHANGED = declare(
    "user.password_changed", "A person chose a new password.", {"how": "changed, set or reset by mail"}
)
USER_SECOND_FACTOR_ADDED = declare(
    "user.second_factor_added",
    "Somebody set up a second factor.",
    {"factor": "totp or passkey", "name": "a passkey's name", "replaced": "whether it took an earlier one's place"},
)
USER_SECOND_FACTOR_REMOVED = declare(
    "user.second_factor_removed",
    "Somebody removed a second factor of theirs.",
    {"factor": "totp or passkey", "name": "a passkey's name"},
)
USER_SECOND_FACTOR_RESET = declare("user.second_factor_reset", "Staff removed a user's second factors.")
USER_SECOND_FACTOR_GIVEN = declare(
    "user.second_factor_given",
    "Somebody gave their second factor in a session that had begun without it.",
    {"factor": "totp, passkey or recovery_code"},
)
USER_RECOVERY_CODES_MADE = declare(
    "user.recovery_codes_made", "Somebody got new recovery codes; earlier ones ended.", {"count": "how many"}
)
USER_RECOVERY_CODE_USED = declare(
    "user.recovery_code_used", "Somebody used a recovery code as their second factor.", {"left": "how many are unused"}
)
USER_SIGNED_IN = declare(
    "user.signed_in",
    "Somebody signed in.",
    {
        "method": "how",
        "second_factor": "the second factor that they gave",
        "session": "the session that a program has by it",
    },
)
USER_SIGN_IN_FAILED = declare(
    "user.sign_in_failed",
    "A sign-in was refused.",
    {"method": "how", "cause": "why, where the method tells causes apart"},
)
USER_SIGN_IN_REFUSED = declare(
    "user.sign_in_refused",
    "A sign-in, or a session, was refused because an organization lets the person in by single sign-on only.",
    {"method": "how"},
)

SIGN_IN_POLICY_CHANGED = declare(
    "sign_in_policy.changed", "What the organization asks of sign-ins changed.", {"changes": "each field: [old, new]"}
)
SSO_ENFORCED = declare(
    "sso.enforced",
    "Single sign-on was switched on for chosen members (pilot) or for everybody of the proven domains (required).",
    {"enforcement": "pilot or required", "from": "when it takes effect", "pilots": "how many members were chosen"},
)
SSO_ENFORCEMENT_CONFIRMED = declare(
    "sso.enforcement_confirmed", "After it took effect, an owner or admin came in by single sign-on."
)
SSO_ENFORCEMENT_ENDED = declare(
    "sso.enforcement_ended", "Single sign-on is required no more.", {"reason": "why", "enforcement": "what it was"}
)
SSO_ENFORCEMENT_ROLLED_BACK = declare(
    "sso.enforcement_rolled_back",
    "Within an hour no owner or admin came in by single sign-on, so the requirement ended by itself.",
    {"enforcement": "what it was", "from": "when it had taken effect"},
)
SSO_ENFORCEMENT_REFUSED = declare(
    "sso.enforcement_refused", "Switching single sign-on on was refused.", {"cause": "the code of what is missing"}
)
BREAK_GLASS_CODES_MADE = declare(
    "break_glass.codes_made", "An owner made break-glass codes; earlier ones stopped working.", {"codes": "how many"}
)
BREAK_GLASS_CODES_WITHDRAWN = declare(
    "break_glass.codes_withdrawn", "An owner's break-glass codes stopped working.", {"codes": "how many"}
)
BREAK_GLASS_USED = declare(
    "break_glass.used", "An owner came in by a break-glass code.", {"left": "how many of their codes are left"}
)
BREAK_GLASS_REFUSED = declare("break_glass.refused", "Somebody tried to come in by a break-glass code and failed.")
USER_CONFIRMED = declare("user.confirmed", "Somebody signed in confirmed once more that it is them.", {"method": "how"})
USER_CONFIRMATION_FAILED = declare(
    "user.confirmation_failed", "Somebody signed in could not confirm that it is them.", {"method": "how"}
)
USER_NEW_DEVICE = declare(
    "user.new_device", "Somebody signed in from a browser not seen before.", {"device": "browser and system"}
)
BROWSER_SESSION_ENDED = declare(
    "browser_session.ended", "The session of a browser was ended.", {"device": "browser and system"}
)
BROWSER_SESSIONS_ENDED = declare(
    "browser_session.others_ended", "A person ended their sessions in other browsers.", {"count": "how many"}
)

ENCRYPTION_KEY_ROTATED = declare(
    "encryption_key.rotated",
    "Data keys of organizations were wrapped under the newest master key.",
    {"rewrapped": "how many in this step", "left": "how many are still under an earlier one"},
)
INSTALLATION_BOOTSTRAPPED = declare(
    "installation.bootstrapped", "The first staff user and organization were made.", {"mode": "token or open"}
)
BOOTSTRAP_REFUSED = declare("bootstrap.refused", "A first start was refused.", {"mode": "off, token or open"})

SERVICE_ACCOUNT_REFUSED = declare(
    "service_account.refused",
    "A request in the name of a service account was refused, because of its signature or for want of a grant.",
    {"cause": "the first of the causes in docs/service-accounts.md that applies"},
)
