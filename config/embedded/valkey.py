"""One Valkey on the loopback address, with a password and an append-only file."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from config.embedded import processes
from config.embedded.errors import EmbeddedError, InterruptedStartError, ServerStartError
from config.embedded.home import Home, give
from config.embedded.ports import ADDRESS, remembered_port
from config.embedded.processes import Child
from config.embedded.programs import valkey_program

START_SECONDS = 30.0
STOP: processes.Ladder = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


class Valkey:
    """The server of one home."""

    def __init__(self, home: Home, *, password: str, test: bool, interrupted: processes.Asked) -> None:
        self._home = home
        self._password = password
        self._test = test
        self._interrupted = interrupted
        self._child: Child | None = None
        self.port = 0

    @property
    def child(self) -> Child:
        """The running server."""
        if self._child is None:
            raise EmbeddedError("Valkey has not been started.")
        return self._child

    @property
    def url(self) -> str:
        """The connection URL of database 0."""
        return f"redis://:{self._password}@{ADDRESS}:{self.port}/0"

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerStartError with the end of its log."""
        folder, user = self._home.server_folder()
        program = valkey_program(folder, user)
        data = folder / "valkey"
        if not data.exists():
            data.mkdir(mode=0o700)
        log = self._home.logs / "valkey.log"
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.port = remembered_port(self._home.records / "valkey.port")
            log_start = log.stat().st_size if log.exists() else 0
            # In a file and not on the command line, which every user of the machine can read.
            processes.write_private(data / "valkey.conf", self._configuration(data))
            give(data, user)
            self._child = processes.start(
                "valkey",
                [program, data / "valkey.conf"],
                records=self._home.records,
                home=self._home.path,
                environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                log=log,
                folder=data,
                user=user,
            )
            if self._answers(deadline):
                return
            said = log.read_bytes()[log_start:].decode(errors="replace")
            self.stop()
            if "Address already in use" not in said or time.monotonic() > deadline:
                raise ServerStartError(f"Valkey did not start; its log {log} ends:\n{said[-2000:].strip()}")

    def _configuration(self, data: Path) -> str:
        return "\n".join(
            (
                f"bind {ADDRESS}",
                f"port {self.port}",
                "protected-mode yes",
                f"requirepass {self._password}",
                "daemonize no",
                f'dir "{data}"',
                'save ""',
                f"appendonly {'no' if self._test else 'yes'}",
                "appendfsync everysec",
                "maxmemory-policy noeviction",
                "",
            )
        )

    def _answers(self, deadline: float) -> bool:
        """Ask by hand: the loading of a long append-only file answers differently from a wrong password."""
        while self.child.poll() is None and time.monotonic() < deadline:
            if self._interrupted():
                raise InterruptedStartError("Stopped while Valkey was starting.")
            try:
                with socket.create_connection((ADDRESS, self.port), timeout=2) as connection:
                    connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                    said = connection.recv(1024)
                    if said == b"+OK\r\n":
                        said += connection.recv(1024)
            except OSError:
                said = b""
            if said.endswith(b"+PONG\r\n"):
                return True
            time.sleep(0.02)
        return False

    def stop(self, hurried: processes.Asked = lambda: False) -> None:
        """Stop it; without a start nothing happens."""
        if self._child is not None:
            self._child.stop(STOP, hurried)
            self._child = None
