"""How many deliveries of one endpoint a worker takes and sends at once, so that no endpoint delays the others.

An endpoint begins with a few. Each quick answer lets in one more; a slow one, or none, puts the endpoint among the
slow ones, which together get a part of the connections, and those that do not answer one each. One that was quick may
stop answering when much of it is taken: so it never has all connections, what it is too slow for is let go, and what
hangs is replaced by further connections until its time is over.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")

FIRST = 2
QUICK_SECONDS = 1.0
# Of the connections: what one slow endpoint gets at most, and what all slow ones get together.
SHARE_OF_ONE = 0.1
SHARE_OF_ALL = 0.5
# Of the connections: what is left for endpoints that have few calls on their way.
SHARE_LEFT = 0.1
MOST_REMEMBERED = 1000


@dataclass(slots=True)
class _Endpoint:
    """`window`: how many at once; `taken`: how many of them are."""

    window: int = FIRST
    taken: int = 0
    is_slow: bool = False


class Pace:
    """The pace of every endpoint that a worker has met. `most`: deliveries that it takes at once in all.

    For one thread; another one may ask for `taken`, `of_one`, `of_all` and `allowance`.
    """

    def __init__(self, connections: int, most: int) -> None:
        self._most = most
        self.of_one = max(int(connections * SHARE_OF_ONE), 1)
        self.of_all = max(int(connections * SHARE_OF_ALL), 1)
        self._endpoints: dict[str, _Endpoint] = {}
        self._taken = 0

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
        # What one had beyond its share before it became slow is not held against the others.
        slow = sum(min(endpoint.taken, self.of_one) for endpoint in self._endpoints.values() if endpoint.is_slow)
        left = max(self.of_all - slow, 0)
        for each, endpoint in self._endpoints.items():
            room = max(endpoint.window - endpoint.taken, 0)
            if endpoint.is_slow:
                room = min(room, left)
                left -= room
            found[each] = room
        return found

    def allowance(self, endpoint_id: str) -> int:
        """How many of an endpoint may be taken at once in all."""
        endpoint = self._endpoints.get(endpoint_id)
        return FIRST if endpoint is None else endpoint.window

    def take(self, endpoint_id: str) -> None:
        """One is taken."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is None:
            endpoint = self._endpoints[endpoint_id] = _Endpoint()
        endpoint.taken += 1
        self._taken += 1

    def end(self, endpoint_id: str, *, seconds: float, answered: bool) -> None:
        """One has ended, after so many seconds on its way."""
        endpoint = self._put_back(endpoint_id)
        if not answered:
            endpoint.window = 1
        elif seconds < QUICK_SECONDS:
            endpoint.window = min(endpoint.window + 1, self._most)
        else:
            endpoint.window = min(endpoint.window, self.of_one)
        endpoint.is_slow = not answered or seconds >= QUICK_SECONDS

    def slow_down(self, endpoint_id: str) -> None:
        """Calls of it are on their way for longer than quick ones are."""
        endpoint = self._endpoints.get(endpoint_id)
        if endpoint is not None:
            endpoint.window = min(endpoint.window, self.of_one)
            endpoint.is_slow = True

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
        return endpoint


@dataclass(slots=True, eq=False)
class _Lane(Generic[Item]):
    """What is taken of one endpoint: what waits, and when what is on its way began, in that order."""

    endpoint_id: str
    waiting: deque[Item] = field(default_factory=deque)
    begun: dict[str, float] = field(default_factory=dict)


class Lanes(Generic[Item]):
    """What is taken and waits for a connection: in turn between the endpoints, each no faster than its pace.

    For one thread. Times are those of one clock, in seconds.
    """

    def __init__(self, pace: Pace, connections: int) -> None:
        self._pace = pace
        self._left = int(connections * SHARE_LEFT)
        self._few = max(self._left // 2, 1)
        self._lanes: dict[str, _Lane[Item]] = {}
        # How many calls hang beyond what slow endpoints get, of those that were quick or that nothing is known of yet.
        self.excused = 0
        # Those in which something waits.
        self._turn: deque[_Lane[Item]] = deque()

    def add(self, endpoint_id: str, item: Item) -> None:
        """One more waits."""
        lane = self._lanes.get(endpoint_id)
        if lane is None:
            lane = self._lanes[endpoint_id] = _Lane(endpoint_id)
        if not lane.waiting:
            self._turn.append(lane)
        lane.waiting.append(item)

    def next(self, free: int) -> Item | None:
        """The next one that may be sent while so many connections are free. None when there is none."""
        turn = self._turn
        for _ in range(len(turn)):
            lane = turn[0]
            count = len(lane.begun)
            if (free > self._left or count < self._few) and count < self._pace.allowance(lane.endpoint_id):
                item = lane.waiting.popleft()
                if lane.waiting:
                    turn.rotate(-1)
                else:
                    turn.popleft()
                return item
            turn.rotate(-1)
        return None

    def begin(self, endpoint_id: str, item_id: str, now: float) -> None:
        """What was next is on its way."""
        self._lanes[endpoint_id].begun[item_id] = now

    def end(self, endpoint_id: str, item_id: str) -> None:
        """It is no more."""
        self._lanes[endpoint_id].begun.pop(item_id, None)

    def look(self, now: float) -> tuple[set[str], list[Item]]:
        """Which endpoints have begun to hang, and what is to be let go, since their pace no longer allows it."""
        hanging, excess = set(), []
        self.excused = counted = 0
        for lane in list(self._lanes.values()):
            if not lane.waiting and not lane.begun:
                del self._lanes[lane.endpoint_id]
                continue
            most = self._pace.allowance(lane.endpoint_id)
            late = sum(now - began >= QUICK_SECONDS for began in lane.begun.values())
            # As many as a slow one gets at most are no quick ones any more.
            if late >= self._pace.of_one:
                hanging.add(lane.endpoint_id)
                self.excused += len(lane.begun) - self._pace.of_one
                most = min(most, self._pace.of_one)
            elif late and late == len(lane.begun) and most <= FIRST:
                # It was never quick: what waits would hang as well.
                hanging.add(lane.endpoint_id)
                most = late
            counted += min(late, self._pace.of_one)
            if lane.waiting and len(lane.begun) + len(lane.waiting) > most:
                # The longest due stay.
                while lane.waiting and len(lane.begun) + len(lane.waiting) > most:
                    excess.append(lane.waiting.pop())
                if not lane.waiting:
                    self._turn.remove(lane)
        self.excused += max(counted - self._pace.of_all, 0)
        return hanging, excess

    def empty(self) -> list[Item]:
        """All that waits, which does no more."""
        waiting = [item for lane in self._turn for item in lane.waiting]
        for lane in self._turn:
            lane.waiting.clear()
        self._turn.clear()
        return waiting
