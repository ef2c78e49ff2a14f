"""How many deliveries of one endpoint are on their way at once, by how it answers."""

from webhooks.pace import FIRST, MOST_REMEMBERED, Pace


def played(pace: Pace, endpoint: str, *, seconds: float, answered: bool = True, rounds: int = 1) -> int:
    """Takes all there is room for and ends it, again and again. The room after that."""
    for _ in range(rounds):
        count = pace.rooms().get(endpoint, FIRST)
        for _ in range(count):
            pace.take(endpoint)
        for _ in range(count):
            pace.end(endpoint, seconds=seconds, answered=answered)
    return pace.rooms()[endpoint]


def test_quick_answers_double_the_room_up_to_all_there_is():
    pace = Pace(connections=100, most=400)
    assert [played(pace, "a", seconds=0.05) for _ in range(4)] == [4, 8, 16, 32]
    assert played(pace, "a", seconds=0.05, rounds=6) == 400


def test_whoever_does_not_answer_gets_one_connection_and_comes_back_by_answering():
    pace = Pace(connections=100, most=400)
    played(pace, "a", seconds=0.05, rounds=6)
    assert played(pace, "a", seconds=15, answered=False) == 1
    assert played(pace, "a", seconds=15, answered=False, rounds=5) == 1
    assert played(pace, "a", seconds=0.05, rounds=2) == 4


def test_a_slow_endpoint_gets_a_tenth_of_the_connections():
    pace = Pace(connections=100, most=400)
    played(pace, "a", seconds=0.05, rounds=6)
    assert played(pace, "a", seconds=9) == 10


def test_slow_endpoints_together_leave_half_of_the_connections_to_the_others():
    pace = Pace(connections=20, most=80)
    slow = [f"slow {number}" for number in range(30)]
    for endpoint in slow:
        played(pace, endpoint, seconds=15, answered=False)
    played(pace, "quick", seconds=0.05)
    rooms = pace.rooms()
    assert sum(rooms[endpoint] for endpoint in slow) == 10
    assert rooms["quick"] == 4
    for endpoint in slow[:10]:
        pace.take(endpoint)
    assert all(pace.rooms()[endpoint] == 0 for endpoint in slow)


def test_what_is_taken_is_counted_until_it_ends_or_is_put_back():
    pace = Pace(connections=10, most=40)
    for _ in range(FIRST):
        pace.take("a")
    assert (pace.taken, pace.room, pace.rooms()["a"]) == (2, 38, 0)
    pace.put_back("a")
    pace.end("a", seconds=0.1, answered=True)
    assert (pace.taken, pace.room, pace.rooms()["a"]) == (0, 40, 3)


def test_endpoints_that_nothing_is_taken_of_are_forgotten_when_there_are_too_many():
    pace = Pace(connections=10, most=10**6)
    for number in range(MOST_REMEMBERED + 5):
        played(pace, str(number), seconds=0.1)
    pace.take("0")
    pace.forget()
    assert len(pace.rooms()) == MOST_REMEMBERED
    assert "0" in pace.rooms()
    assert "1" not in pace.rooms()
