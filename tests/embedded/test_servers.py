"""The embedded servers from outside: what a terminal, a killed supervisor and other users of the machine see."""

import ast
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import Home, processes, running_environment
from config.embedded import home as home_module
from config.embedded.errors import AlreadyRunningError, HomeUnusableError, ServerStartError
from config.embedded.processes import ProcessRecord, start_mark
from config.embedded.servers import Servers

REPOSITORY = Path(__file__).resolve().parents[2]
EXEC = [sys.executable, "-m", "config.embedded", "exec"]
# A program with a worker that does not heed SIGTERM.
TWO_PROCESSES = """
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""
FOREVER = [sys.executable, "-c", "import time; time.sleep(600)"]


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def supervisor(environment: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running `python -m config.embedded exec`, killed at the end if the test has not ended it."""
    process = subprocess.Popen(
        [*EXEC, *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def records(home: Path) -> list[ProcessRecord]:
    return [ProcessRecord(**json.loads(file.read_text())) for file in (home / "run").glob("*.pid")]


def test_the_command_gets_working_urls_and_its_exit_code_is_ours(home_path: Path, environment: dict[str, str]) -> None:
    program = (
        "import os, psycopg, redis; "
        "user = lambda name: psycopg.connect(os.environ[name]).execute('SELECT current_user').fetchone()[0]; "
        "print(user('DATABASE_URL'), user('DATABASE_OWNER_URL'), redis.from_url(os.environ['REDIS_URL']).ping()); "
        "raise SystemExit(7)"
    )

    done = subprocess.run(
        [*EXEC, "--", sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("tenantry_app tenantry_owner True\n", "", 7)
    assert records(home_path) == []
    assert running_environment(home_path) is None


def test_after_a_kill_nothing_is_left_and_the_next_start_has_the_data(
    home_path: Path, environment: dict[str, str]
) -> None:
    with supervisor(environment, "--", *FOREVER) as first:
        wait_for((home_path / "run" / "command.pid").exists)
        urls = running_environment(home_path)
        assert urls is not None
        with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
        redis.from_url(urls["REDIS_URL"]).set("kept", "42")
        # What the append-only file gets every second.
        time.sleep(1.1)
        left = records(home_path)
        first.kill()
        first.wait()
        assert running_environment(home_path) is None
        if sys.platform.startswith("linux"):
            wait_for(lambda: not any(record.alive for record in left))

    with supervisor(environment, "--", *FOREVER) as second:
        wait_for(lambda: running_environment(home_path))
        assert not any(record.alive for record in left)
        urls = running_environment(home_path)
        assert urls is not None
        with psycopg.connect(urls["DATABASE_OWNER_URL"]) as connection:
            assert connection.execute("SELECT number FROM kept").fetchone() == (42,)
        assert redis.from_url(urls["REDIS_URL"]).get("kept") == b"42"
        left = records(home_path)
        second.send_signal(signal.SIGTERM)
        assert second.wait(60) == 128 + signal.SIGTERM
        assert not any(record.alive for record in left)


def test_signals_reach_the_command_and_the_servers_wait_for_it(environment: dict[str, str]) -> None:
    program = (
        "import os, signal, sys, time, redis\n"
        "def end(number, frame):\n"
        "    os.write(1, b'%r\\n' % redis.from_url(os.environ['REDIS_URL']).ping())\n"
        "    sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "os.write(1, b'up\\n')  # print refuses to be interrupted by another\n"
        "time.sleep(600)\n"
    )
    with supervisor(environment, "--test", "--", sys.executable, "-c", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "True\n"
        assert process.wait(60) == 5


def test_a_second_supervisor_of_a_home_is_told_who_has_it(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    with home.lock():
        with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()}"), home.lock():
            pass
        assert (home_path / "run" / "lock").read_text() == str(os.getpid())
    with home.lock():
        pass


def test_leftovers_of_a_killed_run_are_ended_with_their_workers(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    # A web server that was killed leaves its workers, which have lost their parent.
    web = processes.start(
        "web",
        [sys.executable, "-c", TWO_PROCESSES],
        records=home.records,
        home=home.path,
        environment=os.environ,
        log=home.logs / "web.log",
    )
    wait_for(lambda: len(session_of(web.record.pid)) == 2)
    worker = next(pid for pid in session_of(web.record.pid) if pid != web.record.pid)
    web.process.kill()
    web.process.wait()
    assert start_mark(worker) is not None

    processes.end_leftovers(home.records, home.path)

    wait_for(lambda: start_mark(worker) is None)
    assert list(home.records.glob("*.pid")) == []


def session_of(leader: int) -> list[int]:
    import psutil

    members = []
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader and start_mark(pid):
                members.append(pid)
        except ProcessLookupError:
            continue
    return members


def test_a_process_that_is_not_ours_is_never_ended(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    stranger = subprocess.Popen(
        [sys.executable, "-c", TWO_PROCESSES], start_new_session=True, env={"TENANTRY_HOME": "/another"}
    )
    try:
        wait_for(lambda: len(session_of(stranger.pid)) == 2)
        # The process id was given to somebody else after the record was written.
        record = {"name": "web", "pid": stranger.pid, "started": "an earlier start"}
        (home.records / "web.pid").write_text(json.dumps(record))

        assert processes.end_leftovers(home.records, home.path) == []

        assert len(session_of(stranger.pid)) == 2
        assert list(home.records.glob("*.pid")) == []
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        stranger.wait()


def test_secrets_and_logs_are_for_their_owner_alone(servers: Servers) -> None:
    home = servers.home
    servers.publish({"DATABASE_URL": "postgresql://secret"})
    private = [home.secrets, home.records / "environment.json", *home.logs.iterdir()]

    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in private} == {
        path.name: "0o600" for path in private
    }
    folder, _ = home.server_folder()
    for data in (folder / "postgres", folder / "valkey", home.records, home.logs):
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    passwords = set(json.loads(home.secrets.read_text()).values())
    assert len(passwords) == 6
    for child in servers.children():
        assert not passwords & set(str(child.process.args).split("'"))


def test_both_servers_listen_on_the_loopback_address_only_and_ask_for_a_password(servers: Servers) -> None:
    import psutil

    for child in servers.children():
        listening = [
            connection.laddr.ip
            for connection in psutil.Process(child.record.pid).net_connections()
            if connection.status == psutil.CONN_LISTEN or connection.family == socket.AF_UNIX
        ]
        assert listening == ["127.0.0.1"]
        if os.geteuid() == 0:
            assert psutil.Process(child.record.pid).uids().effective in home_module.SERVER_USERS
    _, valkey = servers.children()
    port = psutil.Process(valkey.record.pid).net_connections()[0].laddr.port
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's servers run as that user")
def test_root_below_a_closed_folder_opens_nothing_and_keeps_the_data_elsewhere(home_path: Path) -> None:
    closed = home_path.parent / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    folders = [closed, *closed.parents]
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in folders]
    home.prepare()
    servers = Servers(home, test=True, given={})
    try:
        servers.start()
        with psycopg.connect(servers.superuser_url) as connection:
            connection.execute("CREATE TABLE kept ()")
        servers.stop()
        servers.start()
        with psycopg.connect(servers.superuser_url) as connection:
            connection.execute("SELECT FROM kept")
    finally:
        servers.stop()
    data = home.servers.resolve()
    try:
        assert data.parent == home_module.SYSTEM_FOLDER
        assert [(folder.stat().st_mode, folder.stat().st_uid) for folder in folders] == before
        # A home deleted by hand and made again must not find data whose passwords are gone.
        home.servers.unlink()
        assert not (home.server_folder()[0] / "postgres").exists()
    finally:
        processes_left = records(home.path)
        remove(data)
    assert processes_left == []


def remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's servers read the wheel as that user")
def test_programs_in_a_closed_folder_are_copied_for_the_servers_user(
    home_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from config.embedded import programs

    monkeypatch.setattr(programs, "others_can_enter", lambda folder: False)
    home = Home(home_path)
    home.prepare()
    servers = Servers(home, test=True, given={})
    try:
        servers.start()
        for child in servers.children():
            assert str(child.process.args[0]).startswith(str(home_path / "servers" / "programs"))
    finally:
        servers.stop()


def test_servers_that_were_given_are_not_started(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    servers = Servers(home, given={"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x"})

    found = servers.start()

    assert set(found) == {"TENANTRY_DEBUG", "TENANTRY_SECRET_KEY", "TENANTRY_ENCRYPTION_KEYS"}
    assert records(home_path) == []


def test_data_with_another_password_is_refused_in_words(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    first = Servers(home, test=True, given={"REDIS_URL": "redis://x"})
    first.start()
    first.stop()
    home.secrets.unlink()
    second = Servers(home, given={"REDIS_URL": "redis://x"})

    with pytest.raises(ServerStartError, match="to start afresh"):
        second.start()

    assert records(home_path) == []


def test_a_port_taken_since_the_last_run_is_replaced(home_path: Path) -> None:
    home = Home(home_path)
    home.prepare()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        (home.records / "valkey.port").write_text(str(number))
        servers = Servers(home, test=True, given={"DATABASE_URL": "postgresql://x"})
        try:
            url = servers.start()["REDIS_URL"]
            assert redis.from_url(url).ping()
            assert f":{number}/" not in url
        finally:
            servers.stop()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_of_somebody_else_is_refused_in_words() -> None:
    with pytest.raises(HomeUnusableError, match="TENANTRY_HOME"):
        Home(Path("/usr/tenantry")).prepare()


def test_the_package_imports_neither_django_nor_an_app() -> None:
    forbidden = {"django", "celery", "audit", "orgs", "projects", "keys", "sso", "webhooks"}
    for file in (REPOSITORY / "config" / "embedded").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] not in forbidden, f"{file.name} imports {name}"
                assert not name.startswith("config.") or name.startswith(("config.embedded", "config.provision"))
