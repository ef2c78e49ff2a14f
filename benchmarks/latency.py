"""Latency of warm `keys/verify` at 2,000 requests a second on one core, open loop.

Each request has a moment at which it is meant to be sent, and its time counts from then, whether or not a connection
was free: so a pause of the server is felt by every request that fell into it. Promised: p99 of 10 ms at most.
"""

import asyncio
import os
import random
import time

from benchmarks.load import Asking, fire
from benchmarks.stage import ADDRESS, KEYS, LOAD_CORE, Server, Stage, show

PATH = "/api/v1/keys/verify"
RATE = 2_000
SECONDS = 20
CONNECTIONS = 64
WARM_SECONDS = max(10, KEYS // 1000)
PERCENTS = (50.0, 90.0, 99.0, 99.9)
# Shorter pauses than this the event loop cannot keep; it goes on looking at the clock.
SHORTEST_PAUSE = 0.001


def run(stage: Stage) -> None:
    """Prints the quantiles of Tenantry and of the ceiling, in turn."""
    asking = Asking(PATH, '{"key":"%s"}', stage.folder / "keys.txt", stage.headers)
    servers = {"ceiling": stage.server("benchmarks.baselines:ceiling"), "Tenantry": stage.server()}
    rows = []
    allowed = os.sched_getaffinity(0)
    for name, server in servers.items():
        fire(server, asking, WARM_SECONDS, seed=0)
        os.sched_setaffinity(0, {LOAD_CORE})
        try:
            times = sorted(asyncio.run(offered(server, asking)))
        finally:
            os.sched_setaffinity(0, allowed)
        rows.append({"server": name, "requests": f"{len(times):,}", **quantiles(times)})
    show(rows)


def quantiles(times: list[float]) -> dict[str, str]:
    """Of sorted seconds."""
    found = {f"p{percent:g}": times[min(len(times) - 1, int(len(times) * percent / 100))] for percent in PERCENTS}
    return {name: f"{seconds * 1e3:.1f} ms" for name, seconds in {**found, "longest": times[-1]}.items()}


async def offered(server: Server, asking: Asking) -> list[float]:
    """Seconds from the moment at which each request was meant to be sent until its answer."""
    lines = asking.lines.read_text().split()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(ADDRESS, server.port))
    head = "".join(f"{name}: {value}\r\n" for name, value in asking.headers.items())
    times: list[float] = []

    async def one(meant: float) -> None:
        reader, writer = await free.get()
        body = asking.body.replace("%s", random.choice(lines))  # noqa: S311 - which key is asked is no secret
        request = f"POST {asking.path} HTTP/1.1\r\nHost: {ADDRESS}\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"
        writer.write(request.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not answer.startswith(b"http/1.1 200"):
            raise RuntimeError(answer.decode())
        await reader.readexactly(int(answer.split(b"content-length: ")[1].split(b"\r")[0]))
        times.append(time.perf_counter() - meant)
        free.put_nowait((reader, writer))

    start = time.perf_counter() + 0.1
    tasks = []
    for number in range(RATE * SECONDS):
        meant = start + number / RATE
        while (wait := meant - time.perf_counter()) > 0:  # noqa: ASYNC110 - it waits for the clock
            await asyncio.sleep(wait if wait > SHORTEST_PAUSE else 0)
        tasks.append(asyncio.create_task(one(meant)))
    await asyncio.gather(*tasks)
    return times
