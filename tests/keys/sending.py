"""A process of its own that tracks: `python -m tests.keys.sending ORGANIZATION PROJECT FIRST LAST`.

Threads send the events `FIRST` to `LAST`, ten at a time, over and over each other. Prints what was answered as JSON.
"""

import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import django

THREADS = 8
ROUNDS = 40
EVENTS = 10


def main(organization: str, project: str, first: str, last: str) -> None:
    """Sends and tells."""
    django.setup()
    from keys.tracking.events import Event
    from keys.tracking.intake import track
    from keys.tracking.writing import Source

    source = Source(UUID(organization), UUID(project), "key_test")
    numbers = range(int(first), int(last))

    def send(_round: int) -> tuple[int, int]:
        chosen = random.sample(numbers, EVENTS)
        tracked = track(source=source, events=[Event("x", id=str(number)) for number in chosen])
        return tracked.accepted, tracked.duplicates

    sys.stdin.readline()  # so that all processes begin together
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(send, range(ROUNDS)))
    sys.stdout.write(json.dumps([sum(column) for column in zip(*answers, strict=True)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
