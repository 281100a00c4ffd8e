"""Who gets a place and who makes way, against a slow count of the same."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers.room import Place, Room, share

ONE, OTHER, THIRD = "ipv4:127.0.0.1:1", "ipv4:127.0.0.1:2", "ipv6:[::1]:3"
SOCKET: Final = "unix:"


class Call(Place):
    """A call that notes whether it was ended."""

    __slots__ = ("ended",)

    def __init__(self, caller: str) -> None:
        super().__init__(caller)
        self.ended = False

    def end(self) -> None:
        self.ended = True


def came(room: Room, caller: str, *, waits: float | None = None) -> Call | None:
    if not room.enter(caller):
        return None
    call = Call(caller)
    if waits is not None:
        room.wait(call, waits)
    return call


def came_in(room: Room, caller: str, count: int, *, waits: float | None = None) -> list[Call]:
    return [call for call in (came(room, caller, waits=waits) for _ in range(count)) if call is not None]


def test_one_caller_gets_half_and_leaves_the_rest_to_others() -> None:
    room = Room(8)
    assert len(came_in(room, ONE, 8)) == 4
    assert len(came_in(room, OTHER, 8)) == 4
    assert came(room, THIRD) is None


@pytest.mark.parametrize(("places", "expected"), [(1, 1), (2, 1), (3, 1), (8, 4), (4096, 2048)])
def test_a_share_is_half_and_at_least_one(places: int, expected: int) -> None:
    assert share(places) == expected


def test_callers_on_a_unix_socket_share_all_places() -> None:
    assert len(came_in(Room(8), SOCKET, 9)) == 8


def test_who_waits_for_its_caller_makes_way_and_who_works_does_not() -> None:
    room = Room(4)
    working = came_in(room, ONE, 2)
    first, second = came_in(room, OTHER, 2, waits=1.0)
    assert came(room, THIRD) is not None
    assert (first.ended, second.ended) == (True, False)
    room.resume(second)
    assert came(room, THIRD) is None
    assert not any(call.ended for call in working)


def test_the_caller_with_the_most_calls_makes_way() -> None:
    room = Room(6)
    quiet = came(room, ONE, waits=1.0)
    many = came_in(room, OTHER, 3, waits=1.0)
    came_in(room, THIRD, 2)
    assert came(room, THIRD) is not None
    assert quiet is not None
    assert ([call.ended for call in many], quiet.ended) == ([True, False, False], False)


def test_a_place_is_given_back_once() -> None:
    room = Room(2)
    call = came(room, ONE, waits=1.0)
    assert call is not None
    room.end(call)
    room.leave(call)
    assert room.empty
    assert not room.waited_for
    assert len(came_in(room, ONE, 1) + came_in(room, OTHER, 5)) == 2


def test_who_is_late_is_told_of() -> None:
    room = Room(8)
    late, early = came(room, ONE, waits=1.0), came(room, ONE, waits=3.0)
    assert room.overdue(0.5) == []
    assert room.overdue(2.0) == [late]
    assert late is not None
    room.end(late)
    assert room.overdue(9.0) == [early]


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["enter", "wait", "resume", "leave"]), st.sampled_from([ONE, OTHER, THIRD, SOCKET]))
)


@given(places=st.integers(1, 6), steps=STEPS)
def test_places_are_those_of_a_slow_count(places: int, steps: list[tuple[str, str]]) -> None:
    room = Room(places)
    calls: list[Call] = []
    waiting: list[Call] = []
    for step, caller in steps:
        own = [call for call in calls if call.caller == caller]
        if step == "enter":
            full = len(calls) == places
            may = (caller == SOCKET or len(own) < max(1, places // 2)) and (not full or bool(waiting))
            call = came(room, caller)
            assert (call is not None) == may
            if may and full:
                (gone,) = [other for other in calls if other.ended]
                counts = [sum(other.caller == one.caller for other in calls) for one in waiting]
                assert gone is waiting[counts.index(max(counts))]
                calls.remove(gone)
                waiting.remove(gone)
            calls += [call] if call else []
        elif own and step == "wait":
            if own[0] not in waiting:
                room.wait(own[0], 1.0)
                waiting.append(own[0])
        elif own and step == "resume":
            room.resume(own[0])
            waiting = [call for call in waiting if call is not own[0]]
        elif own:
            room.resume(own[0])
            room.leave(own[0])
            calls, waiting = (
                [call for call in calls if call is not own[0]],
                [call for call in waiting if call is not own[0]],
            )
        assert room.empty == (not calls)
        assert room.overdue(2.0) == waiting
