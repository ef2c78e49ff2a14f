"""`python -m config.embedded exec [--test] -- COMMAND…`: run a command with both servers up.

The command finds DATABASE_URL, DATABASE_OWNER_URL, REDIS_URL and development settings in its environment
(what is set already is left alone), signals are passed on to it, and its exit code is ours.

`python -m config.embedded remove-test-data`: delete the data of the test servers.
"""

from __future__ import annotations

import argparse
import os
import shutil
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
from config.embedded.signals import STOP_SIGNALS, StopSignals

FORWARDED = (*STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m config.embedded",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    execute = actions.add_parser("exec", help="run a command with PostgreSQL and Valkey up")
    execute.add_argument("--test", action="store_true", help="servers and data of their own, fast and unsafe")
    execute.add_argument("command", nargs="+", metavar="COMMAND")
    actions.add_parser("remove-test-data", help="delete the data of the test servers")
    options = parser.parse_args(arguments)
    try:
        if options.action == "remove-test-data":
            return remove_test_data()
        return execute_with_servers(options.command, test=options.test)
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1


def execute_with_servers(command: list[str], *, test: bool) -> int:
    """Run `command` with the servers of TENANTRY_HOME, or of the test home inside it; its exit code.

    Servers that `make run` already runs on the same home are used as they are.  A second test run on one home
    waits for the first.
    """
    folder = home_folder()
    if not test:
        running = running_environment(folder)
        if running is not None:
            environment = {**running, **os.environ, "TENANTRY_HOME": str(folder)}
            return subprocess.call(command, env=environment)  # noqa: S603 - the caller's own command
    else:
        Home(folder).prepare()
        folder = folder / "test"
    home = Home(folder)
    home.prepare()
    with home.lock(wait=test, waiting_for=f"Waiting for another test run on {folder} to end."):
        stop = StopSignals()
        processes.end_leftovers(home.records, home.path)
        servers = Servers(home, test=test, interrupted=stop.requested)
        try:
            found = servers.start()
            servers.publish(found)
            if stop.first is not None:
                return 128 + stop.first
            return _run(command, home, {**found, **os.environ})
        finally:
            stop = StopSignals()
            servers.stop(stop.hurried)


def _run(command: list[str], home: Home, environment: Mapping[str, str]) -> int:
    started: list[Child] = []
    early: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
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
    for missed in early:
        child.send(missed)
    code = child.process.wait()
    child.stop()
    return 128 - code if code < 0 else code


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def remove_test_data() -> int:
    """Delete the test home, wherever its servers keep their data. Waits for a running test."""
    home = Home(home_folder() / "test")
    if not home.path.is_dir():
        return 0
    home.prepare()
    with home.lock(wait=True, waiting_for=f"Waiting for a test run on {home.path} to end."):
        processes.end_leftovers(home.records, home.path)
        if home.servers.is_symlink():
            shutil.rmtree(home.servers.resolve(), ignore_errors=True)
        shutil.rmtree(home.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
