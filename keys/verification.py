"""Whether a key is good for what somebody wants to do with it. The answer names one cause, the first that applies."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from config.kernel.tenancy.scope import tenant_scope
from keys.authentication import address_allowed
from keys.credentials import digest_of, prefix_of
from keys.models import Key
from orgs.models import Organization


class Code(StrEnum):
    """The causes, in the order in which they are looked for."""

    VALID = "valid"
    NOT_FOUND = "not_found"
    ORGANIZATION_DISABLED = "organization_disabled"
    DISABLED = "disabled"
    REVOKED = "revoked"
    EXPIRED = "expired"
    IP_NOT_ALLOWED = "ip_not_allowed"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    PERMISSION_MISSING = "permission_missing"
    RATE_LIMITED = "rate_limited"
    USAGE_EXCEEDED = "usage_exceeded"


@dataclass(frozen=True)
class Verification:
    """The answer of keys/verify. Everything but `valid` and `code` is empty when the key was not found."""

    code: Code
    key_id: str | None = None
    organization_id: str | None = None
    project_id: str | None = None
    kind: str | None = None
    mode: str | None = None
    permissions: list[str] = field(default_factory=list)
    plan: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    expires_at: datetime | None = None
    ratelimit: dict[str, int] | None = None
    remaining: int | None = None

    @property
    def valid(self) -> bool:
        """Whether to let it pass."""
        return self.code == Code.VALID


@dataclass(frozen=True)
class Question:
    """What somebody wants to know: may this key, from this origin and address, do this?"""

    key: str
    origin: str | None = None
    ip: str | None = None
    permission: str | None = None
    cost: int = 1


def verify(questions: list[Question], *, organization: Organization) -> list[Verification]:
    """Answers in order, with one query. A key of another organization is not found."""
    digests = [digest_of(question.key) if prefix_of(question.key) else None for question in questions]
    with tenant_scope(organization.id):
        rows = Key.objects.select_related("project").filter(digest__in=[digest for digest in digests if digest])
        found = {bytes(row.digest): row for row in rows}
    return [
        _answer(question, digest, found.get(digest or b""), organization)
        for question, digest in zip(questions, digests, strict=True)
    ]


def _answer(question: Question, digest: bytes | None, key: Key | None, organization: Organization) -> Verification:
    if key is None or digest is None or not hmac.compare_digest(bytes(key.digest), digest):
        return Verification(Code.NOT_FOUND)
    return Verification(
        code=_cause(question, key, organization),
        key_id=key.public_id,
        organization_id=organization.public_id,
        project_id=key.project.public_id,
        kind=key.kind,
        mode=key.mode,
        permissions=sorted(key.permission_set),
        plan=organization.plan,
        metadata=key.metadata,
        expires_at=key.expires_at,
    )


def _cause(question: Question, key: Key, organization: Organization) -> Code:
    checks = {
        Code.ORGANIZATION_DISABLED: not organization.is_active,
        Code.DISABLED: not key.project.is_active,
        Code.REVOKED: key.state == Key.State.REVOKED,
        Code.EXPIRED: key.state == Key.State.EXPIRED,
        Code.IP_NOT_ALLOWED: not address_allowed(question.ip, key.allowed_ips),
        # A secret key never comes from a browser.
        Code.ORIGIN_NOT_ALLOWED: key.kind == Key.Kind.SECRET and question.origin is not None,
        Code.PERMISSION_MISSING: question.permission is not None and question.permission not in set(key.permission_set),
    }
    return next((code for code, refused in checks.items() if refused), Code.VALID)
