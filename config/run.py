"""`make run`: everything that Tenantry consists of on one machine, under one Ctrl-C.

`python -m config.run` reads PORT (8000), TENANTRY_HOME (`.tenantry`), and DATABASE_URL and REDIS_URL if you
have servers of your own.  Every process writes to TENANTRY_HOME/logs; errors and mails are shown here too.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from config.embedded import processes
from config.embedded.errors import EmbeddedError, InterruptedStartError
from config.embedded.home import REPOSITORY, Home, home_folder
from config.embedded.ports import ADDRESS, is_free
from config.embedded.processes import Child
from config.embedded.servers import Servers
from config.embedded.signals import StopSignals

READY_SECONDS = 180.0
HIGHEST_PORT = 65535
TAIL_LINES = 30
WORKER_PROCESSES = 2
# More threads than this only wait for the interpreter, and each holds a database connection.
WEB_THREADS = 2 * (os.cpu_count() or 1) + 1

# A web request ends within seconds; a warm worker shutdown finishes the tasks at hand, a cold one drops them.
WEB_STOP: processes.Ladder = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
BEAT_STOP: processes.Ladder = ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
WORKER_STOP: processes.Ladder = ((signal.SIGTERM, 15.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0))


class RunError(Exception):
    """Tenantry cannot start or go on; `str(error)` says why and what to do."""

    code = "run_failed"


class StopRequested(Exception):
    """Somebody asked us to stop while we were still starting."""


class NewLines:
    """What a log gains from now on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = path.stat().st_size if path.exists() else 0
        self._rest = ""

    def read(self) -> Iterator[str]:
        """Complete lines since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._position)
            gained = file.read()
        self._position += len(gained)
        *lines, self._rest = (self._rest + gained.decode(errors="replace")).split("\n")
        yield from lines


class Important:
    """Chooses the lines a person wants to see: errors with their tracebacks, and whole mails."""

    _record = re.compile(r"^(\d{4}-\d{2}-\d{2}[T ]|\[)")
    _severe = re.compile(r"\[?\b(error|critical)\b", re.IGNORECASE)
    # What a worker prints comes through Celery's log, so the first line of a mail and its end have such a head too.
    _head = re.compile(r"^\d{4}-\d{2}-\d{2}T\S+ \[\w+ *\] ")
    _mail = re.compile(r"^(Content-Type|MIME-Version): ")
    _end_of_mail = "-" * 70

    def __init__(self) -> None:
        self._showing = False
        self._in_mail = False

    def __call__(self, line: str) -> bool:
        """Whether to show the next line."""
        head = self._head.match(line)
        words = line[head.end() :] if head else line
        if self._in_mail and (not head or words.startswith(self._end_of_mail)):
            self._in_mail = not words.startswith(self._end_of_mail)
            return True
        self._in_mail = bool(self._mail.match(words))
        if self._in_mail:
            self._showing = False
            return True
        if self._record.match(line) or line.startswith("Traceback "):
            self._showing = bool(self._severe.search(line[:80])) or line.startswith("Traceback ")
        return self._showing


class Supervisor:
    """Starts everything in order, watches it, and ends it in the opposite order."""

    def __init__(self, home: Home, port: int, stop: StopSignals) -> None:
        self._home = home
        self._port = port
        self._stop = stop
        self._servers = Servers(home, interrupted=stop.requested)
        self._programs: list[tuple[Child, processes.Ladder]] = []
        self._environment: dict[str, str] = {}
        self._followed: list[tuple[str, NewLines, Important]] = []

    @property
    def _url(self) -> str:
        return f"http://{ADDRESS}:{self._port}"

    def start(self) -> None:
        """Bring everything up until the readiness page says so.

        Raises RunError or EmbeddedError, or StopRequested; what has started by then is left to `end`.
        """
        found = self._servers.start()
        ours = {
            **found,
            "TENANTRY_HOME": str(self._home.path),
            "TENANTRY_URL": self._url,
            "PYTHONUNBUFFERED": "1",
        }
        self._environment = {**ours, **os.environ, "TENANTRY_HOME": str(self._home.path)}
        names = {*ours, "DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"} & self._environment.keys()
        self._servers.publish({name: self._environment[name] for name in names})
        if found.get("DATABASE_URL") or found.get("REDIS_URL"):
            _say("PostgreSQL and Valkey run.")
        # The style sheet needs no database.
        styles = self._start_command("build_css")
        self._finish(self._start_command("migrate", "--no-input"))
        _say("The database is up to date.")
        seed = self._start_command("seed_demo")
        self._start_programs()
        self._finish(styles)
        self._finish(seed)
        if self._environment.get("TENANTRY_DEV_AUTH"):
            self._finish(self._start_command("dev_sign_in", "--if-on"))
        self._await_ready()

    def _start_command(self, *arguments: str) -> Child:
        self._check()
        return processes.start(
            arguments[0],
            [sys.executable, REPOSITORY / "manage.py", *arguments],
            records=self._home.records,
            home=self._home.path,
            environment=self._environment,
            log=self._log(arguments[0]),
            folder=REPOSITORY,
        )

    def _finish(self, command: Child) -> None:
        while command.poll() is None:
            if self._stop.requested():
                command.stop(hurried=self._stop.hurried)
            self._check()
            time.sleep(0.05)
        code = command.stop()
        if code:
            raise RunError(self._failure(f"manage.py {command.name} failed with code {code}", command.name))

    def _start_programs(self) -> None:
        python = sys.executable
        celery = [python, "-m", "celery", "-A", "config"]
        web = [python, "-m", "granian", "--interface", "wsgi", "--host", ADDRESS, "--port", str(self._port)]
        limits = ["--blocking-threads", str(WEB_THREADS), "--workers-kill-timeout", "8s"]
        self._start_program("web", [*web, *limits, "config.wsgi:application"], WEB_STOP)
        worker = [*celery, "worker", "--loglevel", "INFO", "--without-gossip", "--without-mingle"]
        many = ["--queues", "celery", "--concurrency", str(WORKER_PROCESSES), "--hostname", "worker@%h"]
        self._start_program("worker", [*worker, *many], WORKER_STOP)
        alone = ["--queues", "webhooks", "--pool", "solo", "--prefetch-multiplier", "1", "--hostname", "deliveries@%h"]
        # As docs/operators.md says: without the tasks of others, and the pages that Celery's checks would load.
        lean = {"TENANTRY_WORKER_APPS": "webhooks", "CELERY_SKIP_CHECKS": "true"}
        self._start_program("deliveries", [*worker, *alone], WORKER_STOP, lean)
        schedule = [
            "beat",
            "--loglevel",
            "INFO",
            "--schedule",
            str(self._home.path / "beat-schedule"),
            "--pidfile=",
        ]
        self._start_program("beat", [*celery, *schedule], BEAT_STOP)

    def _start_program(
        self, name: str, command: list[str], ladder: processes.Ladder, environment: Mapping[str, str] | None = None
    ) -> None:
        self._check()
        self._followed.append((name, NewLines(self._log(name)), Important()))
        child = processes.start(
            name,
            command,
            records=self._home.records,
            home=self._home.path,
            environment={**self._environment, **(environment or {})},
            log=self._log(name),
            folder=REPOSITORY,
        )
        self._programs.append((child, ladder))

    def _await_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            self._check()
            if time.monotonic() > deadline:
                raise RunError(self._failure(f"{self._url}/health/ready does not answer with 200", "web"))
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            # The address is our own, and no proxy of the environment may stand before it.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{self._url}/health/ready", timeout=10) as answer:
                return answer.status == 200  # noqa: PLR2004 - the HTTP status
        except (urllib.error.URLError, OSError):
            return False

    def _check(self) -> None:
        """Raise when we are to stop or a program has ended by itself."""
        if self._stop.requested():
            raise StopRequested
        for child in (*(program for program, _ in self._programs), *self._servers.children()):
            code = child.poll()
            if code is not None:
                raise RunError(self._failure(f"{child.name} ended with code {code}", child.name))

    def watch(self) -> None:
        """Show what is important until somebody asks us to stop. Raises RunError when a program ends."""
        try:
            while True:
                self._check()
                self._show_important()
                time.sleep(0.2)
        except StopRequested:
            return

    def _show_important(self) -> None:
        for name, lines, important in self._followed:
            for line in lines.read():
                if important(line):
                    print(f"{name:>10} | {line}", flush=True)

    def end(self) -> None:
        """End everything: web server, beat, workers, Valkey, PostgreSQL. A second Ctrl-C hurries."""
        order = {"web": 0, "beat": 1, "deliveries": 2, "worker": 3}
        for child, ladder in sorted(self._programs, key=lambda program: order[program[0].name]):
            child.stop(ladder, self._stop.hurried)
        self._programs.clear()
        # A command of the start that was interrupted.
        processes.end_leftovers(self._home.records, self._home.path, keep={"valkey", "postgres"})
        self._servers.stop(self._stop.hurried)

    def _log(self, name: str) -> Path:
        return self._home.logs / f"{name}.log"

    def _failure(self, what: str, log_name: str) -> str:
        log = self._log(log_name)
        text = log.read_text(errors="replace") if log.exists() else ""
        tail = "\n".join(text.splitlines()[-TAIL_LINES:])
        return f"{tail}\n\n{what}; the lines above end its log, {log}."


def sign_in_lines(demo: Mapping[str, object], url: str) -> list[str]:
    """What a person needs first, from the demo seed's file (spec 6): an owner's sign-in and a `curl` line."""
    organizations = demo.get("organizations")
    if not isinstance(organizations, list) or not organizations:
        return []
    organization = organizations[0]
    owner = organization["users"]["owner"]
    lines = [f"Sign in as {owner['email']} with the password {owner['password']}"]
    if organization.get("projects"):
        key = organization["projects"][0]["secret_key"]
        lines.append(
            f'curl -s {url}/api/v1/keys/verify -H "Authorization: Bearer {key}" '
            f'-H "Content-Type: application/json" -d \'{{"key": "{key}"}}\''
        )
    return lines


def _say(sentence: str) -> None:
    print(sentence, flush=True)


def _port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 0 < int(text) <= HIGHEST_PORT:
        raise RunError(f"PORT is {text}; set it to a number from 1 to {HIGHEST_PORT}.")
    return int(text)


def _show_ready(home: Home, port: int) -> None:
    url = f"http://{ADDRESS}:{port}"
    _say(f"Tenantry is ready at {url}")
    demo = home.path / "demo.json"
    if demo.exists():
        for line in sign_in_lines(json.loads(demo.read_text()), url):
            _say(line)
    _say(f"Logs are in {home.logs}; Ctrl-C ends everything.")


def main() -> int:
    """Run until somebody asks us to stop; 0 then, 1 when something failed."""
    try:
        port = _port()
        home = Home(home_folder())
        home.prepare()
        with home.lock():
            return _supervise(home, port)
    except (RunError, EmbeddedError) as error:
        print(error, file=sys.stderr, flush=True)
        return 1


def _supervise(home: Home, port: int) -> int:
    stop = StopSignals()
    ended = processes.end_leftovers(home.records, home.path)
    if ended:
        _say(f"Ended what a killed run had left: {', '.join(ended)}.")
    if not is_free(port):
        raise RunError(f"Port {port} is in use; stop what listens there or choose another: make run PORT=8001")
    supervisor = Supervisor(home, port, stop)
    try:
        supervisor.start()
        _show_ready(home, port)
        supervisor.watch()
    except (StopRequested, InterruptedStartError):
        pass
    finally:
        if stop.requested():
            _say("Stopping; once more Ctrl-C hurries.")
        supervisor.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
