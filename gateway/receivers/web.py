"""An HTTP/1.1 server on one address: its limits, its end, and that no text of aiohttp's leaves it.

What it answers is others' business.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from gateway.errors import BadConfig
from gateway.receivers.connection import MAX_SURPLUS_SECONDS, Connection, Limits, Phase, Reply, surplus_connections
from gateway.telemetry import ResourceUsage

log = logging.getLogger(__name__)

BACKLOG_CONNECTIONS: Final = 1024
"""Connections that the system may hold until they are taken: beyond, a probe would have to try again a second later."""

LAST_WRITES_SECONDS: Final = 1.0
"""That answers already made may take to be written when a server ends."""


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

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
"""The same, as aiohttp has it."""


class HttpServer:
    """An HTTP/1.1 server on one address."""

    def __init__(self, name: str, answer: Answer, failure: Failure, limits: Limits) -> None:
        """`name` is the listener's key in the configuration."""
        self._name = name
        self._answer = answer
        self._failure = failure
        self._limits = limits
        self._runner: web.ServerRunner | None = None
        self._leaving = False
        self._busy = 0
        self._emptied = asyncio.Event()

    def use(self) -> ResourceUsage:
        """Return how many connections are open, of how many there may be."""
        server = None if self._runner is None else self._runner.server
        return ResourceUsage(len(server.connections) if isinstance(server, _Server) else 0, self._limits.connections)

    async def start(self, address: str) -> str:
        """Listen on host:port or unix:/path and return the address, with the port that was free where 0 was asked for.

        Raises BadConfig.
        """
        self._runner = web.ServerRunner(
            _Server(self._handle, self._failed, self._limits), shutdown_timeout=LAST_WRITES_SECONDS
        )
        await self._runner.setup()
        host, _, port = address.rpartition(":")
        try:
            if host == "unix":
                await self._unix(port).start()
                return address
            await web.TCPSite(self._runner, host.strip("[]"), int(port), backlog=BACKLOG_CONNECTIONS).start()
        except OSError as error:
            raise BadConfig(f"listeners.{self._name}.address: can't listen on {address}") from error
        return f"{host}:{self._runner.addresses[0][1]}"

    def _unix(self, path: str) -> web.UnixSite:
        """Return a site on a Unix socket. Python takes a socket over without asking whether somebody listens there."""
        assert self._runner is not None
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
            raise BadConfig(f"listeners.{self._name}.address: can't listen on unix:{path}, where another program does")
        return web.UnixSite(self._runner, path, backlog=BACKLOG_CONNECTIONS)

    async def stop(self, grace: float = 0.0) -> None:
        """Take no new requests, let those being answered take `grace` seconds more, hang up."""
        if self._runner is None:
            return
        self._leaving = True
        for site in self._runner.sites:
            await site.stop()
        await asyncio.sleep(0)  # what has come is begun
        if isinstance(self._runner.server, _Server):
            for connection in self._runner.server.all():
                if connection.phase is not Phase.BUSY:
                    connection.force_close()
        if self._busy:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), grace)
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; the last on its connection once the server is leaving."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.begin()
        self._busy += 1
        try:
            page = await self._answer(request)
        finally:
            self._busy -= 1
            if self._leaving and not self._busy:
                self._emptied.set()
        return response(msgspec.structs.replace(page, last=True) if self._leaving else page)

    def _failed(self, error: BaseException | None, status: int) -> web.StreamResponse:
        failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        if failed:
            log.error("a request failed: %s", type(error).__name__)
        page = self._failure(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.BAD_REQUEST)
        return response(msgspec.structs.replace(page, last=True))


def response(page: Page) -> web.Response:
    """Return a page as aiohttp sends it. An empty Server field: else aiohttp names itself and its version."""
    headers = {"Content-Type": page.kind, "Cache-Control": "no-store", "Server": "", **page.headers}
    made = web.Response(body=page.body, status=page.status, headers=headers)
    if page.last:
        made.force_close()
    return made


class _Server(web.Server):
    """aiohttp's, with connections of our own, and no more of them than there may be."""

    def __init__(self, handle: Handle, failure: Reply, limits: Limits) -> None:
        super().__init__(handle, handler_cancellation=True)
        self._failure = failure
        self._limits = limits
        self._has_surplus = False

    def __call__(self) -> web.RequestHandler:
        return Connection(self, self._limits, self._failure)

    def all(self) -> list[Connection]:
        """Return the connections that are open."""
        return [one for one in self.connections if isinstance(one, Connection)]

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if not self._has_surplus and len(self.connections) > self._limits.connections:
            self._has_surplus = True
            self._loop.call_later(MAX_SURPLUS_SECONDS, self._close_surplus)

    def _close_surplus(self) -> None:
        self._has_surplus = False
        for connection in surplus_connections(self.all(), self._limits.connections, self._loop.time()):
            connection.abort()
