"""Staff pages of sign-in."""

from sso.admin.accounts import EmailAddressAdmin, TOTPDeviceAdmin

__all__ = ["EmailAddressAdmin", "TOTPDeviceAdmin"]
