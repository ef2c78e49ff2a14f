"""A Tenantry that answers browsers: its web server on a free port, its worker, its stylesheet."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.database import APP_URL, OWNER_URL, ROOT, named

ADDRESS = "127.0.0.1"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
NAMES_OF_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
APPLICATIONS = ("Google Chrome.app/Contents/MacOS/Google Chrome", "Chromium.app/Contents/MacOS/Chromium")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The system's Chromium or Chrome. Raises LookupError."""
    found = [path for name in NAMES_OF_CHROMIUM if (path := shutil.which(name))]
    found += [str(path) for name in APPLICATIONS if (path := Path("/Applications") / name).exists()]
    if not found:
        raise LookupError("Install Chromium with your package manager: the browser tests drive it.")
    return found[0]


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def environment_of(database: str, *, port: int, home: Path, mail_port: int | None = None) -> dict[str, str]:
    """The environment of a product that uses that database; its mails go to a server on this machine."""
    environment = {
        **os.environ,
        "DATABASE_URL": named(APP_URL, database),
        "DATABASE_OWNER_URL": named(OWNER_URL, database),
        "TENANTRY_DEBUG": "true",
        "PORT": str(port),
        "TENANTRY_URL": f"http://{ADDRESS}:{port}",
        "TENANTRY_HOME": str(home),
        "PYTHONUNBUFFERED": "1",
    }
    if mail_port:
        environment |= {"TENANTRY_SMTP_HOST": ADDRESS, "TENANTRY_SMTP_PORT": str(mail_port)}
    return environment


def manage(*arguments: str, environment: Mapping[str, str]) -> None:
    """Runs a command of manage.py. Raises CalledProcessError."""
    subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, check=True, timeout=180,
        capture_output=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Program:
    """One that runs, and the file that it writes its words to."""

    process: subprocess.Popen[bytes]
    log: Path

    def require(self) -> None:
        """Raises RuntimeError with the end of its words when it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"It ended:\n{self.words()}")

    def words(self) -> str:
        """The end of its words."""
        return self.log.read_text(errors="replace")[-3000:]


@contextmanager
def program(name: str, arguments: list[str], *, environment: Mapping[str, str]) -> Iterator[Program]:
    """Runs a Python module until the block ends."""
    log = Path(environment["TENANTRY_HOME"]) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            yield Program(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def web_server(application: str, *, environment: Mapping[str, str]) -> Iterator[str]:
    """Serves until the block ends; gives the address once it is ready. Raises TimeoutError with the log's end."""
    manage("build_css", environment=environment)
    with web_servers([environment], application=application):
        yield f"http://{ADDRESS}:{environment['PORT']}"


@contextmanager
def web_servers(
    environments: Sequence[Mapping[str, str]],
    *,
    application: str = "config.wsgi:application",
    threads: int = 4,
    processes: int = 1,
) -> Iterator[None]:
    """One for each of the environments, started as `make run` starts its own, until the block ends.

    Raises TimeoutError with the log's end unless all answer in time.
    """
    options = ["--interface", "wsgi", "--blocking-threads", str(threads), "--workers", str(processes)]
    with ExitStack() as stack:
        started = []
        for environment in environments:
            port = environment["PORT"]
            command = ["granian", *options, "--host", ADDRESS, "--port", port, application]
            started.append((port, stack.enter_context(program(f"web-{port}", command, environment=environment))))
        end = time.monotonic() + READY_SECONDS
        for port, web in started:
            while not answers(f"http://{ADDRESS}:{port}/health/live"):
                web.require()
                if time.monotonic() > end:
                    raise TimeoutError(f"The web server does not answer:\n{web.words()}")
                time.sleep(0.1)
        yield


@contextmanager
def worker(*, environment: Mapping[str, str]) -> Iterator[None]:
    """Works off the queue until the block ends."""
    options = ["--pool", "solo", "--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with program("worker", ["celery", "-A", "config", "worker", *options], environment=environment):
        yield


def answers(url: str) -> bool:
    """Whether a GET is answered with 200. No proxy of the environment stands before an address of ours."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False
