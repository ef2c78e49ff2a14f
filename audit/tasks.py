"""Celery entries of audit: ids in, a named outcome out. The work is in the modules they call."""

from uuid import UUID

from celery import shared_task

from audit import checkpoints, exporting, indexing, partitions, retention, sealing


@shared_task(name="audit.seal")
def seal() -> str:
    """Seals what has been recorded. Outcome: `sealed N`."""
    return f"sealed {sealing.seal_all()}"


@shared_task(name="audit.index")
def index() -> str:
    """Writes the words by which sealed records are found. Outcome: `indexed N blocks`."""
    return f"indexed {indexing.index_all()} blocks"


@shared_task(name="audit.make_checkpoints")
def make_checkpoints() -> str:
    """Signs where each organization's chain stands. Outcome: `signed N`."""
    return f"signed {checkpoints.make_checkpoints()}"


@shared_task(name="audit.make_partitions")
def make_partitions() -> str:
    """Makes the partitions of the next months. Outcome: `made N`."""
    return f"made {partitions.make_partitions()}"


@shared_task(name="audit.drop_expired")
def drop_expired() -> str:
    """Drops the months that every plan is done with. Outcome: `dropped N`."""
    return f"dropped {retention.drop_expired()}"


@shared_task(name="audit.make_export")
def make_export(export_id: str) -> str:
    """Makes an export of the log. Outcomes: `ready`, `gone`, `stopped`, `failed`."""
    return exporting.make_export(UUID(export_id))


@shared_task(name="audit.tend_exports")
def tend_exports() -> str:
    """Goes on with exports whose worker died, and tidies up behind those that ended. Outcome: `asked N, tidied N`."""
    asked, tidied = exporting.tend_exports()
    return f"asked {asked}, tidied {tidied}"
