"""`keys/verify` with 1,000 and with 1,000,000 keys; takes a quarter of an hour, so it runs only when it is named.

Promised: from 1,000 to 1,000,000 keys warm at least 0.9 and cold at least 0.7 of the rate.
"""

from benchmarks.load import Asking, ask_each_once, compared, interleaved
from benchmarks.stage import Stage, show

PATH = "/api/v1/keys/verify"
BODY = '{"key":"%s"}'
FEW, MANY = 1_000, 1_000_000
# Drawing from a million lines keeps the load generator busy as well, and the server must never have to wait for it.
CONNECTIONS = 64


def run(stage: Stage) -> None:
    """Prints both tables."""
    many = stage.folder / "million.txt"
    if not many.exists():
        print(f"Seeding {MANY:,} keys, once.", flush=True)
        stage.python("-m", "benchmarks.seeding", str(stage.folder), str(MANY), "million")
    few = stage.folder / "thousand.txt"
    few.write_text("\n".join(many.read_text().split()[:FEW]))
    for words, cache in (("Warm", str(2 * MANY)), ("Cold", "100")):
        print(f"{words} keys:", flush=True)
        askings = {
            f"{count:,} keys": Asking(PATH, BODY, lines, stage.headers, connections=CONNECTIONS)
            for count, lines in ((FEW, few), (MANY, many))
        }
        servers = {name: stage.server(TENANTRY_KEY_CACHE_SIZE=cache) for name in askings}
        if words == "Warm":
            for name, server in servers.items():
                ask_each_once(server, askings[name])
        show(compared(interleaved(servers, askings), f"{FEW:,} keys"))
