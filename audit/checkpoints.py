"""Checkpoints: what an organization's chain was at a moment, signed with the installation's key (Ed25519).

Whoever keeps one, outside of our database, can tell later whether the log up to it was cut or written anew. The keys
lie above audit, so the functions that sign and read are named in settings.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string

from audit.chain import first_digest, moment_text
from audit.models import AuditBeginning, AuditCheckpoint, AuditSeal
from audit.selectors import CHAINS
from config.kernel.errors import AuthFailure, Invalid, TenantryError
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.scope import system_scope, tenant_scope

logger = structlog.get_logger()

# Whose last link has no checkpoint, or none since a key was withdrawn: some looks into indexes for each organization.
ORGANIZATIONS = f"""
{CHAINS}
SELECT head.org_id FROM chain CROSS JOIN LATERAL (
    SELECT s.org_id, s.sequence FROM audit_seal s WHERE s.org_id = chain.org_id ORDER BY s.sequence DESC LIMIT 1
) AS head
WHERE NOT EXISTS (
    SELECT 1 FROM audit_checkpoint c
    WHERE c.org_id = head.org_id AND c.sequence = head.sequence AND c.created_at >= COALESCE(%s, c.created_at)
)
"""  # noqa: S608 - made of constants


class UnknownKey(Invalid):
    """A statement was signed with a key that is in none of the kept key sets."""


@dataclass(frozen=True)
class Statement:
    """What a checkpoint says: the digest of the organization's link number `sequence`, which seals `record`.

    With `dropped_before` it says where the log begins, since older records were dropped; with `digest_before` too, that
    the record of this link was dropped with them, though the link lies behind that beginning; with `attested_at` that
    it was signed anew then, on the operator's word (audit/attesting.py). It was signed with the key `kid`, at
    `signed_at` as it says itself; that key was withdrawn at `withdrawn_at` if ever.
    """

    organization_id: UUID
    sequence: int
    digest: bytes
    record: str
    dropped_before: datetime | None = None
    digest_before: bytes | None = None
    attested_at: datetime | None = None
    kid: str = field(default="", compare=False)
    signed_at: datetime | None = field(default=None, compare=False)
    withdrawn_at: datetime | None = field(default=None, compare=False)

    @property
    def is_withdrawn(self) -> bool:
        """Whether its key was withdrawn: then it proves nothing by itself."""
        return self.withdrawn_at is not None


def make_checkpoints() -> int:
    """A checkpoint for each organization with new links; a failing one does not stop the others. Returns how many."""
    with system_scope("the organizations whose logs are sealed"), connection.cursor() as cursor:
        cursor.execute(ORGANIZATIONS, [_last_withdrawal()])
        organizations = [row[0] for row in cursor.fetchall()]
    made = 0
    for organization_id in organizations:
        try:
            made += make_checkpoint(organization_id)[1]
        except (DatabaseError, TenantryError):
            logger.exception("checkpoint could not be signed", organization_id=str(organization_id))
    return made


def signed_link(organization_id: UUID, sequence: int) -> str:
    """A statement like a checkpoint's of the link at that place, which is kept nowhere."""
    with tenant_scope(organization_id):
        return _signed(organization_id, AuditSeal.objects.get(sequence=sequence))


def make_checkpoint(organization_id: UUID) -> tuple[AuditCheckpoint | None, bool]:
    """The checkpoint of the last link, and whether it is new. None where there is no link.

    One from before a key was withdrawn is no answer: another edition of it is made.
    """
    with tenant_scope(organization_id):
        head = AuditSeal.objects.head()
        if head is None:
            return None, False
        made = AuditCheckpoint.objects.of_link(head.sequence)
        withdrawal = _last_withdrawal()
        if made and not (withdrawal and made.created_at < withdrawal):
            return made, False
        row = AuditCheckpoint(
            org_id=organization_id,
            sequence=head.sequence,
            digest=bytes(head.digest),
            sealed_at=head.created_at,
            statement=_signed(organization_id, head),
            edition=made.edition + 1 if made else 1,
        )
        # Whoever was quicker has said the same.
        AuditCheckpoint.objects.bulk_create([row], ignore_conflicts=True)
        made = AuditCheckpoint.objects.get(sequence=head.sequence, edition=row.edition)
        return made, made.id == row.id


def tell_withdrawals(rows: Sequence[AuditCheckpoint]) -> None:
    """Sets `withdrawn_at` of each, for those who look at them. One query."""
    moments = import_string(settings.TENANTRY_CHECKPOINT_WITHDRAWALS)([row.statement for row in rows])
    for row, moment in zip(rows, moments, strict=True):
        row.withdrawn_at = moment


def _last_withdrawal() -> datetime | None:
    return import_string(settings.TENANTRY_CHECKPOINT_LAST_WITHDRAWAL)()


def state_beginning(
    organization_id: UUID,
    *,
    after: int,
    dropped_before: datetime,
    late: Sequence[AuditSeal] = (),
    attested_at: datetime | None = None,
) -> AuditBeginning:
    """Says and keeps that a log begins behind link number `after`, since the records before that time are dropped.

    `late` are the links behind it whose records are dropped as well; each is signed with the digest before it, since
    nobody can compute it again. Whoever calls has verified the log. Doing so twice changes nothing, except with
    `attested_at`, which makes another edition.
    """
    with tenant_scope(organization_id):
        link = AuditSeal.objects.get(sequence=after) if after else None
        earlier = AuditBeginning.objects.filter(dropped_before=dropped_before)
        row = AuditBeginning(
            org_id=organization_id,
            sequence=after,
            digest=bytes(link.digest) if link else first_digest(organization_id),
            dropped_before=dropped_before,
            edition=1 + earlier.count() if attested_at else 1,
        )
        said = {"dropped_before": moment_text(dropped_before)}
        if attested_at:
            said["attested_at"] = moment_text(attested_at)
        before = AuditSeal.objects.filter(sequence__in=[link.sequence - 1 for link in late])
        digests = {0: first_digest(organization_id).hex(), **{link.sequence: link.digest_text for link in before}}
        statements = [_signed(organization_id, link, **said)]
        statements += [_signed(organization_id, one, **said, digest_before=digests[one.sequence - 1]) for one in late]
        row.statement = "\n".join(statements)
        AuditBeginning.objects.bulk_create([row], ignore_conflicts=True)
        return AuditBeginning.objects.get(dropped_before=dropped_before, edition=row.edition)


def shape_of(begins: Statement, late: Iterable[Statement]) -> dict[str, Any]:
    """What the log itself records when it begins later: the data of `audit_log.shortened`.

    Whoever moves a beginning then has to write the log behind it anew, which kept checkpoints show.
    """
    rows = [
        (one.sequence, one.digest.hex(), one.record) for one in [begins, *sorted(late, key=lambda one: one.sequence)]
    ]
    return {
        "before": moment_text(begins.dropped_before) if begins.dropped_before else "",
        "sequence": begins.sequence,
        "late": len(rows) - 1,
        "digest": hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest(),
    }


def _signed(organization_id: UUID, link: AuditSeal | None, **more: str) -> str:
    claims = {
        "organization": public_id("org", organization_id),
        "sequence": link.sequence if link else 0,
        "digest": link.digest_text if link else first_digest(organization_id).hex(),
        "record": link.record_id if link else "",
        "sealed_at": moment_text(link.created_at) if link else "",
    }
    return import_string(settings.TENANTRY_CHECKPOINT_SIGNER)({**claims, **more})


def read_statement(text: str, keys: Mapping[str, bytes] | None = None) -> Statement:
    """What a signed statement says; one whose key `is_withdrawn` proves nothing by itself.

    `keys` are those of key sets that were kept elsewhere: they alone count then. Raises Invalid, and of that UnknownKey
    for a statement by another key than those.
    """
    sentence = "This is no checkpoint that was signed here."
    try:
        read = import_string(settings.TENANTRY_CHECKPOINT_READER)(text, keys)
        if read is None:
            raise UnknownKey("The key that signed this is in none of the key sets: name the key set of its day too.")
        kid, claims, withdrawn_at = read
        organization_id = parse_public_id("org", claims["organization"])
        if organization_id is None:
            raise Invalid(sentence)
        digest_before = claims.get("digest_before")
        return Statement(
            organization_id,
            claims["sequence"],
            bytes.fromhex(claims["digest"]),
            claims["record"],
            _moment(claims.get("dropped_before")),
            bytes.fromhex(digest_before) if digest_before else None,
            _moment(claims.get("attested_at")),
            kid,
            datetime.fromtimestamp(claims["iat"], UTC),
            withdrawn_at,
        )
    except (AuthFailure, KeyError, TypeError, ValueError) as error:
        raise Invalid(sentence) from error


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def is_trusted(text: str) -> bool:
    """Whether a statement was signed here, with a key that was not withdrawn."""
    try:
        return not read_statement(text).is_withdrawn
    except Invalid:
        return False


def statements_in(text: str) -> list[str]:
    """The signed statements of a kept file: an answer of REST's (one checkpoint or a page of them), or one a line.

    Raises Invalid.
    """
    if not text.lstrip().startswith(("{", "[")):
        return text.split()
    try:
        given = json.loads(text)
        rows = given.get("data", [given]) if isinstance(given, dict) else given
        return [row["statement"] for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid("The file holds no checkpoints: keep the answer of audit-checkpoints as it is.") from error


def keys_in(text: str) -> dict[str, bytes]:
    """The public keys of a kept key set (RFC 7517: Ed25519, RFC 8037), by kid. Raises Invalid."""
    try:
        keys = {key["kid"]: base64.urlsafe_b64decode(key["x"] + "==") for key in json.loads(text)["keys"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid("The file holds no key set: keep the answer of /.well-known/jwks.json as it is.") from error
    if not keys:
        raise Invalid("The key set is empty.")
    return keys
