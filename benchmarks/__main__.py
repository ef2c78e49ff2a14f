"""Runs the benchmarks that are named, or all of them."""

import argparse
import importlib
import sys
from pathlib import Path

from benchmarks.stage import Stage, Unable

FOLDER = Path(__file__).parent
# Those that take many minutes run only when they are named.
LONG = {"ledger", "scale"}
PARTS = {
    "__init__",
    "__main__",
    "baselines",
    "ledger_blocks",
    "ledger_seeding",
    "load",
    "receiver",
    "seeding",
    "senders",
    "stage",
}


def names() -> list[str]:
    """Every benchmark: a module of this folder with a function `run(stage)`."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in PARTS)


def main() -> int:
    """0 when all ran; 1 when the machine lacks something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    chosen = parser.parse_args().names or [name for name in names() if name not in LONG]
    unknown = set(chosen) - set(names())
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    try:
        with Stage() as stage:
            for name in chosen:
                print(f"\n== {name} ==", flush=True)
                importlib.import_module(f"benchmarks.{name}").run(stage)
    except Unable as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
