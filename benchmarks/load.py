"""Load from wrk: the same kind of requests to several servers in turn, and what each cost."""

import os
import re
import secrets
import statistics
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.stage import LOAD_CORE, Server

CONNECTIONS = 16
ROUND_SECONDS = 3
ROUNDS = 7
LAP_SECONDS = 20
# `%s` in the body is replaced by a line of the file, drawn uniformly or one after the other from LOAD_FIRST on, `%u` by
# a text that no other request has.
SCRIPT = """
local lines = {}
for line in io.lines(os.getenv("LOAD_LINES")) do lines[#lines + 1] = line end
math.randomseed(tonumber(os.getenv("LOAD_SEED")))
local body = os.getenv("LOAD_BODY")
local line_number = tonumber(os.getenv("LOAD_FIRST"))
local unique, count = string.find(body, "%u", 1, true) and os.getenv("LOAD_UNIQUE"), 0
wrk.method = "POST"
for pair in string.gmatch(os.getenv("LOAD_HEADERS"), "[^\\n]+") do
  local name, value = string.match(pair, "^([^:]+): (.*)$")
  wrk.headers[name] = value
end
function request()
  if unique then
    count = count + 1
    return wrk.format(nil, nil, nil, (string.gsub(body, "%%u", unique .. count)))
  end
  if line_number then line_number = line_number % #lines + 1 end
  local line = lines[line_number or math.random(#lines)]
  return wrk.format(nil, nil, nil, (string.gsub(body, "%%s", function() return line end)))
end
"""


@dataclass(frozen=True)
class Asking:
    """What is asked: `body` with `%s` for a line of `lines`, or `%u` for a text of its own."""

    path: str
    body: str
    lines: Path
    headers: Mapping[str, str]
    connections: int = CONNECTIONS


@dataclass(frozen=True)
class Round:
    """What one round of one server cost: microseconds of CPU a request with the stores, and requests a second."""

    microseconds: float
    rate: float


def interleaved(
    servers: Mapping[str, Server],
    asking: Asking | Mapping[str, Asking],
    *,
    warm_seconds: int = 10,
    rounds: int = ROUNDS,
) -> dict[str, list[Round]]:
    """Rounds of each server in turn, after warming each up: the rounds by name. `asking` may differ by name, too.

    Raises RuntimeError when a server answered anything but 2xx, since then the figures mean nothing.
    """
    askings = dict.fromkeys(servers, asking) if isinstance(asking, Asking) else asking
    for name, server in servers.items():
        fire(server, askings[name], warm_seconds, seed=0)
    found: dict[str, list[Round]] = {name: [] for name in servers}
    for number in range(rounds):
        for name, server in servers.items():
            before = server.cpu_seconds()
            requests, seconds = fire(server, askings[name], ROUND_SECONDS, seed=number + 1)
            found[name].append(Round((server.cpu_seconds() - before) / requests * 1e6, requests / seconds))
    return found


def ask_each_once(server: Server, asking: Asking) -> None:
    """Asks with every line of the file in turn, so that the server keeps what it can."""
    asked, wanted = 0, len(asking.lines.read_text().split())
    while asked < wanted:
        asked += fire(server, asking, LAP_SECONDS, seed=0, first=asked)[0]


def fire(server: Server, asking: Asking, seconds: int, *, seed: int, first: int | None = None) -> tuple[int, float]:
    """One run of wrk: how many requests in how many seconds. With `first`, of the lines in turn from that on."""
    environment = {
        **os.environ,
        "LOAD_LINES": str(asking.lines),
        "LOAD_SEED": str(seed),
        "LOAD_FIRST": "" if first is None else str(first),
        "LOAD_BODY": asking.body,
        "LOAD_UNIQUE": f"{secrets.token_hex(8)}-",
        "LOAD_HEADERS": "\n".join(f"{name}: {value}" for name, value in asking.headers.items()),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{asking.connections}", f"-d{seconds}s"]
        command += ["-s", script.name, server.url + asking.path]
        output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    counted = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    if counted is None or "Non-2xx" in output:
        raise RuntimeError(f"The server did not answer as it should:\n{output}")
    return int(counted[1]), float(counted[2]) * {"ms": 0.001, "s": 1, "m": 60}[counted[3]]


def compared(found: Mapping[str, list[Round]], baseline: str) -> list[dict[str, Any]]:
    """A row for each server: median CPU and rate, and the median of the ratios to the baseline of the same round."""
    rows = []
    for name, rounds in found.items():
        pairs = list(zip(rounds, found[baseline], strict=True))
        rows.append(
            {
                "server": name,
                "CPU µs/request": f"{statistics.median(r.microseconds for r in rounds):.0f}",
                f"× {baseline}": f"{statistics.median(r.microseconds / b.microseconds for r, b in pairs):.2f}",
                "requests/s": f"{statistics.median(r.rate for r in rounds):,.0f}",
                "of its rate": f"{statistics.median(r.rate / b.rate for r, b in pairs):.2f}",
            }
        )
    return rows
