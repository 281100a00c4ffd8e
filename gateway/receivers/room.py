"""Places for the calls of one server.

How many in all, how many for one caller, and who makes way when all are taken.

A call that has sent its message keeps its place until it has ended. One that keeps the gateway waiting for a message
doesn't: when a newcomer needs a place, the caller with the most calls gives up the one that has waited longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.telemetry import ResourceUsage

UNIX: Final = "unix:"
"""How gRPC's names of callers on a Unix socket start.

They can't be told apart, and share all places: who waits makes way there too.
"""


def share(places: int) -> int:
    """How many of so many places one connection may take: half of them, so that one never keeps all others out."""
    return max(1, places // 2)


class Place:
    """One call's place; what may be ended while it waits for its caller has an `end` of its own.

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


class Room:
    """So many places."""

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._share = share(places)
        self._taken: dict[str, int] = {}
        self._waiting: dict[Place, None] = {}

    @property
    def empty(self) -> bool:
        """Whether nobody is in."""
        return self._free == self._places

    @property
    def use(self) -> ResourceUsage:
        """How many are in, of how many places."""
        return ResourceUsage(self._places - self._free, self._places)

    @property
    def waited_for(self) -> bool:
        """Whether any call waits for its caller."""
        return bool(self._waiting)

    def enter(self, caller: str) -> bool:
        """Take a place for one more call.

        False if its caller has its share, or all are taken by calls that wait for nobody.
        """
        if self._taken.get(caller, 0) >= self._share and not caller.startswith(UNIX):
            return False
        if self._free == 0 and not self._made_way():
            return False
        self._free -= 1
        self._taken[caller] = self._taken.get(caller, 0) + 1
        return True

    def leave(self, place: Place) -> None:
        """Give a place back, if that hasn't been done."""
        if not place.taken:
            return
        place.taken = False
        self._free += 1
        left = self._taken[place.caller] = self._taken[place.caller] - 1
        if not left:
            del self._taken[place.caller]

    def wait(self, place: Place, until: float) -> None:
        """A call begins to wait for its caller."""
        place.until = until
        self._waiting[place] = None

    def resume(self, place: Place) -> None:
        """The call's wait is over, one way or the other."""
        self._waiting.pop(place, None)

    def end(self, place: Place) -> None:
        """End a call that waits for its caller, and give its place back now.

        How long its caller takes to hear of it is the caller's.
        """
        self.resume(place)
        self.leave(place)
        place.end()

    def overdue(self, now: float) -> Sequence[Place]:
        """Return the calls that have waited for their callers for too long."""
        return [place for place in self._waiting if place.until <= now]

    def _made_way(self) -> bool:
        """End the call that has waited longest, of the caller with the most calls; whether there was one."""
        if not self._waiting:
            return False
        self.end(max(self._waiting, key=lambda place: self._taken[place.caller]))
        return True
