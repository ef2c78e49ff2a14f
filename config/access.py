"""Access to the views that others wrote, by route name, dotted name or `namespace:*`. Ours declare it themselves."""

from config.kernel.access import PUBLIC, SIGNED_IN, STAFF, Access

# allauth's pages decide by session who is asked to sign in first; the ones below work without one. Where sso.urls has
# the same address, its view is the one that answers.
_ENTRANCE = (
    "account_signup",
    "account_login",
    "account_confirm_login_code",
    "account_logout",
    "account_inactive",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
)
_ACCOUNT = ("account_reauthenticate", "account_change_password", "account_set_password", "account_email")

ACCESS: dict[str, Access] = {
    **dict.fromkeys(_ENTRANCE, PUBLIC),
    **dict.fromkeys(_ACCOUNT, SIGNED_IN.after_recent_proof()),
    "admin:*": STAFF,
}
