"""`make run` from outside: the ready line, its `curl`, one end for everything, and what a kill leaves."""

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from config.embedded import running_environment
from config.run import Important, NewLines, sign_in_lines

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = [sys.executable, "-m", "config.run"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        RUN,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def lines_until_ready(process: subprocess.Popen[str]) -> list[str]:
    """What it says up to and including the line about logs, which comes last."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if line.startswith("Logs are in "):
            return lines
    raise AssertionError("ended before it was ready:\n" + "\n".join(lines))


def processes_of(home: Path) -> list[str]:
    """Every process started for a home carries it in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TENANTRY_HOME") == str(home):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_it_runs_survives_a_kill_and_ends_without_a_trace(home_path: Path, environment: dict[str, str]) -> None:
    port = free_port()
    environment["PORT"] = str(port)
    url = f"http://127.0.0.1:{port}"
    with running(environment) as first:
        lines = lines_until_ready(first)
        assert f"Tenantry is ready at {url}" in lines
        demo = json.loads((home_path / "demo.json").read_text())
        owner = demo["organizations"][0]["users"]["owner"]
        assert f"Sign in as {owner['email']} with the password {owner['password']}" in lines
        curl = next(line for line in lines if line.startswith("curl "))
        assert verify_like(curl)["valid"] is True
        found = running_environment(home_path)
        assert found is not None
        assert found["TENANTRY_URL"] == url

        again = subprocess.run(RUN, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
        assert again.returncode == 1
        assert f"already running on {home_path} (process {first.pid})" in again.stderr
        assert running_environment(home_path) == found

        first.kill()
        first.wait()

    with running(environment) as second:
        lines = lines_until_ready(second)
        assert f"Tenantry is ready at {url}" in lines
        assert verify_like(curl)["valid"] is True
        second.send_signal(signal.SIGTERM)
        assert second.wait(90) == 0
    assert processes_of(home_path) == []
    assert list((home_path / "run").glob("*.pid")) == []
    assert running_environment(home_path) is None


def verify_like(curl: str) -> dict[str, object]:
    """Do what the printed `curl` line does, by its own words."""
    words = shlex.split(curl)
    headers = dict(words[place + 1].split(": ", 1) for place, word in enumerate(words) if word == "-H")
    body = words[words.index("-d") + 1]
    request = urllib.request.Request(words[2], data=body.encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def test_a_port_in_use_is_said_in_one_sentence_and_nothing_starts(home_path: Path, environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        environment["PORT"] = str(taken.getsockname()[1])

        done = subprocess.run(RUN, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {environment['PORT']} is in use;")
    assert done.stderr.count("\n") == 1
    assert processes_of(home_path) == []


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(environment: dict[str, str], port: str) -> None:
    environment["PORT"] = port

    done = subprocess.run(RUN, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, f"PORT is {port}; set it to a number from 1 to 65535.\n")


def test_a_failing_start_shows_the_end_of_the_log_and_leaves_nothing(
    home_path: Path, environment: dict[str, str]
) -> None:
    environment |= {"PORT": str(free_port()), "TENANTRY_TRUSTED_PROXIES": "many"}

    done = subprocess.run(RUN, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "TENANTRY_TRUSTED_PROXIES" in done.stderr
    assert "migrate.log" in done.stderr
    assert processes_of(home_path) == []


def test_an_interrupted_start_leaves_nothing(home_path: Path, environment: dict[str, str]) -> None:
    environment["PORT"] = str(free_port())
    with running(environment) as process:
        deadline = time.monotonic() + 60
        while not (home_path / "run" / "migrate.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0
    assert processes_of(home_path) == []


def test_errors_tracebacks_and_mails_are_shown_and_the_rest_is_not() -> None:
    text = """\
[INFO] Started worker-1
2026-11-22T02:03:36.10Z [info     ] request_finished  [log] request='GET /warning'
2026-11-22T02:03:37.10Z [error    ] request_failed  [log] code=500
Traceback (most recent call last):
  File "x.py", line 1, in <module>
ValueError: no
2026-11-22T02:03:38.10Z [info     ] request_finished  [log] code=200
Content-Type: text/plain; charset="utf-8"
Subject: Confirm your address

http://127.0.0.1:8000/confirm
-------------------------------------------------------------------------------
a stray line
2026-11-22T02:03:39.10Z [warning  ] request_finished  [log] code=404
Not Found: /nowhere
[ERROR] worker-1 died
"""
    important = Important()

    assert [line for line in text.splitlines() if important(line)] == [
        "2026-11-22T02:03:37.10Z [error    ] request_failed  [log] code=500",
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "ValueError: no",
        'Content-Type: text/plain; charset="utf-8"',
        "Subject: Confirm your address",
        "",
        "http://127.0.0.1:8000/confirm",
        "-------------------------------------------------------------------------------",
        "[ERROR] worker-1 died",
    ]


def test_a_mail_that_a_worker_sends_ends_where_it_ends() -> None:
    dashes = "-" * 79
    text = f"""\
2026-11-23T07:39:43.10Z [info     ] Task webhooks.mail_disabled[1] received [celery.worker.strategy]
2026-11-23T07:39:43.20Z [warning  ] Content-Type: multipart/alternative;
 boundary="=="
MIME-Version: 1.0
Subject: A webhook endpoint was disabled

--==
Content-Type: text/plain; charset="utf-8"

[Enable it] again.
--==-- [celery.redirected] task='webhooks.mail_disabled'
2026-11-23T07:39:43.30Z [warning  ] {dashes} [celery.redirected] task='webhooks.mail_disabled'
2026-11-23T07:39:43.40Z [info     ] Task webhooks.mail_disabled[1] succeeded [celery.app.trace]
2026-11-23T07:39:43.50Z [warning  ] Content-Type: text/plain; charset="utf-8"
Subject: Of a worker that was killed before it ended
2026-11-23T07:39:43.60Z [info     ] Task audit.seal[2] received [celery.worker.strategy]
2026-11-23T07:39:43.70Z [error    ] Task audit.seal[2] raised [celery.app.trace]
"""
    important = Important()
    lines = text.splitlines()

    assert [line for line in lines if important(line)] == [*lines[1:12], *lines[13:15], lines[16]]


def test_a_log_is_read_line_by_line_as_it_grows(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("of an earlier run\n")
    lines = NewLines(log)
    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert list(lines.read()) == ["one"]
        file.write("o\n")
        file.flush()
        assert list(lines.read()) == ["two"]
    assert list(lines.read()) == []


def test_without_a_demo_organization_there_is_nothing_to_sign_in_with() -> None:
    assert sign_in_lines({"organizations": []}, "http://127.0.0.1:8000") == []
    assert sign_in_lines({}, "http://127.0.0.1:8000") == []
