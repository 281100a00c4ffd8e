"""Slots for the calls of one server.

How many in all, how many for one caller, and who makes way when all are taken.

A call that has sent its message keeps its slot until it has ended. One that keeps the gateway waiting for a message
doesn't: when a newcomer needs a slot, the caller with the most calls gives up the one that has waited longest. With
four slots, of which A has two and B has two, one of them waiting for its message:

    enter(A) → False: two are A's share
    enter(C) → B's call that waits is ended, and C has its slot
    enter(D) → False: the others wait for nobody
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gateway.telemetry import ResourceUsage

UNIX_PREFIX: Final = "unix:"
"""How gRPC's names of callers on a Unix socket start.

They can't be told apart, and share all slots: who waits makes way there too.
"""


def slots_per_caller(slots: int) -> int:
    """Return how many slots one connection may take: half of them, so that one never keeps all others out."""
    return max(1, slots // 2)


class CallSlot:
    """One call's slot; what may be ended while it waits for its caller has an `end` of its own.

    `until` is when that is due.
    """

    __slots__ = ("caller", "taken", "until")

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.taken = True
        self.until = 0.0

    def end(self) -> None:
        """End the call, which waits for its caller."""
        raise NotImplementedError


class CallSlots:
    """So many slots."""

    def __init__(self, count: int) -> None:
        self._count = self._free = count
        self._per_caller = slots_per_caller(count)
        self._taken: dict[str, int] = {}
        self._waiting: dict[CallSlot, None] = {}
        self._emptied: asyncio.Event | None = None

    @property
    def empty(self) -> bool:
        """Whether no call has a slot."""
        return self._free == self._count

    @property
    def use(self) -> ResourceUsage:
        """How many are taken, of how many."""
        return ResourceUsage(self._count - self._free, self._count)

    @property
    def waited_for(self) -> bool:
        """Whether any call waits for its caller."""
        return bool(self._waiting)

    def enter(self, caller: str) -> bool:
        """Take a slot for one more call.

        False if its caller has its share, or all are taken by calls that wait for nobody.
        """
        if self._taken.get(caller, 0) >= self._per_caller and not caller.startswith(UNIX_PREFIX):
            return False
        if self._free == 0 and not self._made_way():
            return False
        self._free -= 1
        self._taken[caller] = self._taken.get(caller, 0) + 1
        return True

    def leave(self, slot: CallSlot) -> None:
        """Give a slot back, if that hasn't been done."""
        if not slot.taken:
            return
        slot.taken = False
        self._free += 1
        still_taken = self._taken[slot.caller] = self._taken[slot.caller] - 1
        if not still_taken:
            del self._taken[slot.caller]
        if self._emptied is not None and self.empty:
            self._emptied.set()

    async def emptied(self, within: float) -> None:
        """Wait until all slots are free, for `within` seconds at most."""
        if not self.empty:
            self._emptied = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), within)

    def wait(self, slot: CallSlot, until: float) -> None:
        """Note that a call begins to wait for its caller."""
        slot.until = until
        self._waiting[slot] = None

    def resume(self, slot: CallSlot) -> None:
        """Note that the call's wait is over, one way or the other."""
        self._waiting.pop(slot, None)

    def end(self, slot: CallSlot) -> None:
        """End a call that waits for its caller, and give its slot back now.

        How long its caller takes to hear of it is the caller's.
        """
        self.resume(slot)
        self.leave(slot)
        slot.end()

    def overdue(self, now: float) -> Sequence[CallSlot]:
        """Return the calls that have waited for their callers for too long."""
        return [slot for slot in self._waiting if slot.until <= now]

    def _made_way(self) -> bool:
        """End the call that has waited longest, of the caller with the most calls; return whether there was one."""
        if not self._waiting:
            return False
        self.end(max(self._waiting, key=lambda slot: self._taken[slot.caller]))
        return True
