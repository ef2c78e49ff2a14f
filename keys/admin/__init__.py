"""Staff pages of credentials, one module a noun."""

from keys.admin.agents import AgentAdmin
from keys.admin.keys import KeyAdmin, KeyUseAdmin
from keys.admin.policies import KeyPolicyAdmin
from keys.admin.service_accounts import ServiceAccountAdmin
from keys.admin.service_grants import ServiceGrantAdmin
from keys.admin.sessions import TokenSessionAdmin
from keys.admin.signing_keys import SigningKeyAdmin
from keys.admin.tokens import PersonalTokenAdmin

__all__ = [
    "AgentAdmin",
    "KeyAdmin",
    "KeyPolicyAdmin",
    "KeyUseAdmin",
    "PersonalTokenAdmin",
    "ServiceAccountAdmin",
    "ServiceGrantAdmin",
    "SigningKeyAdmin",
    "TokenSessionAdmin",
]
