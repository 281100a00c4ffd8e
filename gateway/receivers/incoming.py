"""The messages of a call, read within bounds, whatever its kind.

grpc.aio handles all our methods as if their requests were streams: of a unary call it would read the message itself,
before anybody is asked, and wait for it as long as the connection lives. What of a broken frame can't be told apart:
docs/decisions/0008-broken-frames.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, NoReturn, Self

import grpc
import msgspec

from gateway.errors import ItemReason, Refused
from gateway.receivers.call_slots import CallSlot, CallSlots

Context = grpc.aio.ServicerContext[bytes, bytes]
_EOF: Final[object] = grpc.aio.EOF
"""What is read where nothing more comes."""

TurnAway = Callable[[Context], Awaitable[None]]
"""Ends a call for which there is no slot any more."""

MESSAGE_SECONDS: Final = 10.0
"""How long the one message of a call may take to come, once its headers have."""

SILENCE_SECONDS: Final = 300.0
"""How long a stream of items may say nothing."""

DEADLINE_CHECK_SECONDS: Final = 1.0
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


class ReadDeadlines:
    """The calls of one server that wait for their callers, and the clock that ends what is late.

    `turn_away` ends a call.
    """

    def __init__(self, slots: CallSlots, turn_away: TurnAway) -> None:
        self._slots = slots
        self._turn_away = turn_away
        self._clock: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.over = slots.resume

    def begin(self, slot: CallSlot, within: float) -> None:
        """Note that a call waits from now on, for so many seconds at most."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        self._slots.wait(slot, loop.time() + within)
        if self._clock is None:
            self._clock = loop.call_later(DEADLINE_CHECK_SECONDS, self._end_overdue, loop)

    def end(self, context: Context) -> asyncio.Future[None]:
        """End a call beside its handler."""
        ending = asyncio.ensure_future(self._turn_away(context))
        ending.add_done_callback(_retrieve_exception)
        return ending

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        for slot in self._slots.overdue(loop.time()):
            self._slots.end(slot)
        self._clock = (
            loop.call_later(DEADLINE_CHECK_SECONDS, self._end_overdue, loop) if self._slots.waited_for else None
        )


class Incoming(CallSlot):
    """The messages of one call; its handler reads them, one at a time."""

    __slots__ = ("_context", "_deadlines", "_ending", "_reading")

    def __init__(self, caller: str, context: Context, reading: Reading, deadlines: ReadDeadlines) -> None:
        # As `CallSlot` has it, which would be one more call for each.
        self.caller, self.taken, self.until = caller, True, 0.0
        self._context = context
        self._reading = reading
        self._deadlines = deadlines
        self._ending: asyncio.Future[None] | None = None

    async def only(self) -> bytes:
        """Return the one request of a unary call. Raises Refused if there is none that can be read."""
        message = await self._read(MESSAGE_SECONDS)
        if message is _EOF or not (message or self._reading.empty):
            raise Refused(ItemReason.MALFORMED)
        return message

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return a stream's next message. Raises Refused for an empty one where it means nothing."""
        silence = self._reading.silence
        message = await (self._context.read() if silence is None else self._read(silence))
        if message is _EOF:
            raise StopAsyncIteration
        if not message and not self._reading.empty:
            raise Refused(ItemReason.MALFORMED)
        return message

    def end(self) -> None:
        """End the call while its handler waits for a message.

        Not by cancelling it: gRPC would keep a message that comes meanwhile.
        """
        self._ending = self._deadlines.end(self._context)

    async def _read(self, seconds: float) -> bytes:
        self._deadlines.begin(self, seconds)
        try:
            message = await self._context.read()
        finally:
            self._deadlines.over(self)
        if self._ending is not None:
            # The message came while the call was being ended.
            await self._ended(self._ending)
        return message

    async def _ended(self, ending: asyncio.Future[None]) -> NoReturn:
        with suppress(grpc.aio.InternalError):
            await ending
        raise asyncio.CancelledError


def _retrieve_exception(ending: asyncio.Future[None]) -> None:
    """Take what ending a call raised: the call's own handler raises it too."""
    if not ending.cancelled():
        ending.exception()
