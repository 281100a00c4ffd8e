"""A request's body over HTTP: all of it, in time, unpacked, and never larger than it may be."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from typing import Final

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest, RequestPayloadError

from gateway.errors import CallReason, ItemReason, Refused, Retryable
from gateway.otlp.hints import Hint, MalformedBody

MAX_BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive."""

GUNZIP_PIECE_BYTES: Final = 65_536
"""How much is decompressed at a time."""


class BodyTimeout(Exception):
    """A body that doesn't arrive in time."""


class ArrivingBodies:
    """The bodies that are being received.

    Who sends one byte a second must not keep from its turn who sends all at once.
    """

    def __init__(self) -> None:
        self._waits: dict[asyncio.Timeout, None] = {}

    def give_up_oldest(self) -> bool:
        """Wait no longer for the body that has been arriving longest; false if there is none."""
        wait = next(iter(self._waits), None)
        if wait is None:
            return False
        del self._waits[wait]
        if not wait.expired():
            wait.reschedule(asyncio.get_running_loop().time())
        return True

    async def received(self, request: BaseRequest, max_bytes: int) -> bytes:
        """Return a request's body as it came, of `max_bytes` bytes.

        Raises BodyTimeout, Retryable for one that was given up, and Refused: TOO_LARGE, or MALFORMED for one that
        ends early.
        """
        wait = asyncio.timeout(MAX_BODY_SECONDS)
        self._waits[wait] = None
        try:
            return await _received(request, max_bytes, wait)
        except BodyTimeout:
            if wait in self._waits:
                raise
            raise Retryable(CallReason.FULL) from None
        finally:
            self._waits.pop(wait, None)


async def _received(request: BaseRequest, max_bytes: int, wait: asyncio.Timeout) -> bytes:
    body = bytearray()
    try:
        async with wait:
            if request.headers.get("Expect") and request.version == HttpVersion11:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > max_bytes:
                    raise Refused(ItemReason.TOO_LARGE)
    except TimeoutError:
        raise BodyTimeout from None
    except (RequestPayloadError, ConnectionError):
        raise Refused(ItemReason.MALFORMED) from None
    return bytes(body)


def gunzip(raw: bytes, max_bytes: int) -> bytes:
    """Return what members of gzip, one or several, hold: RFC 1952.

    Raises MalformedBody, and Refused TOO_LARGE for more than `max_bytes` bytes.
    """
    out = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            while piece := file.read(min(GUNZIP_PIECE_BYTES, max_bytes + 1 - len(out))):
                out += piece
                if len(out) > max_bytes:
                    raise Refused(ItemReason.TOO_LARGE)
    except (OSError, EOFError, zlib.error):
        raise MalformedBody(Hint.NOT_GZIP) from None
    if not raw:
        raise MalformedBody(Hint.EMPTY)
    return bytes(out)
