"""One family of errors. Services raise them; one renderer turns them into problem details, pages or fragments."""

from typing import Any


class TenantryError(Exception):
    """Base: `code` is stable for programs, `title` short, `detail` tells a person what to do next."""

    code = "error"
    status = 500
    title = "Something went wrong"
    detail = "Try again; if it happens again, tell the operator the request id."

    def __init__(self, detail: str | None = None, *, code: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.detail)
        self.detail = detail or self.detail
        self.code = code or self.code
        self.extra = extra

    @property
    def sentence(self) -> str:
        """The detail where no fields can be shown beside it: in a terminal, on top of a form."""
        return self.detail

    def problem(self) -> dict[str, Any]:
        """The body as problem details (RFC 9457)."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }


class AuthFailure(TenantryError):
    """No credentials or bad ones. One body for every cause, so that nobody can enumerate credentials."""

    code = "auth_failure"
    status = 401
    title = "auth failure"
    detail = "Send a valid credential."

    def problem(self) -> dict[str, Any]:
        return {"type": "about:blank", "title": self.title, "status": self.status}


class PermissionMissing(TenantryError):
    """A member without the permission: 403 naming it."""

    code = "permission_missing"
    status = 403
    title = "Permission missing"

    def __init__(self, permission: str) -> None:
        super().__init__(
            f"This needs the permission {permission}; ask an owner or admin of the organization for it.",
            permission=str(permission),
        )


class Forbidden(TenantryError):
    """Refused by a rule other than a permission, which the caller may know of."""

    code = "forbidden"
    status = 403
    title = "Not allowed"
    detail = "This is not allowed for you."


class SsoRequired(Forbidden):
    """The organization lets this person in through its identity provider only."""

    code = "sso_required"
    title = "Single sign-on required"

    def __init__(self, organization: str) -> None:
        super().__init__(
            "Sign in through your organization's identity provider and try again.", organization=organization
        )
        self.organization = organization


class SecondFactorRequired(Forbidden):
    """The organization asks for a second factor, which this session did not give."""

    code = "second_factor_required"
    title = "Second factor required"
    detail = "Set up a second factor on your security page and sign in with it."


class RecentProofRequired(Forbidden):
    """What is asked for needs a proof of identity that is at most fifteen minutes old."""

    code = "recent_proof_required"
    title = "Confirm that it is you"
    detail = "Confirm your identity once more and try again."


class Absent(TenantryError):
    """Does not exist, or the caller may not know that it does: the very same body for both."""

    code = "not_found"
    status = 404
    title = "Not found"
    detail = "Nothing is here under this address; check it for a typing mistake."

    def __init__(self) -> None:
        super().__init__()

    @property
    def sentence(self) -> str:
        return "Nothing has the id or name that you gave; check it for a typing mistake."

    def problem(self) -> dict[str, Any]:
        words = "Nothing is here under this address or an id sent along; check both for a typing mistake."
        return {**super().problem(), "detail": words}


class MethodNotAllowed(TenantryError):
    """The address exists, the method does not."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"
    detail = "Use one of the methods named in the Allow header."


class Invalid(TenantryError):
    """The input does not fit. `errors` maps each field to its sentences."""

    code = "invalid"
    status = 400
    title = "Invalid input"
    detail = "Correct the fields named in errors and send it again."

    def __init__(self, detail: str | None = None, *, errors: dict[str, Any] | None = None, **extra: Any) -> None:
        if errors:
            extra["errors"] = errors
        super().__init__(detail, **extra)
        self.errors = errors or {}

    @property
    def sentence(self) -> str:
        """Field by field when the error names fields."""
        if not self.errors:
            return self.detail
        return " ".join(
            f"{name}: {' '.join(map(str, sentences if isinstance(sentences, list) else [sentences]))}"
            for name, sentences in self.errors.items()
        )

    @classmethod
    def field(cls, name: str, sentence: str) -> "Invalid":
        """One wrong field."""
        return cls(sentence, errors={name: [sentence]})


class Malformed(Invalid):
    """The request could not be read at all."""

    code = "malformed"
    title = "Malformed request"
    detail = "Send a valid JSON body encoded in UTF-8."


class TooLarge(TenantryError):
    """The body is over the limit."""

    code = "too_large"
    status = 413
    title = "Body too large"
    detail = "Send a smaller body."


class UnsupportedMediaType(TenantryError):
    """The body is of a type that is not read here."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"
    detail = "Send the body as application/json."


class Conflict(TenantryError):
    """The change contradicts what is there."""

    code = "conflict"
    status = 409
    title = "Conflict"
    detail = "Fetch the current state and try again."


class LastOwner(Conflict):
    """An organization always keeps an owner."""

    code = "last_owner"
    title = "Last owner"
    detail = "An organization needs an owner: make somebody else an owner first."


class PreconditionFailed(TenantryError):
    """If-Match names another version than the current one (RFC 9110, 13.1.1)."""

    code = "precondition_failed"
    status = 412
    title = "Precondition failed"
    detail = "Somebody changed this meanwhile: fetch it again and repeat your change."


class IdempotencyMismatch(TenantryError):
    """The same Idempotency-Key came with another request."""

    code = "idempotency_mismatch"
    status = 422
    title = "Idempotency key used before"
    detail = "Send a new Idempotency-Key: this one belongs to another request."


class RateLimited(TenantryError):
    """Too many tries."""

    code = "rate_limited"
    status = 429
    title = "Too many requests"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Try again in {retry_after} seconds.", retry_after=retry_after)
        self.retry_after = retry_after


class QuotaExceeded(TenantryError):
    """The plan's events of this month are used up, or would be by this request, of which then nothing is counted."""

    code = "quota_exceeded"
    status = 429
    title = "Monthly quota used up"

    def __init__(self, *, limit: int, used: int, resets_on: str, retry_after: int) -> None:
        super().__init__(
            f"The plan includes {limit} events a month, of which {used} are used: send fewer at once, wait until "
            f"{resets_on} (UTC), or ask an owner or admin of the organization for a larger plan.",
            limit=limit,
            used=used,
            resets_on=resets_on,
        )
        self.retry_after = retry_after


class OrganizationInactive(Forbidden):
    """The organization is disabled or being deleted."""

    code = "organization_inactive"
    title = "Organization not active"

    def __init__(self, status: str) -> None:
        sentence = (
            "This organization is being deleted; an owner can restore it in its settings."
            if status == "deleting"
            else "This organization is disabled; ask the operator to enable it."
        )
        super().__init__(sentence, organization_status=status)


class Unavailable(TenantryError):
    """A store that we need does not answer. Whether the request was done is not known."""

    code = "unavailable"
    status = 503
    title = "Not available right now"
    detail = "Send the same request again in a moment."


class ServerFault(TenantryError):
    """A fault of ours. Says nothing about it; the log does, under the request id."""

    code = "server_error"
