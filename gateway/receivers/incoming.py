"""The messages of a call, read within bounds, whatever its kind.

grpc.aio handles all our methods as if their requests were streams: of a unary call it would read the message itself,
before anybody is asked, and wait for it as long as the connection lives. What of a broken frame can't be told apart:
docs/decisions/0008-broken-frames.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, Self

import grpc
import msgspec

from gateway.errors import ItemReason, Refused
from gateway.receivers.room import Place, Room

Context = grpc.aio.ServicerContext[Any, Any]
TurnAway = Callable[[Context], Awaitable[None]]
"""Ends a call for which there is no place any more."""

MESSAGE_SECONDS: Final = 10.0
"""How long the one message of a call may take to come, once its headers have."""

SILENCE_SECONDS: Final = 300.0
"""How long a stream of items may say nothing."""

SWEEP_SECONDS: Final = 1.0
"""How often it is looked who is late."""


class Reading(msgspec.Struct, frozen=True):
    """How a method's messages are read.

    `silence` is how long a stream may say nothing, in seconds; None is for ever.

    `empty` is whether an empty message means something there. Where it doesn't it is refused, for a broken frame reads
    as one.
    """

    empty: bool = False
    silence: float | None = None


ITEMS: Final = Reading(silence=SILENCE_SECONDS)
"""Of items: none is empty."""

AGENT: Final = Reading()
"""Of an agent, whose stream may be silent for as long as its service is."""

ANYTHING: Final = Reading(empty=True)
"""Of methods that have a use for an empty message, or aren't ours to judge."""


class Waits:
    """The calls of one room that wait for their callers, and the clock that ends what is late.

    `turn_away` ends a call.
    """

    def __init__(self, room: Room, turn_away: TurnAway) -> None:
        self._room = room
        self._turn_away = turn_away
        self._clock: asyncio.TimerHandle | None = None
        self.over = room.resume

    def begin(self, place: Place, within: float) -> None:
        """A call waits from now on, for so many seconds at most."""
        loop = asyncio.get_running_loop()
        self._room.wait(place, loop.time() + within)
        if self._clock is None:
            self._clock = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def end(self, context: Context) -> asyncio.Future[None]:
        """End a call beside its handler."""
        ending = asyncio.ensure_future(self._turn_away(context))
        ending.add_done_callback(_heard)
        return ending

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        for place in self._room.overdue(loop.time()):
            self._room.end(place)
        self._clock = loop.call_later(SWEEP_SECONDS, self._sweep, loop) if self._room.waited_for else None


class Incoming(Place):
    """The messages of one call; its handler reads them, one at a time."""

    __slots__ = ("_context", "_ending", "_reading", "_waits")

    def __init__(self, caller: str, context: Context, reading: Reading, waits: Waits) -> None:
        super().__init__(caller)
        self._context = context
        self._reading = reading
        self._waits = waits
        self._ending: asyncio.Future[None] | None = None

    async def only(self) -> bytes:
        """Return the one request of a unary call. Raises Refused if there is none that can be read."""
        message = await self._read(MESSAGE_SECONDS)
        if message is grpc.aio.EOF:
            raise Refused(ItemReason.MALFORMED)
        return self._checked(message)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return a stream's next message. Raises Refused for an empty one where it means nothing."""
        silence = self._reading.silence
        message = await (self._context.read() if silence is None else self._read(silence))
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        return self._checked(message)

    def end(self) -> None:
        """End the call while its handler waits for a message.

        Not by cancelling it: gRPC would keep a message that comes meanwhile.
        """
        self._ending = self._waits.end(self._context)

    async def _read(self, seconds: float) -> Any:
        self._waits.begin(self, seconds)
        try:
            message = await self._context.read()
        finally:
            self._waits.over(self)
        if self._ending is not None:
            # The message came while the call was being ended.
            await self._ended(self._ending)
        return message

    async def _ended(self, ending: asyncio.Future[None]) -> NoReturn:
        with suppress(grpc.aio.InternalError):
            await ending
        raise asyncio.CancelledError

    def _checked(self, message: Any) -> bytes:
        if not message and not self._reading.empty:
            raise Refused(ItemReason.MALFORMED)
        checked: bytes = message
        return checked


def _heard(ending: asyncio.Future[None]) -> None:
    """Take what ending a call raised: the call's own handler raises it too."""
    if not ending.cancelled():
        ending.exception()
