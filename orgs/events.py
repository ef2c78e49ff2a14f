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
    "member.joined", "A person became a member.", {"role": "their role", "invitation": "the invitation's id"}
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

EXPORT_REQUESTED = declare("export.requested", "An owner asked for an archive of everything.")
EXPORT_FINISHED = declare("export.finished", "The archive is ready.", {"rows": "rows in it", "size": "bytes"})
EXPORT_DOWNLOADED = declare("export.downloaded", "The archive was downloaded.")

USER_CREATED = declare("user.created", "A user was created.", {"how": "sign-up, bootstrap, invitation or staff"})
USER_UPDATED = declare("user.updated", "A person changed their name.", {"changes": "the name: [old, new]"})
USER_DISABLED = declare("user.disabled", "Staff disabled a user.", {"reason": "why"})
USER_ENABLED = declare("user.enabled", "Staff enabled a user again.")
USER_PASSWORD_RESET = declare("user.password_reset", "Staff set a temporary password.")
USER_SECOND_FACTOR_ADDED = declare("user.second_factor_added", "Somebody set up their second factor.")
USER_SECOND_FACTOR_RESET = declare("user.second_factor_reset", "Staff removed a user's second factor.")
USER_SIGNED_IN = declare(
    "user.signed_in", "Somebody signed in.", {"method": "how", "session": "the session that a program has by it"}
)
USER_SIGN_IN_FAILED = declare("user.sign_in_failed", "A sign-in was refused.", {"method": "how"})

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
