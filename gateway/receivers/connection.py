"""Connections of an HTTP server: how long each may take for what, and which of too many make room.

The times are the gateway's own: aiohttp's ends a connection between two requests only, and then waits until all that
was written is read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from aiohttp import web

MAX_LINE_BYTES: Final = 1024
"""Of a request's first line."""

MAX_FIELD_BYTES: Final = 4096
"""Of a header field."""

MAX_FIELDS: Final = 64
"""Header fields of a request."""

BUFFER_BYTES: Final = 65_536
"""That a connection reads ahead; twice as many, at most."""

MAX_SURPLUS_SECONDS: Final = 0.01
"""How long there may be too many connections: what has come with them is read first."""

QUICK_SECONDS: Final = 0.1
"""In which a caller that is quick has sent its request: until then it isn't taken for one that only waits."""

LATEST_SHARE: Final = 4
"""One in so many connections may be of those that came last, whatever they have asked."""

Reply = Callable[[BaseException | None, int], web.StreamResponse]
"""Answers a request that can't be read, or whose answer failed, by what aiohttp has of it.

An exception and a status.
"""


class Limits(msgspec.Struct, frozen=True):
    """What connections may take. Times are in seconds.

    `connections` at once; of more, some make room: see `surplus_connections`. `idle`: until a request begins; `head`:
    until its header fields have come; `answer`: until its answer is read; `life`: of a connection, None is no bound.
    `linger`: how long the rest of a refused body is read, so that the refusal is heard; within `answer`.
    """

    connections: int
    idle: float
    head: float = 10.0
    answer: float = 10.0
    life: float | None = None
    linger: float = 0.0


@runtime_checkable
class Abortable(Protocol):
    """A transport that can hang up at once: asyncio's, and uvloop's, which is none of asyncio's classes."""

    def abort(self) -> None:
        """Close without writing what is still to be written."""
        ...


class Phase(IntEnum):
    """What a connection is about."""

    IDLE = 0
    """Nothing has come since the last answer."""

    ENDING = 1
    """The last answer is written; the rest of a refused body is read."""

    HEAD = 2
    """A request has begun to come."""

    ANSWERED = 3
    """An answer is being written."""

    BUSY = 4
    """A request is being taken: its body is being received, or its answer made."""


class Connection(web.RequestHandler):
    """aiohttp's, that ends in time, and whose errors have fixed texts: aiohttp's quote the request."""

    def __init__(self, server: web.Server, limits: Limits, failure: Reply) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
            read_bufsize=BUFFER_BYTES,
            lingering_time=limits.linger,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]  # there is none
        )
        self.phase = Phase.IDLE
        self.since = 0.0
        self.answers = 0
        self.peer = ""
        self._limits = limits
        self._failure = failure
        self._transport: Abortable | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to count."""
        self._transport = transport if isinstance(transport, Abortable) else None
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if isinstance(peer, tuple) else ""
        self._end_in("life", self._limits.life)
        self._enter(Phase.IDLE, self._limits.idle)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count no more."""
        for timer in self._timers.values():
            timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a request that has begun has to come to its end in time."""
        if self.phase is Phase.IDLE and data:
            self._enter(Phase.HEAD, self._limits.head)
        super().data_received(data)

    def begin(self) -> None:
        """Note that a request is being taken, for as long as that takes."""
        self._enter(Phase.BUSY, None)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write an answer.

        Unless another request may follow, the time for that is also the time until the connection has ended.
        """
        self._enter(Phase.ANSWERED, self._limits.answer)
        written = await super().finish_response(request, resp, start_time)
        self.answers += 1
        if resp.keep_alive and request.content.is_eof():
            self._enter(Phase.IDLE, self._limits.idle)
        else:
            self.phase = Phase.ENDING
        return written

    def abort(self) -> None:
        """Hang up, whatever is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Say nothing: aiohttp's texts quote the request."""

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Return the answer to what can't be read, or failed."""
        return self._failure(exc, status)

    def _enter(self, phase: Phase, seconds: float | None) -> None:
        self.phase, self.since = phase, self._loop.time()
        self._end_in("phase", seconds)

    def _end_in(self, name: str, seconds: float | None) -> None:
        """Hang up in so many seconds, in place of the time that was set by that name."""
        if name in self._timers:
            self._timers.pop(name).cancel()
        if seconds is not None:
            self._timers[name] = self._loop.call_later(seconds, self.abort)


def surplus_connections(connections: Iterable[Connection], max_connections: int, now: float) -> list[Connection]:
    """Return which of too many connections make room, by the loop's time.

    First what only waits, then what has only just come, then what is being answered; each by its phases, and of the
    same one first those that never had an answer; then of the address that has the most; then what has lasted longest.
    The last that came stay before all others that have only just come, a quarter of the bound: what they ask may not
    have been read yet, and a crowd that has begun to ask, and never ends, would be taken for more.
    """
    newest = sorted(connections, key=lambda one: one.since, reverse=True)
    return sorted(newest, key=_Reluctance(max_connections // LATEST_SHARE, now).of)[
        : max(0, len(newest) - max_connections)
    ]


class _Reluctance:
    """How reluctantly each connection goes; asked of the newest first."""

    def __init__(self, latest: int, now: float) -> None:
        """`latest`: how many of those that have only just come stay before the others."""
        self._latest, self._now = latest, now
        self._of_peer: Counter[str] = Counter()

    def of(self, one: Connection) -> tuple[bool, bool, bool, Phase, bool, int, float]:
        self._of_peer[one.peer] += 1
        quick = one.phase in (Phase.IDLE, Phase.HEAD) and self._now - one.since < QUICK_SECONDS
        latest = quick and self._latest > 0
        self._latest -= latest
        answered = one.phase >= Phase.ANSWERED
        return answered, quick, latest, one.phase, one.answers > 0, -self._of_peer[one.peer], one.since
