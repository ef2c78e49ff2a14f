"""Programs that others wrote for Node.js, fetched from its registry once and kept with the tests' other things."""

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ATTEMPTS = 2
SECONDS = 90
# Where the registry did not answer, nobody waits for it again for so long.
NOT_AGAIN_SECONDS = 900
NPM = ["npm", "install", "--no-save", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
# npm's own patience is minutes; each of its requests answers within seconds or never.
NPM += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=2000", "--fetch-timeout=15000"]


def folder_with(name: str, *packages: str, manifest: Path | None = None) -> Path:
    """A folder in which Node.js finds these packages (`jose@6.2.15`), or those of a package.json.

    Without Node.js or its registry the tests that need them are skipped, and say so.
    """
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip(f"NOT TESTED: Node.js with npm is not installed, so there is no {name}.")
    # Each worker has a folder of its own inside the one that is kept from run to run.
    home = Path(os.environ["TENANTRY_HOME"]).parents[1] / "node"
    home.mkdir(parents=True, exist_ok=True)
    folder = home / name
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = folder / "complete"
        wanted = manifest.read_text() if manifest else " ".join(packages)
        if not complete.exists() or complete.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            if manifest:
                shutil.copy(manifest, folder / "package.json")
            _install(folder, name, packages, failed=home / "unreachable")
            complete.write_text(wanted)
    return folder


def _install(folder: Path, name: str, packages: tuple[str, ...], *, failed: Path) -> None:
    words = ""
    known = failed.exists() and time.time() - failed.stat().st_mtime < NOT_AGAIN_SECONDS
    for attempt in range(0 if known else ATTEMPTS):
        time.sleep(attempt * 2)
        try:
            subprocess.run(
                [*NPM, "--prefix", str(folder), *packages], check=True, capture_output=True, cwd=folder, timeout=SECONDS
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            words = (error.stderr or b"")[-300:].decode(errors="replace")
        else:
            return
    if not known:
        failed.touch()
    pytest.skip(f"NOT TESTED: npm could not fetch {name}: {words or 'it could not a short while ago'}")
