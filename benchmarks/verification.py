"""`POST /api/v1/keys/verify`: warm, with a shared rate limit on every key, and cold.

Promised: warm at most 2 × the ceiling's CPU; every key with a shared limit no more than one Valkey trip; cold at most
1.7 × one PostgreSQL read. A worker that keeps 100,000 keys stays under 150 MiB.
"""

from benchmarks.load import Asking, compared, interleaved
from benchmarks.stage import KEYS, Stage, show

PATH = "/api/v1/keys/verify"
BODY = '{"key":"%s"}'
# Long enough for each key to have been asked about.
WARM_SECONDS = max(10, KEYS // 1000)


def run(stage: Stage) -> None:
    """Prints a table for each of the three."""
    plain = Asking(PATH, BODY, stage.folder / "keys.txt", stage.headers)
    limited = Asking(PATH, BODY, stage.folder / "limited.txt", stage.headers)
    ours = stage.server()
    empty = ours.worker_memory()
    print("Warm keys, every rule applied, the caller authenticated:", flush=True)
    ceiling = stage.server("benchmarks.baselines:ceiling")
    show(compared(interleaved({"ceiling": ceiling, "Tenantry": ours}, plain, warm_seconds=WARM_SECONDS), "ceiling"))
    full = ours.worker_memory()
    kept = min(100_000, len(stage.text("keys.txt").split()))
    print(f"The worker: {full:.0f} MiB (PSS), {(full - empty) * 1024 / kept:.2f} KiB a key of {kept:,}.", flush=True)
    print("\nEvery key with a shared rate limit:", flush=True)
    baseline = stage.server("benchmarks.baselines:one_valkey_trip", BENCHMARK_KEYS=str(stage.folder / "limited.txt"))
    found = interleaved({"one Valkey trip": baseline, "Tenantry": ours}, limited, warm_seconds=WARM_SECONDS)
    show(compared(found, "one Valkey trip"))
    print("\nCold keys, each asked when it is no longer kept:", flush=True)
    cold = stage.server(TENANTRY_KEY_CACHE_SIZE="1000")
    baseline = stage.server("benchmarks.baselines:one_postgres_read")
    found = interleaved({"one PostgreSQL read": baseline, "Tenantry": cold}, plain)
    show(compared(found, "one PostgreSQL read"))
