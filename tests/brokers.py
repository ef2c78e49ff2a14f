"""A broker of a test's own, which may be away or forget, and somebody who does what waits there."""

import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty

import pytest
from celery import current_app

from config.embedded.programs import valkey_program
from config.kernel import tasks
from config.kernel.tasks import ORGANIZATION_HEADER


class Broker:
    """A Valkey of its own that keeps nothing on disk, and that tasks are sent to."""

    def __init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.start()

    def start(self) -> None:
        program = valkey_program(Path(tempfile.gettempdir()), None)
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        end = time.monotonic() + 20
        while not self.listens():
            assert time.monotonic() < end
            time.sleep(0.02)

    def listens(self) -> bool:
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """With all that waits there."""
        self.process.kill()
        self.process.wait()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections, and says nothing."""
        self.process.send_signal(signal.SIGSTOP)
        yield
        self.process.send_signal(signal.SIGCONT)

    def work(self) -> list[tuple[str, str]]:
        """Does what waits there, as a worker. Names of tasks with their outcomes."""
        done = []
        with current_app.connection_for_read() as opened, opened.SimpleQueue("celery", no_ack=True) as waiting:
            while True:
                try:
                    message = waiting.get(block=False)
                except Empty:
                    return done
                name = message.headers["task"]
                headers = {ORGANIZATION_HEADER: message.headers.get(ORGANIZATION_HEADER)}
                done.append((name, current_app.tasks[name].apply(message.payload[0], headers=headers).get()))


def forget_connections() -> None:
    """Those to the broker that was set before. They stay open, for who sets it again finds the very same ones."""
    current_app._pool = current_app.amqp._producer_pool = None


@contextmanager
def another_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Tasks are sent there until the block ends. The web process of the test knows nothing of it yet."""
    made = Broker()
    monkeypatch.setenv("CELERY_BROKER_URL", f"redis://127.0.0.1:{made.port}/0")
    forget_connections()
    tasks._Broker.away_until = 0.0
    yield made
    made.kill()
    if current_app._pool is not None:
        current_app._pool.force_close_all()
    forget_connections()
    tasks._Broker.away_until = 0.0
