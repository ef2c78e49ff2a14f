"""The home folder (TENANTRY_HOME): what lies where, who may enter it, and who runs on it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.embedded.errors import AlreadyRunningError, HomeUnusableError
from config.embedded.processes import ServerUser

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEM_FOLDER = Path("/var/lib/tenantry")
# 60706 to 61183 belong to nobody in systemd's table of user ids; nothing has to be added to /etc/passwd.
SERVER_USERS = range(61000, 61184)


def home_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """TENANTRY_HOME as an absolute path; `.tenantry` in the repository when it is not set."""
    return Path(environment.get("TENANTRY_HOME") or REPOSITORY / ".tenantry").expanduser().resolve()


def others_can_enter(folder: Path) -> bool:
    """Whether any user of the machine can already pass through `folder` and everything above it."""
    folder = folder.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


class Home:
    """One home folder. Test servers have a home of their own inside it (`<home>/test`)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = path / "run"
        self.logs = path / "logs"
        self.secrets = path / "secrets.json"
        self.servers = path / "servers"

    def prepare(self) -> None:
        """Make the folders, leaving every folder that exists as it is.

        Raises HomeUnusableError when the home is not ours to write.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # As root, servers run as another user, who must pass through but has nothing to list here.
            self._make(self.path, 0o711 if os.geteuid() == 0 else 0o700)
            self._make(self.records, 0o700)
            self._make(self.logs, 0o700)
        except PermissionError as error:
            raise HomeUnusableError(
                f"{error.filename} cannot be written by this user; set TENANTRY_HOME to a folder of your own."
            ) from error
        if not os.access(self.records, os.W_OK) or (self.secrets.exists() and not os.access(self.secrets, os.R_OK)):
            raise HomeUnusableError(f"{self.path} belongs to another user; set TENANTRY_HOME to a folder of your own.")

    @staticmethod
    def _make(folder: Path, mode: int) -> None:
        if not folder.exists():
            folder.mkdir()
            folder.chmod(mode)

    @contextmanager
    def lock(self, *, wait: bool = False, waiting_for: str = "") -> Iterator[None]:
        """Hold the home for this process.

        Another holder raises AlreadyRunningError at once, or, with `wait`, is waited for after printing
        `waiting_for`.  The kernel lets go of the lock when the process dies in whatever way.
        """
        with (self.records / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                if not wait:
                    raise AlreadyRunningError(
                        f"Tenantry is already running on {self.path} (process {holder}); "
                        "stop it there, or set TENANTRY_HOME and PORT to others."
                    ) from None
                print(waiting_for, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            yield

    def server_folder(self) -> tuple[Path, ServerUser | None]:
        """Where the servers keep their data, and as whom they run (None: as ourselves).

        As an ordinary user that is `<home>/servers`.  PostgreSQL refuses to run as root, so root's servers
        run as a user id of their own, and that user must be able to reach the data.  Where it cannot (a home
        below /root) the data lies in a folder of ours below /var/lib and `<home>/servers` is a link to it:
        folders that are not ours are never opened.
        """
        if os.geteuid() != 0:
            self._make(self.servers, 0o700)
            return self.servers, None
        if self.servers.is_symlink() and self.servers.is_dir():
            folder = self.servers.resolve()
            (folder / "home").write_text(f"{self.path}\n")
        elif self.servers.is_dir() or others_can_enter(self.path):
            self.servers.unlink(missing_ok=True) if self.servers.is_symlink() else None
            self._make(self.servers, 0o711)
            folder = self.servers
        else:
            folder = self._make_system_folder()
        if not others_can_enter(folder):
            raise HomeUnusableError(
                f"The server's user can no longer enter {folder}; let others pass through the folders above "
                "it, or set TENANTRY_HOME to another folder."
            )
        return folder, _server_user(folder)

    def _make_system_folder(self) -> Path:
        folder = SYSTEM_FOLDER / hashlib.sha256(str(self.path).encode()).hexdigest()[:16]
        try:
            self._make(SYSTEM_FOLDER, 0o711)
            # Without our link to it, it is what a deleted home of the same name left behind.
            if folder.exists():
                shutil.rmtree(folder)
            self._make(folder, 0o711)
            (folder / "home").write_text(f"{self.path}\n")
        except OSError as error:
            raise HomeUnusableError(
                f"{folder} cannot be made ({error.strerror}); set TENANTRY_HOME to a folder that others can enter."
            ) from error
        self.servers.unlink(missing_ok=True)
        self.servers.symlink_to(folder)
        return folder


def _server_user(folder: Path) -> ServerUser:
    for data in (folder / "postgres", folder / "valkey"):
        if data.exists() and data.stat().st_uid != 0:
            return ServerUser(data.stat().st_uid, data.stat().st_gid)
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(uid for uid in SERVER_USERS if uid not in taken)
    return ServerUser(uid, uid)


def give(path: Path, user: ServerUser | None) -> None:
    """Hand a folder of ours with everything in it to the server's user; links are not followed."""
    if user is None:
        return
    os.chown(path, user.uid, user.gid, follow_symlinks=False)
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            give(child, user)
