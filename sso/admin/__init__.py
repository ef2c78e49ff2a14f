"""Staff pages of sign-in."""

from sso.admin.accounts import EmailAddressAdmin, PasskeyAdmin, RecoveryCodeAdmin, TOTPDeviceAdmin

__all__ = ["EmailAddressAdmin", "PasskeyAdmin", "RecoveryCodeAdmin", "TOTPDeviceAdmin"]
