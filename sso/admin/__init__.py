"""Staff pages of sign-in."""

from sso.admin.accounts import EmailAddressAdmin, PasskeyAdmin, RecoveryCodeAdmin, TOTPDeviceAdmin
from sso.admin.handover import HandoverAddressAdmin, HandoverTokenAdmin

__all__ = [
    "EmailAddressAdmin",
    "HandoverAddressAdmin",
    "HandoverTokenAdmin",
    "PasskeyAdmin",
    "RecoveryCodeAdmin",
    "TOTPDeviceAdmin",
]
