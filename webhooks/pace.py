"""How many deliveries of one endpoint a worker takes at once, so that no endpoint delays the others.

An endpoint begins with a few. Each quick answer lets in one more; a slow one, or none, puts the endpoint among the
slow ones, which together get a part of the connections, and those that do not answer one each.
"""

from dataclasses import dataclass

FIRST = 2
QUICK_SECONDS = 1.0
# Of the connections: what one slow endpoint gets at most, and what all slow ones get together.
SHARE_OF_ONE = 0.1
SHARE_OF_ALL = 0.5
MOST_REMEMBERED = 1000


@dataclass(slots=True)
class _Endpoint:
    """`window`: how many at once; `taken`: how many of them are."""

    window: int = FIRST
    taken: int = 0
    is_slow: bool = False


class Pace:
    """The pace of every endpoint that a worker has met. `most`: deliveries that it takes at once in all."""

    def __init__(self, connections: int, most: int) -> None:
        self._most = most
        self._of_one = max(int(connections * SHARE_OF_ONE), 1)
        self._of_all = max(int(connections * SHARE_OF_ALL), 1)
        self._endpoints: dict[str, _Endpoint] = {}
        self._taken = self._slow = 0

    @property
    def room(self) -> int:
        """How many more may be taken in all."""
        return self._most - self._taken

    @property
    def taken(self) -> int:
        """How many are taken and have not ended."""
        return self._taken

    def rooms(self) -> dict[str, int]:
        """How many more may be taken of each endpoint, where that is not FIRST."""
        found = {}
        left = max(self._of_all - self._slow, 0)
        for each, endpoint in self._endpoints.items():
            room = max(endpoint.window - endpoint.taken, 0)
            if endpoint.is_slow:
                room = min(room, left)
                left -= room
            found[each] = room
        return found

    def take(self, endpoint_id: str) -> None:
        """One is taken."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            endpoint = self._endpoints[endpoint_id] = _Endpoint()
        endpoint.taken += 1
        self._taken += 1
        self._slow += endpoint.is_slow

    def end(self, endpoint_id: str, *, seconds: float, answered: bool) -> None:
        """One has ended, after so many seconds on its way."""
        endpoint = self._put_back(endpoint_id)
        if not answered:
            endpoint.window = 1
        elif seconds < QUICK_SECONDS:
            endpoint.window = min(endpoint.window + 1, self._most)
        else:
            endpoint.window = min(endpoint.window, self._of_one)
        is_slow = not answered or seconds >= QUICK_SECONDS
        if is_slow != endpoint.is_slow:
            endpoint.is_slow = is_slow
            self._slow += endpoint.taken if is_slow else -endpoint.taken

    def put_back(self, endpoint_id: str) -> None:
        """One was taken and is let go of unsent."""
        self._put_back(endpoint_id)

    def forget(self) -> None:
        """Drops endpoints that nothing is taken of, the oldest first, when there are too many."""
        excess = len(self._endpoints) - MOST_REMEMBERED
        if excess > 0:
            for each in [each for each, endpoint in self._endpoints.items() if not endpoint.taken][:excess]:
                del self._endpoints[each]

    def _put_back(self, endpoint_id: str) -> _Endpoint:
        endpoint = self._endpoints[endpoint_id]
        endpoint.taken -= 1
        self._taken -= 1
        self._slow -= endpoint.is_slow
        return endpoint
