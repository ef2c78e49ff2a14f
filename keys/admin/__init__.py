"""Staff pages of credentials, one module a noun."""

from keys.admin.keys import KeyAdmin
from keys.admin.tokens import PersonalTokenAdmin

__all__ = ["KeyAdmin", "PersonalTokenAdmin"]
