"""Attesting: where a log begins, signed anew on the operator's word, since the key that had signed it was withdrawn.

Whoever has a withdrawn key can sign that a log begins later than it does, and so hide what was before. So what it
signed only ever speaks against a log here, never for it: the log has to hold as if that key counted still, and against
all checkpoints that were kept elsewhere. What speaks for the log is its own record of the drop (`audit_log.shortened`),
when a kept checkpoint from after that record confirms it: whoever moved the beginning had to write that anew, too.
Everything else is the operator's word alone, which has to be given as such, and stays on the record.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone

from audit import events
from audit.beginnings import Beginning, Trust, read_beginning
from audit.chain import moment_text
from audit.checkpoints import Statement, state_beginning
from audit.findings import Kind
from audit.models import AuditBeginning, AuditEvent, AuditSeal, Sealer, first_id_at
from audit.services import Target, record_everywhere
from audit.verifying import Report, verify
from config.kernel.errors import Conflict
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope

# So many late records that nobody signed are named at once.
MOST_NAMED = 20
# Statements say to the second when they were signed.
SECOND = timedelta(seconds=1)


class State(StrEnum):
    """What is to be done with a log's beginning, or was."""

    NOTHING = "nothing"
    READY = "ready"
    REFUSED = "refused"
    SIGNED = "signed"


@dataclass(frozen=True)
class Evidence:
    """What speaks for a log's beginning: `kept` checkpoints (`trust.keys`: of kept key sets), and the operator's word.

    `trust.dropped` are late records of which the operator says that they were dropped with their months, by a version
    that did not sign which. `is_word_enough` when nothing but the operator's word need speak for it.
    """

    kept: list[Statement] = field(default_factory=list)
    trust: Trust = field(default_factory=Trust)
    is_word_enough: bool = False


@dataclass(frozen=True)
class Attestation:
    """How it stands with one log. `words` say why it is refused; `is_proven` whether more than a word speaks for it."""

    organization_id: UUID
    state: State
    beginning: Beginning
    words: str = ""
    is_proven: bool = False


def examine(organization_id: UUID, evidence: Evidence, *, progress: Callable[[int], None] | None = None) -> Attestation:
    """Whether where a log begins has to be signed anew, and may be. Changes nothing."""
    with tenant_scope(organization_id):
        beginning, unproven = read_beginning(organization_id, Trust(evidence.trust.keys))
    if not beginning.kid:
        # Nothing was dropped; or what is kept of it is no statement that anybody could vouch for.
        state = State.REFUSED if unproven else State.NOTHING
        return Attestation(organization_id, state, beginning, unproven.words if unproven else "")
    if beginning.withdrawn_at is None and not evidence.trust.dropped:
        return Attestation(organization_id, State.NOTHING, beginning)
    trust = Trust(evidence.trust.keys, withdrawn=True, dropped=evidence.trust.dropped)
    report = verify(organization_id, kept=evidence.kept, trust=trust, progress=progress)
    beginning = report.beginning
    is_proven = _is_proven(report, evidence)
    words = _refusal(report, evidence, is_proven=is_proven)
    state = State.REFUSED if words else State.READY
    return Attestation(organization_id, state, beginning, words, is_proven)


def attest(
    *,
    actor: Principal,
    organization_id: UUID,
    evidence: Evidence,
    reason: str,
    progress: Callable[[int], None] | None = None,
) -> Attestation:
    """Signs where a log begins with the key of now, if `examine` lets it. Repeating it changes nothing.

    Recorded in the log itself and in the installation's. Beside the retention job and other operators: whoever is
    second finds the beginning changed, and leaves it alone.
    """
    found = examine(organization_id, evidence, progress=progress)
    if found.state != State.READY:
        return found
    beginning = found.beginning
    with transaction.atomic():
        # As retention does: nothing is sealed or dropped between looking and signing.
        list(Sealer.objects.select_for_update().filter(id=1))
        if not _sign(organization_id, beginning):
            words = "a month was dropped, or the beginning signed anew, meanwhile: run it again"
            return Attestation(organization_id, State.REFUSED, beginning, words)
        _record(actor, found, evidence, reason)
    return Attestation(organization_id, State.SIGNED, beginning, is_proven=found.is_proven)


def _is_proven(report: Report, evidence: Evidence) -> bool:
    """Whether a kept checkpoint confirms the log's own record of the drop: not one that the next key signed since."""
    beginning, recorded_at = report.beginning, report.recorded_at
    if beginning.withdrawn_at is None or recorded_at is None:
        return False
    latest = beginning.withdrawn_at - SECOND
    return any(
        one.sequence >= recorded_at and (one.kid == beginning.kid or (one.signed_at and one.signed_at <= latest))
        for one in evidence.kept
    )


def _sign(organization_id: UUID, beginning: Beginning) -> bool:
    """False when that is no longer where the log begins."""
    with tenant_scope(organization_id):
        row = AuditBeginning.objects.newest()
        if row is None or (row.dropped_before, row.edition) != (beginning.dropped_before, beginning.edition):
            return False
        state_beginning(
            organization_id,
            after=beginning.sequence,
            dropped_before=row.dropped_before,
            late=list(AuditSeal.objects.filter(sequence__in=beginning.gone).order_by("sequence")),
            attested_at=timezone.now(),
        )
        if read_beginning(organization_id, Trust())[0].shape != beginning.shape:
            raise Conflict("The log was changed in the database meanwhile: verify it first.")
        return True


def _refusal(report: Report, evidence: Evidence, *, is_proven: bool) -> str:
    """Why the beginning is not signed anew, in a sentence; empty when it may be."""
    beginning, finding = report.beginning, report.finding
    if finding:
        place = " ".join(filter(None, [f"number {finding.sequence}" if finding.sequence else "", finding.record]))
        words = f"the log does not hold otherwise: {finding.kind}: {place}: {finding.words}"
        late = _late_ones(report) if finding.kind == Kind.REMOVED else []
        if finding.record in late:
            words += (
                "; if an older version dropped late records with their months, which it did not sign, and you know "
                f"that these were such, name each with --dropped: {', '.join(late)}"
            )
        return words
    missing = evidence.trust.dropped - {parse_public_id("evt", one.record) for one in beginning.gone.values()}
    if missing:
        named = ", ".join(public_id("evt", one) for one in missing)
        return f"of these no link is left from which a late record of a dropped month is gone: {named}"
    with tenant_scope(report.organization_id):
        if beginning.sequence and not AuditSeal.objects.filter(sequence=beginning.sequence).exists():
            return f"the link of number {beginning.sequence}, behind which it begins, is gone"
    if is_proven or evidence.is_word_enough:
        return ""
    if report.recorded_at is None:
        return "the log has no record of that drop, so only your word can speak for its beginning: --unproven gives it"
    return (
        f"name a checkpoint of number {report.recorded_at} or later with --checkpoint that was kept since before the "
        "key leaked, so that it confirms the log's own record of that drop, or give your word alone with --unproven"
    )


def _late_ones(report: Report) -> list[str]:
    """The records of dropped months that are gone behind the beginning though nobody has signed it."""
    beginning = report.beginning
    if beginning.dropped_before is None or report.recorded_at:
        return []
    with tenant_scope(report.organization_id):
        links = AuditSeal.objects.filter(sequence__gt=beginning.sequence, id__lt=first_id_at(beginning.dropped_before))
        links = links.exclude(sequence__in=beginning.gone)
        links = links.exclude(models.Exists(AuditEvent.objects.filter(id=models.OuterRef("id"))))
        return [link.record_id for link in links.order_by("sequence")[:MOST_NAMED]]


def _record(actor: Principal, found: Attestation, evidence: Evidence, reason: str) -> None:
    beginning = found.beginning
    if beginning.dropped_before is None:
        return
    record_everywhere(
        events.AUDIT_LOG_ATTESTED,
        actor=actor,
        organization_ids={found.organization_id, INSTALLATION_ID},
        target=Target("audit_log", public_id("org", found.organization_id), ""),
        data={
            "before": moment_text(beginning.dropped_before),
            "sequence": beginning.sequence,
            "key": beginning.kid if beginning.withdrawn_at else None,
            "reason": reason,
            "proven": found.is_proven,
            "checkpoints": len(evidence.kept),
            "records": sorted(public_id("evt", one) for one in evidence.trust.dropped),
        },
    )
