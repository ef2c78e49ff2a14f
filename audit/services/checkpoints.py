"""Checkpoints that somebody asks for, beside the hourly ones."""

from django.db import transaction

from audit import events
from audit.checkpoints import make_checkpoint
from audit.models import AuditCheckpoint
from audit.services.records import Target, record
from config.kernel.errors import Conflict
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import require_organization_id


@transaction.atomic
def sign_checkpoint(*, actor: Principal) -> AuditCheckpoint:
    """Signs where the log of the organization in scope stands; the one that is there when it was signed already.

    Raises Conflict while nothing is sealed.
    """
    checkpoint, is_new = make_checkpoint(require_organization_id())
    if checkpoint is None:
        raise Conflict("Nothing is sealed yet: try again in some seconds.", code="nothing_sealed")
    if is_new:
        record(
            events.AUDIT_CHECKPOINT_SIGNED,
            actor=actor,
            target=Target("audit_checkpoint", checkpoint.public_id, f"Checkpoint {checkpoint.sequence}"),
            data={"sequence": checkpoint.sequence},
        )
    return checkpoint
