"""Where hosts are, asked in a thread for each: so a name server that does not answer holds up its own hosts only.

libcurl would ask with twenty threads for all hosts together, which ten such hosts keep busy.
"""

import re
import threading
import time
from collections.abc import Callable

from config.kernel.addresses import system_addresses

# Hosts are asked for again after so long; one that was not found, sooner.
KEPT_SECONDS, MISSING_SECONDS = 60.0, 2.0
MOST_KEPT = 5000
# Each waits as long as the operating system has patience with a name server.
MOST_THREADS = 400
NAME = re.compile(r"[a-z0-9._-]{1,253}")


class Resolver:
    """Asks for hosts in the background, and calls `wake`, in another thread, when one is found. For one thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._asked: set[tuple[str, int]] = set()

    def find(self, host: str, port: int) -> list[str] | None:
        """The addresses of a host, none if it has none; None until that is known."""
        if not NAME.fullmatch(host):
            return []
        until, addresses = self._known.get((host, port), (0.0, []))
        if time.monotonic() < until:
            return addresses
        if (host, port) not in self._asked and len(self._asked) < MOST_THREADS:
            self._asked.add((host, port))
            threading.Thread(target=self._ask, args=(host, port), name="webhook host", daemon=True).start()
        return None

    def _ask(self, host: str, port: int) -> None:
        """The other thread."""
        try:
            addresses = list(dict.fromkeys(system_addresses(host, port)))
        except (OSError, UnicodeError):
            addresses = []
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[host, port] = time.monotonic() + (KEPT_SECONDS if addresses else MISSING_SECONDS), addresses
        self._asked.discard((host, port))
        self._wake()
