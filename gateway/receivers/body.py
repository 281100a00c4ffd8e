"""A request's body over HTTP: all of it, in time, unpacked, and never larger than it may be."""

from __future__ import annotations

import asyncio
import gzip
import io
import zlib
from typing import Final

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest, RequestPayloadError

from gateway.errors import Reason, Refused

PATIENCE: Final = 10.0
"""Seconds that a body may take to arrive."""

PIECE: Final = 65_536
"""Bytes that are decompressed at a time."""


class Slow(Exception):
    """A body that doesn't come."""


async def received(request: BaseRequest, most: int) -> bytes:
    """A request's body as it came, of `most` bytes. Raises Slow, and Refused: TOO_LARGE, or MALFORMED for one that ends early."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            if request.headers.get("Expect") and request.version == HttpVersion11:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            async for piece in request.content.iter_any():
                body += piece
                if len(body) > most:
                    raise Refused(Reason.TOO_LARGE)
    except TimeoutError:
        raise Slow from None
    except (RequestPayloadError, ConnectionError):
        raise Refused(Reason.MALFORMED) from None
    return bytes(body)


def gunzip(raw: bytes, most: int) -> bytes:
    """What members of gzip, one or several, hold: RFC 1952. Raises Refused: MALFORMED, TOO_LARGE for more than `most` bytes."""
    out = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as file:
            while piece := file.read(min(PIECE, most + 1 - len(out))):
                out += piece
                if len(out) > most:
                    raise Refused(Reason.TOO_LARGE)
    except (OSError, EOFError, zlib.error):
        raise Refused(Reason.MALFORMED) from None
    if not raw:
        raise Refused(Reason.MALFORMED)
    return bytes(out)
