"""Homes that the servers' own user can reach, and one running pair of servers for the tests that only look."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.home import Home
from config.embedded.servers import Servers


def make_home() -> Path:
    """An empty home of its own; pytest's folders are closed to the user that root's servers run as."""
    folder = Path(tempfile.mkdtemp(prefix="tenantry-")).resolve()
    folder.chmod(0o755)
    return folder / "home"


@pytest.fixture
def home_path() -> Iterator[Path]:
    path = make_home()
    yield path
    shutil.rmtree(path.parent)


@pytest.fixture
def environment(home_path: Path) -> dict[str, str]:
    """What a person's shell has who uses no servers of their own."""
    theirs = ("DATABASE_", "REDIS_", "TENANTRY_", "DJANGO_", "PYTEST_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(theirs)},
        "TENANTRY_HOME": str(home_path),
    }


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Both servers, in test mode, for all tests of a module."""
    home = Home(make_home())
    home.prepare()
    with home.lock():
        running = Servers(home, test=True, given={})
        running.start()
        try:
            yield running
        finally:
            running.stop()
    shutil.rmtree(home.path.parent)
