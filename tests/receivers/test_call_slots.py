"""Who gets a slot and who makes way, against a slow count of the same."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers.call_slots import CallSlot, CallSlots, slots_per_caller

ONE, OTHER, THIRD = "ipv4:127.0.0.1:1", "ipv4:127.0.0.1:2", "ipv6:[::1]:3"
SOCKET: Final = "unix:"


class Call(CallSlot):
    """A call that notes whether it was ended."""

    __slots__ = ("ended",)

    def __init__(self, caller: str) -> None:
        super().__init__(caller)
        self.ended = False

    def end(self) -> None:
        self.ended = True


def came(slots: CallSlots, caller: str, *, waits: float | None = None) -> Call | None:
    if not slots.enter(caller):
        return None
    call = Call(caller)
    if waits is not None:
        slots.wait(call, waits)
    return call


def came_in(slots: CallSlots, caller: str, count: int, *, waits: float | None = None) -> list[Call]:
    return [call for call in (came(slots, caller, waits=waits) for _ in range(count)) if call is not None]


def test_one_caller_gets_half_and_leaves_the_rest_to_others() -> None:
    slots = CallSlots(8)
    assert len(came_in(slots, ONE, 8)) == 4
    assert len(came_in(slots, OTHER, 8)) == 4
    assert came(slots, THIRD) is None


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 1), (3, 1), (8, 4), (4096, 2048)])
def test_a_share_is_half_and_at_least_one(count: int, expected: int) -> None:
    assert slots_per_caller(count) == expected


def test_callers_on_a_unix_socket_share_all_places() -> None:
    assert len(came_in(CallSlots(8), SOCKET, 9)) == 8


def test_who_waits_for_its_caller_makes_way_and_who_works_does_not() -> None:
    slots = CallSlots(4)
    working = came_in(slots, ONE, 2)
    first, second = came_in(slots, OTHER, 2, waits=1.0)
    assert came(slots, THIRD) is not None
    assert (first.ended, second.ended) == (True, False)
    slots.resume(second)
    assert came(slots, THIRD) is None
    assert not any(call.ended for call in working)


def test_the_caller_with_the_most_calls_makes_way() -> None:
    slots = CallSlots(6)
    quiet = came(slots, ONE, waits=1.0)
    many = came_in(slots, OTHER, 3, waits=1.0)
    came_in(slots, THIRD, 2)
    assert came(slots, THIRD) is not None
    assert quiet is not None
    assert ([call.ended for call in many], quiet.ended) == ([True, False, False], False)


def test_a_slot_is_given_back_once() -> None:
    slots = CallSlots(2)
    call = came(slots, ONE, waits=1.0)
    assert call is not None
    slots.end(call)
    slots.leave(call)
    assert slots.empty
    assert not slots.waited_for
    assert len(came_in(slots, ONE, 1) + came_in(slots, OTHER, 5)) == 2


def test_who_is_late_is_told_of() -> None:
    slots = CallSlots(8)
    late, early = came(slots, ONE, waits=1.0), came(slots, ONE, waits=3.0)
    assert slots.overdue(0.5) == []
    assert slots.overdue(2.0) == [late]
    assert late is not None
    slots.end(late)
    assert slots.overdue(9.0) == [early]


STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["enter", "wait", "resume", "leave"]), st.sampled_from([ONE, OTHER, THIRD, SOCKET]))
)


@given(count=st.integers(1, 6), steps=STEPS)
def test_slots_are_those_of_a_slow_count(count: int, steps: list[tuple[str, str]]) -> None:
    slots = CallSlots(count)
    calls: list[Call] = []
    waiting: list[Call] = []
    for step, caller in steps:
        own = [call for call in calls if call.caller == caller]
        if step == "enter":
            full = len(calls) == count
            may = (caller == SOCKET or len(own) < max(1, count // 2)) and (not full or bool(waiting))
            call = came(slots, caller)
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
                slots.wait(own[0], 1.0)
                waiting.append(own[0])
        elif own and step == "resume":
            slots.resume(own[0])
            waiting = [call for call in waiting if call is not own[0]]
        elif own:
            slots.resume(own[0])
            slots.leave(own[0])
            calls, waiting = (
                [call for call in calls if call is not own[0]],
                [call for call in waiting if call is not own[0]],
            )
        assert slots.empty == (not calls)
        assert slots.overdue(2.0) == waiting
