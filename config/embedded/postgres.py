"""One PostgreSQL 18 on the loopback address, with passwords for everybody."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from config.embedded import processes
from config.embedded.errors import EmbeddedError, InterruptedStartError, ServerStartError
from config.embedded.home import Home, give
from config.embedded.ports import ADDRESS, remembered_port
from config.embedded.processes import Child, ProcessRecord, ServerUser
from config.embedded.programs import postgres_programs

SUPERUSER = "postgres"
START_SECONDS = 60.0
# Fast, then immediate (crash recovery at the next start), then the hard way.
STOP: processes.Ladder = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))

SETTINGS = {
    "listen_addresses": ADDRESS,
    "unix_socket_directories": "",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_checkpoints": "off",
}
# Nothing in a test has to survive a power cut.
TEST_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

ACCESS = f"host all all {ADDRESS}/32 scram-sha-256\n"


class Postgres:
    """The server of one home: makes its data at the first start, keeps it afterwards."""

    def __init__(self, home: Home, *, password: str, test: bool, interrupted: processes.Asked) -> None:
        self._home = home
        self._password = password
        self._settings = {**SETTINGS, **TEST_SETTINGS} if test else SETTINGS
        self._test = test
        self._interrupted = interrupted
        self._child: Child | None = None
        self.port = 0

    @property
    def child(self) -> Child:
        """The running postmaster."""
        if self._child is None:
            raise EmbeddedError("PostgreSQL has not been started.")
        return self._child

    def url(self, *, user: str, password: str, database: str) -> str:
        """A connection URL; `password` must be of the URL-safe alphabet."""
        return f"postgresql://{user}:{password}@{ADDRESS}:{self.port}/{database}"

    @property
    def superuser_url(self) -> str:
        """The superuser's connection to the maintenance database."""
        return self.url(user=SUPERUSER, password=self._password, database="postgres")

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerStartError with the end of its log."""
        folder, user = self._home.server_folder()
        programs = postgres_programs(folder, user)
        data = folder / "postgres"
        if not (data / "PG_VERSION").exists():
            self._make_data(folder, data, programs, user)
        _end_forgotten_postmaster(data)
        hba = data / "pg_hba.conf"
        if hba.read_text() != ACCESS:
            hba.write_text(ACCESS)
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = remembered_port(self._home.records / "postgres.port")
            settings = [
                part
                for name, value in {**self._settings, "port": str(self.port)}.items()
                for part in ("-c", f"{name}={value}")
            ]
            log = self._home.logs / "postgres.log"
            log_start = log.stat().st_size if log.exists() else 0
            self._child = processes.start(
                "postgres",
                [programs / "postgres", "-D", data, *settings],
                records=self._home.records,
                home=self._home.path,
                environment=_environment(),
                log=log,
                folder=data,
                user=user,
                death_signal=signal.SIGINT,
            )
            if self._answers(deadline):
                return
            said = _read_from(log, log_start)
            self.stop()
            # Backends of a killed postmaster need a moment to notice; a free port may be taken meanwhile.
            passing = "is still in use" in said or "Address already in use" in said
            if not passing or time.monotonic() > deadline:
                raise ServerStartError(f"PostgreSQL did not start; its log {log} ends:\n{said[-2000:].strip()}")
            time.sleep(0.3)

    def _answers(self, deadline: float) -> bool:
        while self.child.poll() is None and time.monotonic() < deadline:
            if self._interrupted():
                raise InterruptedStartError("Stopped while PostgreSQL was starting.")
            try:
                psycopg.connect(self.superuser_url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise ServerStartError(
                        f"The superuser's password in {self._home.secrets} is not that of the data in "
                        f"{self._home.servers}; remove {self._home.path} to start afresh."
                    ) from None
                time.sleep(0.05)
            else:
                return True
        return False

    def stop(self, hurried: processes.Asked = lambda: False) -> None:
        """Stop it; without a start nothing happens."""
        if self._child is not None:
            self._child.stop(STOP, hurried)
            self._child = None

    def _make_data(self, folder: Path, data: Path, programs: Path, user: ServerUser | None) -> None:
        unfinished = folder / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password_file = folder / "password"
        processes.write_private(password_file, self._password)
        # initdb insists on a user with a name, which the server's own user id does not have.
        maker = _named_user() if user else None
        try:
            give(unfinished, maker)
            give(password_file, maker)
            log = processes.open_log(self._home.logs / "postgres.log")
            try:
                subprocess.run(  # noqa: S603 - the wheel's own initdb
                    [
                        str(programs / "initdb"),
                        f"--pgdata={unfinished}",
                        f"--username={SUPERUSER}",
                        f"--pwfile={password_file}",
                        "--auth=scram-sha-256",
                        "--encoding=UTF8",
                        "--locale=C",
                        "--locale-provider=builtin",
                        "--builtin-locale=C.UTF-8",
                        "--no-instructions",
                        *(["--no-sync"] if self._test else []),
                    ],
                    check=True,
                    env=_environment(),
                    cwd=unfinished,
                    start_new_session=True,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    user=maker.uid if maker else None,
                    group=maker.gid if maker else None,
                    extra_groups=[] if maker else None,
                )
            finally:
                os.close(log)
        except subprocess.CalledProcessError as error:
            said = (self._home.logs / "postgres.log").read_text(errors="replace")
            raise ServerStartError(f"initdb failed:\n{said[-2000:].strip()}") from error
        finally:
            password_file.unlink(missing_ok=True)
        give(unfinished, user)
        unfinished.rename(data)


def _named_user() -> ServerUser:
    entries = sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != "nobody")
    for entry in entries:
        if entry.pw_uid != 0:
            return ServerUser(entry.pw_uid, entry.pw_gid)
    raise EmbeddedError("PostgreSQL refuses to run as root and there is no other user; run as an ordinary user.")


def _environment() -> dict[str, str]:
    """Nothing of ours reaches the servers: no PG* variable, no secret."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _end_forgotten_postmaster(data: Path) -> None:
    """End a postmaster of this very data folder that no record of ours names."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    started = processes.start_mark(pid)
    if started is None:
        return
    import psutil

    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return
    if command and Path(command[0]).name == "postgres" and str(data) in command:
        processes.end_record(ProcessRecord("postgres", pid, started), STOP)


def _read_from(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start if start <= log.stat().st_size else 0)
        return file.read().decode(errors="replace")
