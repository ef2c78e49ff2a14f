"""Where benchmarks run: seeded stores and server processes pinned to one core, the load generator on another."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString, Self

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict

from config.embedded.home import home_folder

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = "127.0.0.1"
SERVER_CORE, LOAD_CORE = 0, 1
START_SECONDS = 120.0
KEYS = int(os.environ.get("BENCHMARK_KEY_COUNT", "100000"))
DJANGO = "config.wsgi:application"
DROP_TABLE = "DROP TABLE IF EXISTS benchmark_event"


class Unable(Exception):
    """The machine lacks something; says what to do."""


class Server:
    """One granian process with one worker, and the CPU time that it and the stores have used."""

    def __init__(self, target: str, environment: Mapping[str, str], threads: int, stores: list[psutil.Process]) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", ADDRESS, "--port", str(self.port)]
        command += ["--blocking-threads", str(threads), "--no-ws", "--log-level", "warning", target]
        self._process = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=subprocess.DEVNULL)
        psutil.Process(self._process.pid).cpu_affinity([SERVER_CORE])
        self._stores = stores
        self._await()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{ADDRESS}:{self.port}"

    def cpu_seconds(self) -> float:
        """Used so far by the server's processes and by the stores, theirs that have ended included."""
        return sum(cpu_of(process) for process in (psutil.Process(self._process.pid), *self._stores))

    def own_cpu_seconds(self) -> float:
        """Used so far by the server's processes alone."""
        return cpu_of(psutil.Process(self._process.pid))

    def worker_memory(self) -> float:
        """The proportional set size of the worker, in MiB."""
        workers = psutil.Process(self._process.pid).children(recursive=True)
        return max(worker.memory_full_info().pss for worker in workers) / 2**20

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Unable("A server of the benchmark ended at once; its words are above.")
            try:
                socket.create_connection((ADDRESS, self.port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise Unable("A server of the benchmark did not start.")


class Stage:
    """Everything that the benchmarks share. Use it as a context: it ends every server that was started."""

    def __init__(self) -> None:
        if not shutil.which("wrk"):
            raise Unable("The load generator wrk is missing; on Debian and Ubuntu: apt-get install wrk")
        if len(os.sched_getaffinity(0)) <= LOAD_CORE:
            raise Unable("Benchmarks need two cores: one for the server, one for the load.")
        self._servers: list[Server] = []
        self.folder = home_folder() / "keys"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.stores = store_processes()
        # What production sets, behind a proxy that ends TLS. The keys are for this run's data alone.
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "TENANTRY_DEBUG": "false",
            "TENANTRY_URL": "https://bench.example",
            "TENANTRY_ALLOWED_HOSTS": f"{ADDRESS},bench.example",
            "TENANTRY_TRUSTED_PROXIES": "1",
            "TENANTRY_SMTP_HOST": ADDRESS,
            "TENANTRY_SECRET_KEY": secrets.token_urlsafe(48),
            "TENANTRY_ENCRYPTION_KEYS": self._encryption_key(),
            "BENCHMARK_KEYS": str(self.folder / "keys.txt"),
        }

    def __enter__(self) -> Self:
        for process in self.stores:
            for each in (process, *process.children(recursive=True)):
                each.cpu_affinity([SERVER_CORE])
        self.python("manage.py", "migrate", "--no-input")
        if not (self.folder / "caller.txt").exists():
            print(f"Seeding {2 * KEYS:,} keys, once.", flush=True)
            self.python("-m", "benchmarks.seeding", str(self.folder), str(KEYS))
        return self

    def __exit__(self, *_exception: object) -> None:
        for server in self._servers:
            server.stop()

    def server(self, target: str = DJANGO, *, threads: int = 1, **environment: str) -> Server:
        """Starts a server of a WSGI application, by default Tenantry's own."""
        server = Server(target, {**self.environment, **environment}, threads, self.stores)
        self._servers.append(server)
        return server

    def python(self, *arguments: str) -> None:
        """Runs a Python program on the stores of the stage."""
        command = [sys.executable, *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def table(self, definition: LiteralString) -> Iterator[None]:
        """A baseline's own table `benchmark_event`, made anew, since a benchmark that was killed leaves its behind.

        It is no tenant's: a column `org_id` would stop the next migrate, which wants to see it protected.
        """
        with psycopg.connect(self.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
            connection.execute(DROP_TABLE)
            connection.execute(definition)
            try:
                yield
            finally:
                connection.execute(DROP_TABLE)

    def text(self, name: str) -> str:
        """What the seeding wrote."""
        return (self.folder / name).read_text()

    @property
    def headers(self) -> dict[str, str]:
        """Of every request: as the proxy hands it on, with the key that may ask."""
        return {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self.text('caller.txt')}",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-For": "203.0.113.9",
        }

    def _encryption_key(self) -> str:
        kept = self.folder / "encryption.txt"
        if not kept.exists():
            kept.write_text(b64encode(secrets.token_bytes(32)).decode())
        return kept.read_text()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        return int(probe.getsockname()[1])


def cpu_of(process: psutil.Process) -> float:
    """Seconds of a process and everything below it."""
    total = sum(process.cpu_times()[:4])
    for child in process.children(recursive=True):
        try:
            total += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue  # it has ended meanwhile, and its parent's figure has it
    return total


def store_processes() -> list[psutil.Process]:
    """The embedded PostgreSQL and Valkey of this home."""
    urls = [os.environ["DATABASE_URL"], os.environ["REDIS_URL"]]
    ports = {int(conninfo_to_dict(urls[0])["port"]), int(urls[1].rsplit(":", 1)[1].split("/")[0])}
    found = {
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports and connection.pid
    }
    if len(found) < len(ports):
        raise Unable("The stores of the benchmark are not on this machine; run it by `make bench`.")
    processes = [psutil.Process(pid) for pid in found]
    return [process for process in processes if process.ppid() not in found]


def show(rows: list[dict[str, Any]]) -> None:
    """Prints figures as an aligned table."""
    names = list(rows[0])
    cells = [[str(row[name]) for name in names] for row in rows]
    widths = [max(len(name), *(len(row[index]) for row in cells)) for index, name in enumerate(names)]
    for first, *rest in (names, *cells):
        figures = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  ".join([first.ljust(widths[0]), *figures]), flush=True)
