"""Staff pages of credentials, one module a noun."""

from keys.admin.keys import KeyAdmin
from keys.admin.service_accounts import ServiceAccountAdmin
from keys.admin.service_grants import ServiceGrantAdmin
from keys.admin.signing_keys import SigningKeyAdmin
from keys.admin.tokens import PersonalTokenAdmin

__all__ = ["KeyAdmin", "PersonalTokenAdmin", "ServiceAccountAdmin", "ServiceGrantAdmin", "SigningKeyAdmin"]
