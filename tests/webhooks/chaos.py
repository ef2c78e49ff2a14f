"""A whole Tenantry of its own, whose every part can be killed at any instant and started again."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from config.embedded.credentials import Credentials
from config.embedded.home import Home
from config.embedded.postgres import Postgres
from config.embedded.programs import postgres_programs
from config.embedded.valkey import Valkey
from config.provision import APP_ROLE, DATABASE, OWNER_ROLE, provision
from tests.browser.site import ADDRESS, answers, free_port
from tests.database import OWNER_URL, ROOT, ensure_template, named
from tests.embedded.conftest import make_home

PATIENCE = 60.0
CELERY = ["celery", "-A", "config"]
WORKER = [*CELERY, "worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
THEIRS = ("DATABASE_", "REDIS_", "TENANTRY_", "DJANGO_", "PYTEST_", "PORT")


class Chaos:
    """The servers, the programs, and who kills them. What it did is in `deeds`, with the seconds since the start."""

    def __init__(self, home: Home, seed: int) -> None:
        self.home = home
        self.random = random.Random(seed)
        self.deeds: list[tuple[float, str]] = []
        credentials = Credentials.of(home.secrets)
        self.credentials = credentials
        # As in life, not as for tests: what was committed must survive the server.
        self.postgres = Postgres(home, password=credentials.postgres_superuser, test=False, interrupted=lambda: False)
        self.valkey = Valkey(home, password=credentials.valkey, test=False, interrupted=lambda: False)
        self.web_port = free_port()
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self.commands: dict[str, list[str]] = {
            "web": ["granian", "--interface", "wsgi", "--host", ADDRESS, "--port", str(self.web_port),
                    "--blocking-threads", "4", "config.wsgi:application"],
            "deliveries": [*WORKER, "-Q", "webhooks", "--prefetch-multiplier", "1", "-n", "deliveries@%h"],
            "worker": [*WORKER, "-Q", "celery", "-n", "worker@%h"],
            "beat": [*CELERY, "beat", "--schedule", str(home.path / "beat"), "--pidfile="],
        }  # fmt: skip
        self.environment: dict[str, str] = {}
        self.began = time.monotonic()

    def start_servers(self) -> None:
        """PostgreSQL and Valkey, with all that migrations make."""
        self.postgres.start()
        app, owner = self.credentials.postgres_app, self.credentials.postgres_owner
        provision(self.postgres.superuser_url, app_password=app, owner_password=owner, development=True, test=False)
        self.valkey.start()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(THEIRS)},
            "DATABASE_URL": self.postgres.url(user=APP_ROLE, password=app, database=DATABASE),
            "DATABASE_OWNER_URL": self.postgres.url(user=OWNER_ROLE, password=owner, database=DATABASE),
            "REDIS_URL": self.valkey.url,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "TENANTRY_DEBUG": "true",
            "TENANTRY_SECRET_KEY": self.credentials.secret_key,
            "TENANTRY_ENCRYPTION_KEYS": self.credentials.encryption_key,
            "TENANTRY_URL": f"http://{ADDRESS}:{self.web_port}",
            "TENANTRY_HOME": str(self.home.path),
            "PYTHONUNBUFFERED": "1",
        }
        self._copy_tables()

    def _copy_tables(self) -> None:
        """Those of the other tests' template, since migrating takes longer than all that follows."""
        folder, user = self.home.server_folder()
        programs, dump = postgres_programs(folder, user), self.home.path / "tables.sql"
        template, empty = named(OWNER_URL, ensure_template()), self.environment["DATABASE_OWNER_URL"]
        for command in (
            ["pg_dump", "--enable-row-security", "--file", str(dump), template],
            ["psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump), empty],
        ):
            subprocess.run([str(programs / command[0]), *command[1:]], check=True, capture_output=True)

    def run(self, *arguments: str) -> str:
        """What a Python program prints. Raises AssertionError with its words when it fails."""
        ended = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
            timeout=PATIENCE * 3,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def start(self, name: str) -> None:
        """Starts one of `commands`, in a process group of its own."""
        with self.log(name).open("ab") as words:
            self.programs[name] = subprocess.Popen(
                [sys.executable, "-m", *self.commands[name]], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=words, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> Path:
        """Where its words are."""
        return self.home.path / f"{name}.log"

    def has_ended(self, name: str) -> bool:
        """Whether a program has come to its end. Raises AssertionError when that was not a good one."""
        code = self.programs[name].poll()
        assert code in (None, 0), f"{name} ended with {code}:\n{self.log(name).read_text()[-3000:]}"
        return code == 0

    def kill(self, name: str) -> None:
        """SIGKILL for a program, or a server, with all its processes."""
        self.note(f"kill {name}")
        server = {"postgres": self.postgres, "valkey": self.valkey}.get(name)
        leader = server.child.process if server else self.programs[name]
        # The backends of PostgreSQL lead sessions of their own and end when they notice that the postmaster is gone.
        os.killpg(leader.pid, signal.SIGKILL)
        leader.wait()

    def revive(self, name: str) -> None:
        """Starts it again, whatever it was."""
        self.note(f"start {name}")
        if name == "postgres":
            self.postgres.start()
        elif name == "valkey":
            self.valkey.start()
        else:
            self.start(name)

    def note(self, deed: str) -> None:
        """Keeps what was done."""
        self.deeds.append((round(time.monotonic() - self.began, 2), deed))

    def await_web(self) -> None:
        """Until the web server answers."""
        wait_until(lambda: answers(f"http://{ADDRESS}:{self.web_port}/health/live"), "the web server answers")

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """As the owner, who sees every organization's rows."""
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
            return connection.execute(sql, parameters).fetchall()

    def do(self, sql: str, *parameters: Any) -> None:
        """A statement without rows, as the owner."""
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
            connection.execute(sql, parameters)

    def count_records(self) -> int:
        """How many records the ledger has; 0 while there is no database."""
        try:
            return int(self.rows("SELECT count(*) FROM audit_event")[0][0])
        except psycopg.OperationalError:
            return 0

    def prepare(self, url: str) -> dict[str, Any]:
        """The organizations, by `writing prepare`."""
        return dict(json.loads(self.run("-m", "tests.webhooks.writing", "prepare", url)))

    def end(self) -> None:
        """Kills everything."""
        for name, process in self.programs.items():
            if process.poll() is None:
                self.kill(name)
        self.valkey.stop()
        self.postgres.stop()


def wait_until(condition: Any, what: str, seconds: float = PATIENCE) -> None:
    """Raises AssertionError when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.05)


@contextmanager
def chaos(seed: int) -> Iterator[Chaos]:
    """Everything but the programs runs; it is gone when the block ends."""
    home = Home(make_home())
    home.prepare()
    try:
        with home.lock():
            world = Chaos(home, seed)
            try:
                world.start_servers()
                yield world
            finally:
                world.end()
    finally:
        shutil.rmtree(home.path.parent)
