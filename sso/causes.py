"""Why a sign-in through an identity provider is refused: the closed list, a sentence for the person each.

The sentence says which party must do what. What exactly was wrong is the detail of a SignInRefused, which only the
connection's log shows to the organization's admins.
"""

from dataclasses import dataclass, field
from typing import Any

from config.kernel.errors import TenantryError

_ADMIN = "Tell the administrator of your organization"


@dataclass(frozen=True)
class Cause:
    """`code` is stable. `sentence` is shown to whoever wanted to sign in, under the HTTP status `status`."""

    code: str
    sentence: str
    status: int = 403


_causes: dict[str, Cause] = {}


def _cause(code: str, sentence: str, status: int = 403) -> Cause:
    cause = Cause(code, sentence, status)
    _causes[code] = cause
    return cause


def all_causes() -> list[Cause]:
    """Every cause by its code."""
    return [_causes[code] for code in sorted(_causes)]


# -- the identity provider cannot be used ----------------------------------------------------------------------------
PROVIDER_UNREACHABLE = _cause(
    "provider_unreachable",
    f"Your identity provider does not answer. Try again in a few minutes. {_ADMIN} if it stays so.",
    502,
)
PROVIDER_UNUSABLE = _cause(
    "provider_unusable",
    f"Your identity provider answers in a way that cannot be used. {_ADMIN}: what it says must be corrected there.",
    502,
)
PROVIDER_REFUSED = _cause(
    "provider_refused",
    f"Your identity provider did not sign you in. Try again. {_ADMIN} if it refuses again.",
)
CLIENT_REFUSED = _cause(
    "client_refused",
    f"Your identity provider refuses this application. {_ADMIN}: client id, secret and redirect address must agree.",
    502,
)
CODE_REFUSED = _cause(
    "code_refused", "Your identity provider no longer accepts this sign-in. Start it again from the beginning."
)

# -- what came is not from it, or not for us -------------------------------------------------------------------------
MALFORMED = _cause(
    "malformed", f"What your identity provider sent cannot be read. Start again. {_ADMIN} if it stays so.", 400
)
SIGNATURE_MISSING = _cause(
    "signature_missing", f"What your identity provider sent is not signed as it must be. {_ADMIN}: it must sign there."
)
SIGNATURE_INVALID = _cause(
    "signature_invalid",
    f"The signature of your identity provider does not hold. {_ADMIN}: its keys or certificates may have changed.",
)
ALGORITHM_REFUSED = _cause(
    "algorithm_refused",
    f"Your identity provider signs in a way that is not safe. {_ADMIN}: it must sign with RSA or ECDSA and SHA-256.",
)
CERTIFICATE_EXPIRED = _cause(
    "certificate_expired",
    f"The certificate of your identity provider has expired. {_ADMIN}: the new one must be entered here.",
)
ISSUER_MISMATCH = _cause(
    "issuer_mismatch", f"The answer came from another identity provider than the one asked. Start again. {_ADMIN}."
)
AUDIENCE_MISMATCH = _cause(
    "audience_mismatch",
    f"Your identity provider signed you in for another application. {_ADMIN}: audience or client id must be corrected.",
)
RECIPIENT_MISMATCH = _cause(
    "recipient_mismatch",
    f"Your identity provider's answer is for another address. {_ADMIN}: the reply address must be corrected there.",
)
EXPIRED = _cause(
    "expired",
    f"This sign-in is too old. Start it again. {_ADMIN} if it stays so: the identity provider's clock may be wrong.",
)
NOT_YET_VALID = _cause(
    "not_yet_valid",
    f"This sign-in is from the future. {_ADMIN}: the identity provider's clock or that of this server is wrong.",
)
CLAIM_MISSING = _cause(
    "claim_missing", f"Your identity provider left something out that is needed. {_ADMIN}: it must be added there."
)
DECRYPTION_FAILED = _cause(
    "decryption_failed",
    f"What your identity provider encrypted cannot be opened. {_ADMIN}: it must use the certificate of our metadata.",
)
ASSERTION_AMBIGUOUS = _cause(
    "assertion_ambiguous", f"The answer does not say one thing only, so nothing of it is believed. {_ADMIN}."
)
REPLAYED = _cause("replayed", "This sign-in was used already. Start it again from the beginning.")

# -- it does not belong to this browser ------------------------------------------------------------------------------
STATE_UNKNOWN = _cause(
    "state_unknown", "This sign-in did not begin in this browser, or too long ago. Start it again here."
)
UNSOLICITED = _cause("unsolicited", "Start the sign-in here, not at your identity provider.")
NONCE_MISMATCH = _cause("nonce_mismatch", "The answer belongs to another sign-in. Start it again from the beginning.")
SUBJECT_MISMATCH = _cause(
    "subject_mismatch", f"Your identity provider says two different things about who you are. {_ADMIN}.", 502
)
TOKEN_MISMATCH = _cause(
    "token_mismatch", f"Two parts of your identity provider's answer do not belong together. {_ADMIN}."
)
PROOF_STALE = _cause(
    "proof_stale", "Your identity provider did not ask you to prove yourself again. Sign out there and try once more."
)
SOMEONE_ELSE = _cause(
    "someone_else", "You confirmed as somebody else than you are signed in as here. Choose the same account."
)

# -- the connection --------------------------------------------------------------------------------------------------
CONNECTION_DISABLED = _cause(
    "connection_disabled", f"This way of signing in is switched off. {_ADMIN}: it can be switched on there."
)
CONFIGURATION_CHANGED = _cause(
    "configuration_changed", "The connection was changed while you signed in. Start again from the beginning."
)
ORGANIZATION_INACTIVE = _cause(
    "organization_inactive", "This organization is not active. Ask its owner, or whoever runs this installation."
)

# -- the person ------------------------------------------------------------------------------------------------------
SUBJECT_MISSING = _cause(
    "subject_missing", f"Your identity provider does not say who you are. {_ADMIN}: it must send a lasting identifier."
)
EMAIL_MISSING = _cause(
    "email_missing", f"Your identity provider sends no e-mail address. {_ADMIN}: it must be added to what is sent."
)
EMAIL_UNVERIFIED = _cause(
    "email_unverified",
    "Your identity provider says that your e-mail address is not confirmed. Confirm it there, then sign in again.",
)
DOMAIN_NOT_PROVEN = _cause(
    "domain_not_proven",
    f"Your e-mail address is outside the domains of your organization. {_ADMIN}: the domain must be proven first.",
)
SUBJECT_MOVED = _cause(
    "subject_moved",
    f"Your account at the identity provider belonged to another e-mail address so far. {_ADMIN}: it must be confirmed.",
)
EMAIL_OF_ANOTHER_SUBJECT = _cause(
    "email_of_another_subject",
    f"Your e-mail address belonged to another account at the identity provider. {_ADMIN}: it must be confirmed.",
)
ACCOUNT_UNVERIFIED = _cause(
    "account_unverified",
    "An account with your e-mail address exists whose address was never confirmed. Confirm it by mail, then sign in.",
)
USER_DISABLED = _cause("user_disabled", "Your account is disabled. Ask whoever runs this installation.")
MEMBER_REMOVED = _cause(
    "member_removed", f"You were removed from this organization. {_ADMIN}: an invitation lets you in again."
)
METHOD_REFUSED = _cause(
    "method_refused", f"Your account must sign in through another organization or in another way. {_ADMIN}."
)


@dataclass(frozen=True)
class Known:
    """What was received before it came to a refusal, for the log. `claims` are as the identity provider wrote them."""

    email: str = ""
    subject: str = ""
    claims: dict[str, Any] = field(default_factory=dict)


class SignInRefused(TenantryError):
    """A sign-in is refused. `exactly` is for the connection's log: which claim, certificate, clock or audience."""

    title = "You are not signed in"

    def __init__(self, cause: Cause, exactly: str = "", *, known: Known | None = None) -> None:
        super().__init__(cause.sentence, code=cause.code)
        self.status = cause.status
        self.cause, self.exactly, self.known = cause, exactly, known or Known()
