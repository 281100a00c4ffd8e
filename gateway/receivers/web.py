"""An HTTP/1.1 server on one address: its limits, its end, and that no text of aiohttp's leaves it. What it answers is others' business."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.errors import BadConfig

log = logging.getLogger(__name__)

LINE: Final = 1024
"""Bytes of a request's first line, at most."""

FIELD: Final = 4096
"""Bytes of a header field, at most."""

FIELDS: Final = 64
"""Header fields, at most."""

BUFFER: Final = 65_536
"""Bytes that a connection reads ahead; twice as many, at most."""

CUT: Final = 1.0
"""Seconds that answers already made may take to be written when a server ends."""


class Limits(msgspec.Struct, frozen=True):
    """What connections may take. Times are in seconds.

    `connections` at once; one more, and the oldest that isn't being answered goes. `life`: of a connection; `idle`: between two requests;
    None is no bound. `linger`: how long the rest of a refused body is read, so that the refusal is heard.
    """

    connections: int
    life: float | None = None
    idle: float | None = None
    linger: float = 0.0


class Page(msgspec.Struct, frozen=True):
    """An answer. `last`: the connection ends with it."""

    body: bytes
    kind: str
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = {}
    last: bool = False


Answer = Callable[[web.BaseRequest], Awaitable[Page]]
"""Answers a request."""

Failure = Callable[[HTTPStatus], Page]
"""What is said of a request that can't be read (400), or whose answer failed (500)."""


class Site:
    """A server on one address."""

    def __init__(self, name: str, answer: Answer, failure: Failure, limits: Limits) -> None:
        """`name` is the listener's key in the configuration."""
        self.failure = failure
        self.limits = limits
        self._name = name
        self._answer = answer
        self._runner: web.ServerRunner | None = None
        self._leaving = False
        self._busy = 0
        self._emptied = asyncio.Event()

    async def start(self, address: str) -> str:
        """Listen on host:port or unix:/path; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        self._runner = web.ServerRunner(_Server(self), shutdown_timeout=CUT)
        await self._runner.setup()
        host, _, port = address.rpartition(":")
        try:
            if host == "unix":
                await self._unix(port).start()
                return address
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise BadConfig(f"listeners.{self._name}.address: can't listen on {address}") from error
        return f"{host}:{self._runner.addresses[0][1]}"

    def _unix(self, path: str) -> web.UnixSite:
        """Python takes a socket over without asking whether somebody listens there."""
        assert self._runner is not None
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            raise BadConfig(f"listeners.{self._name}.address: can't listen on unix:{path}, where another program does")
        return web.UnixSite(self._runner, path)

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new requests, let those being answered take `grace` seconds more, hang up."""
        if self._runner is None:
            return
        self._leaving = True
        for site in self._runner.sites:
            await site.stop()
        await asyncio.sleep(0)  # what has come is begun
        if self._runner.server is not None:
            for connection in idle(self._runner.server):
                connection.force_close()
        if self._busy:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), grace)
        await self._runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the last on its connection once the server is leaving."""
        connection = request.protocol
        assert isinstance(connection, _Connection)
        connection.busy = True
        self._busy += 1
        try:
            page = await self._answer(request)
        finally:
            connection.busy = False
            self._busy -= 1
            if self._leaving and not self._busy:
                self._emptied.set()
        return response(msgspec.structs.replace(page, last=True) if self._leaving else page)


def response(page: Page) -> web.Response:
    """A page as aiohttp sends it. An empty Server field: else aiohttp names itself and its version."""
    headers = {"Content-Type": page.kind, "Cache-Control": "no-store", "Server": "", **page.headers}
    made = web.Response(body=page.body, status=page.status, headers=headers)
    if page.last:
        made.force_close()
    return made


class _Server(web.Server):
    """aiohttp's, with connections of our own."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.handle, handler_cancellation=True)
        self._site = site

    def __call__(self) -> web.RequestHandler:
        limits = self._site.limits
        return _Connection(
            self,
            self._site,
            loop=asyncio.get_running_loop(),
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=FIELDS,
            read_bufsize=BUFFER,
            lingering_time=limits.linger,
            keepalive_timeout=limits.idle or 0.0,
            auto_decompress=False,
            access_log=None,
        )


class _Connection(web.RequestHandler):
    """aiohttp's, that ends in time, and whose errors have fixed texts: aiohttp's quote the request."""

    def __init__(self, server: web.Server, site: Site, **options: Any) -> None:
        super().__init__(server, **options)
        self.busy = False
        self._server = server
        self._site = site
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        limits = self._site.limits
        if limits.life is not None:
            self._end = asyncio.get_running_loop().call_later(limits.life, _abort, transport)
        if len(self._server.connections) > limits.connections:
            _abort(idle(self._server)[0].transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def log_exception(self, *_: Any, **__: Any) -> None:
        """Say nothing: aiohttp's texts quote the request."""

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if failed:
            log.error("a request failed: %s", type(exc).__name__)
        page = self._site.failure(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.BAD_REQUEST)
        return response(msgspec.structs.replace(page, last=True))


def idle(server: web.Server) -> list[_Connection]:
    """The connections on which nothing is being answered, the oldest first."""
    return [one for one in server.connections if isinstance(one, _Connection) and not one.busy]


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
