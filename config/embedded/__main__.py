"""`python -m config.embedded exec [--test] -- COMMAND…`: run a command with both servers up.

The command finds DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL in its environment (those that are set already
are left alone), signals are passed on to it, and its exit code is ours.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from types import FrameType

from config.embedded import processes
from config.embedded.errors import EmbeddedError
from config.embedded.home import Home, home_folder
from config.embedded.processes import Child
from config.embedded.running import running_environment
from config.embedded.servers import Servers

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class _Ended(BaseException):
    """A signal asked us to end before the command ran."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="action", required=True)
    execute = commands.add_parser("exec", help="run a command with PostgreSQL and Valkey up")
    execute.add_argument("--test", action="store_true", help="servers and data of their own, fast and unsafe")
    execute.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args(arguments)
    try:
        return execute_with_servers(options.command, test=options.test)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    except _Ended as ended:
        return 128 + int(ended.args[0])


def execute_with_servers(command: list[str], *, test: bool) -> int:
    """Run `command` with the servers of TENANTRY_HOME, or of the test home inside it; its exit code.

    Servers that `make run` already runs on the same home are used as they are.  A second test run on one home
    waits for the first.
    """
    folder = home_folder()
    if not test:
        running = running_environment(folder)
        if running is not None:
            return subprocess.call(command, env={**running, **os.environ, "TENANTRY_HOME": str(folder)})  # noqa: S603 - the caller's command
    else:
        Home(folder).prepare()
        folder = folder / "test"
    home = Home(folder)
    home.prepare()
    with home.lock(wait=test, waiting_for=f"Waiting for another test run on {folder} to end."):
        for number in FORWARDED:
            signal.signal(number, _end)
        processes.end_leftovers(home.records, home.path)
        servers = Servers(home, test=test)
        try:
            found = servers.start()
            environment = {**os.environ, **found, "TENANTRY_HOME": str(folder)}
            servers.publish(found)
            return _run(command, home, environment)
        finally:
            for number in FORWARDED:
                signal.signal(number, signal.SIG_IGN)
            servers.stop()


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended(number)


def _run(command: list[str], home: Home, environment: Mapping[str, str]) -> int:
    started: list[Child] = []
    early: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        # The terminal sends Ctrl-C to the whole foreground group, the command included.
        if number == signal.SIGINT and _in_foreground():
            return
        if started:
            started[0].send(number)
        else:
            early.append(number)

    for number in FORWARDED:
        signal.signal(number, forward)
    try:
        child = processes.start(
            "command",
            command,
            records=home.records,
            home=home.path,
            environment=environment,
            own_session=False,
        )
    except OSError as error:
        raise EmbeddedError(f"{command[0]} cannot be run: {error.strerror}.") from error
    started.append(child)
    for number in early:
        child.send(number)
    code = child.process.wait()
    child.stop()
    return 128 - code if code < 0 else code


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
