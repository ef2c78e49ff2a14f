"""Celery entries of audit: a named outcome out. The work is in the modules they call."""

from celery import shared_task

from audit import checkpoints, indexing, partitions, sealing


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
