"""Child processes that never outlive their supervisor, and the records by which leftovers are recognised."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG = 1
LOG_BYTES = 5_000_000
_LIBC: Any = ctypes.CDLL(None, use_errno=True) if _LINUX else None

Ladder = Sequence[tuple[signal.Signals, float]]
"""Signals to send in turn, each with the seconds to wait before the next."""

Asked = Callable[[], bool]
"""Called again and again while we wait: whether the person has asked for something else by now."""

GENTLE: Ladder = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


@dataclass(frozen=True)
class ServerUser:
    """The unprivileged numeric user that servers run as when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class ProcessRecord:
    """Identifies one process for good: a process id alone is reused."""

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return start_mark(self.pid) == self.started


def start_mark(pid: int) -> str | None:
    """A text that no other process with the same id ever has; None when nothing runs under `pid`."""
    if not _LINUX:
        return _start_mark_by_psutil(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *rest = stat.rpartition(")")[2].split()
    if state in "ZX":
        return None
    return f"{_boot_id()}:{rest[18]}"


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_mark_by_psutil(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None


class Child:
    """A started process together with its record on disk."""

    def __init__(self, process: subprocess.Popen[bytes], record: ProcessRecord, record_file: Path) -> None:
        self.process = process
        self.record = record
        self._record_file = record_file

    @property
    def name(self) -> str:
        """The name it was started under, also that of its log."""
        return self.record.name

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self.process.poll()

    def send(self, number: int) -> None:
        """Send a signal unless it has ended."""
        self.process.send_signal(number)

    def stop(self, ladder: Ladder = GENTLE, hurried: Asked = lambda: False) -> int:
        """End it and whatever it left in its session; `hurried()` turning true skips to the last signal."""
        for number, seconds in ladder:
            if self.poll() is not None:
                break
            last = number == ladder[-1][0]
            if hurried() and not last:
                continue
            self.send(number)
            deadline = time.monotonic() + seconds
            while self.poll() is None and time.monotonic() < deadline and (last or not hurried()):
                time.sleep(0.02)
        _end_session_of(self.record)
        self._record_file.unlink(missing_ok=True)
        return self.process.wait()


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    records: Path,
    home: Path,
    environment: Mapping[str, str],
    log: Path | None = None,
    folder: Path | None = None,
    user: ServerUser | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    own_session: bool = True,
) -> Child:
    """Start `command` as a child that dies with us.

    `records` is the folder for the process record, `log` a file that takes both outputs (ours when None),
    `folder` the working folder, `user` whom to become, `death_signal` what the kernel sends it when we are
    killed (Linux).  Call it from the main thread: that signal follows the thread, not the process.
    """
    parent = os.getpid()

    # Runs after the change of user, which would clear the setting.
    def die_with_parent() -> None:
        if _LINUX:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    identity: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
    output = open_log(log) if log else None
    try:
        process = subprocess.Popen(  # noqa: S603 - the commands are our own
            [str(part) for part in command],
            env={**environment, "TENANTRY_HOME": str(home)},
            cwd=folder,
            stdin=subprocess.DEVNULL if own_session else None,
            stdout=output,
            stderr=subprocess.STDOUT if output else None,
            start_new_session=own_session,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - no threads run here, and nothing else sets it in time
            **identity,
        )
    finally:
        if output is not None:
            os.close(output)
    record = ProcessRecord(name, process.pid, start_mark(process.pid) or "ended")
    record_file = records / f"{name}.pid"
    write_private(record_file, json.dumps(asdict(record)))
    return Child(process, record, record_file)


def end_leftovers(records: Path, home: Path, *, keep: Collection[str] = ()) -> list[str]:
    """End what an earlier, killed supervisor of the same home left running, but for the names in `keep`.

    Answers with the names of those ended.
    """
    ended = []
    # Clients before servers: a server that still has clients takes longer to stop.
    order = {"valkey": 1, "postgres": 2}
    files = sorted(records.glob("*.pid"), key=lambda file: order.get(file.stem, 0))
    for file in files:
        if file.stem in keep:
            continue
        try:
            record = ProcessRecord(**json.loads(file.read_text()))
        except (ValueError, TypeError):
            file.unlink()
            continue
        if record.alive:
            ended.append(record.name)
            first = signal.SIGINT if record.name == "postgres" else signal.SIGTERM
            end_record(record, ((first, 8.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 5.0)))
        _end_session_of(record, home)
        file.unlink()
    return ended


def end_record(record: ProcessRecord, ladder: Ladder = GENTLE) -> None:
    """End a process that is not our child, if it still is the one recorded."""
    for number, seconds in ladder:
        if not record.alive:
            return
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while record.alive and time.monotonic() < deadline:
            time.sleep(0.02)


def _end_session_of(record: ProcessRecord, home: Path | None = None) -> None:
    """Kill what is left of the session that `record` led: workers of a web server that was killed.

    The session id cannot be given to anybody else while a member lives.  With `home` (records from an earlier
    run) a member must also carry that TENANTRY_HOME in its environment.
    """
    for pid in psutil.pids():
        try:
            if pid == record.pid or os.getsid(pid) != record.pid:
                continue
            process = psutil.Process(pid)
            if home is not None and process.environ().get("TENANTRY_HOME") != str(home):
                continue
            process.kill()
            process.wait(5)
        except (psutil.Error, ProcessLookupError, PermissionError):
            continue


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, readable by its owner only; a large one is set aside first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def write_private(path: Path, text: str) -> None:
    """Replace `path` at once by a file with `text` that only its owner can read."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
