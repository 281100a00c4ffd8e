"""HTTP for the platform: `/livez`, `/readyz`, `/metrics`. What is ready is decided elsewhere.

It takes GET and HEAD, reads no body, keeps no connection, and answers everything else with a fixed text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp.web import BaseRequest

from gateway.receivers.connection import Limits
from gateway.receivers.web import HttpServer, Page
from gateway.telemetry import Telemetry
from gateway.telemetry.checks import Readiness
from gateway.telemetry.exposition import Exposition

LIMITS: Final = Limits(connections=256, idle=10.0, life=10.0)
"""Each connection is for one request; a probe that is quick always gets through."""

TEXT_TYPE: Final = "text/plain; charset=utf-8"

VERBOSE_KEY: Final = "verbose"
"""The key in the query of `/readyz` by which it answers in lines for people, whatever its value and other keys."""


class Http:
    """The HTTP server of one gateway."""

    def __init__(self, ready: Callable[[], Readiness], telemetry: Telemetry) -> None:
        self._ready = ready
        self._exposition = Exposition(telemetry)
        self._pages: Mapping[str, Callable[[BaseRequest], Page]] = {
            "/livez": _live,
            "/readyz": self._readiness,
            "/metrics": self._metrics,
        }
        self._server = HttpServer("http", self._answer, _failed, LIMITS)
        telemetry.add_resources({"http_connections": self._server.use})

    async def start(self, address: str) -> str:
        """Listen on host:port or unix:/path and return the address, with the port that was free where 0 was asked for.

        Raises BadConfig.
        """
        return await self._server.start(address)

    async def stop(self) -> None:
        """Hang up."""
        await self._server.stop()

    async def _answer(self, request: BaseRequest) -> Page:
        page = self._pages.get(request.raw_path.partition("?")[0])
        if page is None:
            return _text_page(b"not found\n", HTTPStatus.NOT_FOUND)
        if request.method not in ("GET", "HEAD"):
            return _text_page(b"method not allowed\n", HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        return page(request)

    def _readiness(self, request: BaseRequest) -> Page:
        readiness = self._ready()
        status = HTTPStatus.OK if readiness.ready else HTTPStatus.SERVICE_UNAVAILABLE
        if VERBOSE_KEY in _keys(request):
            return _text_page("".join(f"{line}\n" for line in readiness.lines()).encode(), status)
        return Page(msgspec.json.encode(readiness), "application/json", status, last=True)

    def _metrics(self, request: BaseRequest) -> Page:
        accept = ",".join(request.headers.getall("Accept", ()))
        return Page(*self._exposition.expose(accept), headers={"Vary": "Accept"}, last=True)


def _keys(request: BaseRequest) -> frozenset[str]:
    """Return the keys of a request's query."""
    return frozenset(pair.partition("=")[0] for pair in request.raw_path.partition("?")[2].split("&"))


def _live(_: BaseRequest) -> Page:
    return _text_page(b"ok\n", HTTPStatus.OK)


def _failed(status: HTTPStatus) -> Page:
    return _text_page(b"bad request\n" if status == HTTPStatus.BAD_REQUEST else b"internal error\n", status)


def _text_page(body: bytes, status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Page:
    return Page(body, TEXT_TYPE, status, headers or {}, last=True)
