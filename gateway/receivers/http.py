"""HTTP for the platform: `/livez`, `/readyz`, `/metrics`. What is ready is decided elsewhere.

It takes GET and HEAD, reads no body, keeps no connection, and answers everything else with a fixed text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web

from gateway.errors import BadConfig
from gateway.telemetry import State, Telemetry

log = logging.getLogger(__name__)

LINE: Final = 1024
"""Bytes of a request's first line, at most."""

FIELD: Final = 4096
"""Bytes of a header field, at most."""

FIELDS: Final = 64
"""Header fields, at most."""

LIFE: Final = 10.0
"""Seconds that a connection may live."""

CONNECTIONS: Final = 64
"""Connections at once; one more, and the oldest goes: a probe that is quick always gets through."""

TEXT: Final = "text/plain; charset=utf-8"


class Readiness(msgspec.Struct, frozen=True):
    """Whether the gateway takes calls, and why not. A failed reload is told, and doesn't count: what was in force serves on."""

    ready: bool
    stopping: bool = False
    reloads: tuple[State, ...] = ()


class Page(msgspec.Struct, frozen=True):
    """An answer."""

    body: bytes
    kind: str = TEXT
    status: HTTPStatus = HTTPStatus.OK


class Http:
    """The HTTP server of one gateway."""

    def __init__(self, ready: Callable[[], Readiness], telemetry: Telemetry) -> None:
        self._ready = ready
        self._telemetry = telemetry
        self._pages: Mapping[str, Callable[[], Page]] = {"/livez": _live, "/readyz": self._readiness, "/metrics": self._metrics}
        self._runner: web.ServerRunner | None = None

    async def start(self, address: str) -> str:
        """Listen on host:port or unix:/path; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        self._runner = web.ServerRunner(_Server(self._answer), shutdown_timeout=1.0)
        await self._runner.setup()
        host, _, port = address.rpartition(":")
        try:
            if host == "unix":
                await web.UnixSite(self._runner, port).start()
                return address
            await web.TCPSite(self._runner, host.strip("[]"), int(port)).start()
        except OSError as error:
            raise BadConfig(f"listeners.http.address: can't listen on {address}") from error
        return f"{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Hang up."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._pages.get(request.raw_path.partition("?")[0])
        if page is None:
            return _response(Page(b"not found\n", status=HTTPStatus.NOT_FOUND))
        if request.method not in ("GET", "HEAD"):
            return _response(Page(b"method not allowed\n", status=HTTPStatus.METHOD_NOT_ALLOWED), {"Allow": "GET, HEAD"})
        return _response(page())

    def _readiness(self) -> Page:
        readiness = self._ready()
        status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Page(msgspec.json.encode(readiness), "application/json", status)

    def _metrics(self) -> Page:
        return Page(*self._telemetry.exposition())


def _live() -> Page:
    return Page(b"ok\n")


def _response(page: Page, more: Mapping[str, str] | None = None) -> web.Response:
    """A page as aiohttp sends it. An empty Server field: else aiohttp names itself and its version."""
    headers = {"Content-Type": page.kind, "Cache-Control": "no-store", "Server": "", **(more or {})}
    response = web.Response(body=page.body, status=page.status, headers=headers)
    response.force_close()
    return response


class _Server(web.Server):
    """aiohttp's, with connections of our own."""

    def __call__(self) -> web.RequestHandler:
        return _Connection(
            self,
            loop=asyncio.get_running_loop(),
            max_line_size=LINE,
            max_field_size=FIELD,
            max_headers=FIELDS,
            lingering_time=0,
            auto_decompress=False,
            access_log=None,
        )


class _Connection(web.RequestHandler):
    """aiohttp's, that ends in time, and whose errors have fixed texts: aiohttp's quote the request."""

    def __init__(self, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self._server = server
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._end = asyncio.get_running_loop().call_later(LIFE, _abort, transport)
        if len(self._server.connections) > CONNECTIONS:
            _abort(self._server.connections[0].transport)

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
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _response(Page(b"bad request\n", status=HTTPStatus.BAD_REQUEST))
        log.error("a request failed: %s", type(exc).__name__)
        return _response(Page(b"internal error\n", status=HTTPStatus.INTERNAL_SERVER_ERROR))


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
