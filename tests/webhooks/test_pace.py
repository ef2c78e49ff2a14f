"""How many deliveries of one endpoint are on their way at once, by how it answers."""

from webhooks.pace import FIRST, MOST_REMEMBERED, Lanes, Pace


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


def lanes_of(pace: Pace, connections: int, counts: dict[str, int]) -> Lanes[str]:
    """So many of each endpoint wait; they were quick until now."""
    lanes: Lanes[str] = Lanes(pace, connections)
    for endpoint, count in counts.items():
        played(pace, endpoint, seconds=0.05, rounds=8)
        for number in range(count):
            pace.take(endpoint)
            lanes.add(endpoint, f"{endpoint}{number}")
    return lanes


def begun(lanes: Lanes[str], free: int, now: float = 0.0) -> list[str]:
    """All that may begin while so many connections are free."""
    found = []
    while free and (item := lanes.next(free)) is not None:
        lanes.begin(item[0], item, now)
        found.append(item)
        free -= 1
    return found


def test_endpoints_begin_in_turn_and_one_leaves_a_tenth_of_the_connections_to_others():
    pace = Pace(connections=20, most=240)
    assert begun(lanes_of(pace, 20, {"a": 3, "b": 2}), 20) == ["a0", "b0", "a1", "b1", "a2"]
    lanes = lanes_of(Pace(connections=20, most=240), 20, {"a": 60})
    assert len(begun(lanes, 20)) == 18
    lanes.add("b", "b0")
    assert begun(lanes, 2) == ["b0"]
    lanes.end("a", "a0")
    assert begun(lanes, 3) == ["a18"]


def test_no_more_begin_than_the_pace_allows_when_they_begin():
    pace = Pace(connections=20, most=240)
    lanes = lanes_of(pace, 20, {"a": 60, "b": 1})
    pace.end("a", seconds=15, answered=False)
    assert begun(lanes, 20) == ["a0", "b0"]


def test_what_waits_for_one_that_hangs_is_let_go_and_the_longest_due_stay():
    lanes = lanes_of(Pace(connections=20, most=240), 20, {"a": 4, "b": 4})
    assert begun(lanes, 6) == ["a0", "b0", "a1", "b1"]
    assert lanes.look(0.9) == (set(), [])
    lanes.end("b", "b0")
    assert lanes.look(1.0) == ({"a"}, ["a3", "a2"])
    assert begun(lanes, 20) == ["b2", "b3"]


def test_what_a_slow_one_had_too_much_is_not_held_against_other_slow_ones():
    pace = Pace(connections=20, most=240)
    played(pace, "slow", seconds=2)
    lanes_of(pace, 20, {"a": 200})
    pace.slow_down("a")
    assert pace.rooms() == {"slow": 2, "a": 0}


def test_what_hangs_beyond_the_share_of_a_slow_one_is_excused_until_it_ends():
    lanes = lanes_of(Pace(connections=20, most=240), 20, {"a": 60})
    found = begun(lanes, 20)
    assert len(found) == 18
    lanes.look(0.9)
    assert lanes.excused == 0
    for left in (18, 17, 16):
        lanes.look(1.0)
        # As many as a slow one gets count as ever.
        assert lanes.excused == left - 2
        lanes.end("a", found[18 - left])
    for item in found[3:]:
        lanes.end("a", item)
    lanes.look(1.1)
    assert lanes.excused == 0


def test_what_hangs_of_many_endpoints_that_were_never_met_is_excused_beyond_the_share_of_all_slow_ones():
    pace = Pace(connections=20, most=240)
    lanes: Lanes[str] = Lanes(pace, 20)
    for endpoint in "abcdefghijklmnopqrst":
        for number in range(FIRST):
            pace.take(endpoint)
            lanes.add(endpoint, f"{endpoint}{number}")
    found = begun(lanes, 20)
    assert [item[1] for item in found] == ["0"] * 20
    assert (lanes.look(0.9), lanes.excused) == ((set(), []), 0)
    hanging, excess = lanes.look(1.0)
    # Nobody waits for the second ones, which would hang as well.
    assert (len(hanging), {item[1] for item in excess}, len(excess), lanes.excused) == (20, {"1"}, 20, 10)
    for item in excess:
        pace.put_back(item[0])
    for endpoint in hanging:
        pace.slow_down(endpoint)
    assert set(pace.rooms().values()) == {0}
    for item in found[5:]:
        lanes.end(item[0], item)
    lanes.look(1.1)
    assert lanes.excused == 0
