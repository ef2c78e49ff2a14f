"""What operators and others do when a signing key was compromised."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management import CommandError, call_command

from audit.checkpoints import make_checkpoints, read_statement
from audit.models import AuditBeginning, AuditCheckpoint, AuditEvent
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys import signing
from keys.models import SigningKey


def attested(*arguments: str) -> tuple[bool, dict[str, Any]]:
    """Whether the command ended well, and its answer for each log that it concerns, by name."""
    out = io.StringIO()
    done = True
    try:
        call_command("attest_audit", *arguments, "--json", stdout=out, stderr=io.StringIO())
    except CommandError:
        done = False
    answer = json.loads(out.getvalue())
    assert answer["done"] == done
    return done, {row["organization"]: row for row in answer["organizations"]}


def withdraw() -> str:
    """As the operator does; the kid of the key that signed until now."""
    row = SigningKey.objects.get(signs_from__isnull=False, signs_until=None, withdrawn_at=None)
    call_command(
        "rotate_signing_key", "--withdraw", row.public_id, "--reason", "found on a laptop", stderr=io.StringIO()
    )
    signing.forget()
    return row.kid


def kept_now(folder: Path) -> list[str]:
    """What everybody keeps: a checkpoint of each log, and the key set; as arguments."""
    make_checkpoints()
    with system_scope("test"):
        statements = [row.statement for row in AuditCheckpoint.objects.order_by("id")]
    (folder / "kept.txt").write_text("\n".join(statements))
    (folder / "keys.json").write_text(json.dumps({"keys": signing.published()}))
    return ["--checkpoint", str(folder / "kept.txt"), "--keys", str(folder / "keys.json")]


def beginnings() -> list[tuple[Any, ...]]:
    with system_scope("test"):
        return list(AuditBeginning.objects.order_by("id").values_list("org_id", "sequence", "edition", "statement"))


def attestations(organization: UUID) -> list[AuditEvent]:
    with tenant_scope(organization):
        return list(AuditEvent.objects.filter(event="audit_log.attested").order_by("id"))


def of(statement: str) -> UUID:
    return read_statement(statement).organization_id
