"""What the stand-ins have in common: a server, what it took, what was wrong with what came, and faults on demand."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import struct
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from enum import Enum
from typing import Final, Self

import msgspec
from aiohttp import web

from gateway.json_types import JsonObject, JsonValue

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""What is read of a request at most; the vendors' own limits are far below."""


class Fault(Enum):
    """What can befall a request: `HANG` and `RESET_AFTER_ACCEPTING` after it was accepted, the others before."""

    RESET = "the connection is reset"
    ERROR = "500"
    UNAVAILABLE = "503"
    RATE_LIMITED = "429 with Retry-After in seconds"
    RATE_LIMITED_UNTIL = "429 with Retry-After as a date"
    HANG = "no answer until the stand-in stops"
    RESET_AFTER_ACCEPTING = "the connection is reset instead of an answer"


class Reply(msgspec.Struct, frozen=True):
    """A status, a JSON body, and headers."""

    status: int
    body: JsonValue
    headers: Mapping[str, str] = {}


Rule = Callable[[JsonValue], bool]
"""Whether a field's value is one that the vendor documents."""


def find_error(given: JsonValue, rules: Mapping[str, Rule], required: str = "") -> str:
    """What is wrong with an object: a field that isn't documented, or isn't as documented. Empty if nothing is."""
    if not isinstance(given, dict):
        return "is no object"
    unknown = sorted(given.keys() - rules.keys())
    if unknown:
        return f"{unknown[0]} is not documented"
    missing = [name for name in required.split() if name not in given]
    if missing:
        return f"{missing[0]} is missing"
    bad = [name for name, value in given.items() if not rules[name](value)]
    return f"{bad[0]} is not as documented" if bad else ""


class VendorStandIn(ABC):
    """A local server in a vendor's place. Used as `async with SegmentStandIn() as vendor`, or by `start` and `stop`.

    `accepted` is what it took, by key; `repeats` counts what it knew for a repetition, and `duplicates` names the
    keys that it took again. `received` is all that came, request lines, headers but for credentials, and bodies.
    `violations` says what came that the vendor doesn't document. `faults` is asked once a request.
    """

    vendor: str
    rate: tuple[int, float]
    """So much in so many seconds: requests, or what `weight` says."""

    def __init__(
        self,
        *,
        port: int = 0,
        faults: Callable[[], Fault | None] = lambda: None,
        clock: Callable[[], float] = time.time,
        retry_after_seconds: int = 1,
    ) -> None:
        """Port 0 is any free one.

        `clock` is the wall clock, in seconds since 1970; `retry_after_seconds` is what a 429 says.
        """
        self.faults = faults
        self.url = ""
        self.accepted: dict[str, JsonObject] = {}
        self.repeats = 0
        self.requests = 0
        self.received: list[bytes] = []
        self.duplicates: list[str] = []
        self.violations: list[str] = []
        self._port = port
        self._clock = clock
        self._retry_after_seconds = retry_after_seconds
        self._noted_at: dict[str, float] = {}
        self._recent: deque[tuple[float, int]] = deque()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on loopback; `url` says where. Plaintext without `tls`."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=tls)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Close everything; hanging requests are answered, too late. It can start again, at the same port."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._stopping.clear()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abstractmethod
    def answer(self, request: web.BaseRequest, body: bytes) -> Reply:
        """What the vendor answers, with what it takes noted."""

    @abstractmethod
    def rate_limited_body(self) -> JsonObject:
        """The body of the vendor's 429."""

    def weight(self, body: bytes) -> int:  # noqa: ARG002 - a vendor may look into it
        """What a request counts against the rate."""
        return 1

    def add_violation(self, what: str) -> None:
        """Note something that a sender may not do."""
        self.violations.append(f"{self.vendor}: {what}")

    def is_known(self, identity: str, window_seconds: float, key: str = "") -> bool:
        """Whether an identity was noted within so many seconds; if not, it is now.

        `key` names it where it is not the same.
        """
        now, noted = self._clock(), self._noted_at.get(identity)
        if noted is not None and now - noted < window_seconds:
            self.repeats += 1
            return True
        if noted is not None or (key or identity) in self.accepted:
            self.duplicates.append(key or identity)
        self._noted_at[identity] = now
        return False

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests += 1
        self.received.append(_request_bytes(request, body))
        fault = self.faults()
        if fault is Fault.RESET:
            return _reset(request)
        reply = self._fault_reply(fault) or self._rate_limit_reply(self.weight(body)) or self.answer(request, body)
        if fault is Fault.RESET_AFTER_ACCEPTING:
            return _reset(request)
        if fault is Fault.HANG:
            await self._stopping.wait()
        return web.Response(
            status=reply.status,
            text=json.dumps(reply.body),
            content_type="application/json",
            headers=dict(reply.headers),
        )

    def _fault_reply(self, fault: Fault | None) -> Reply | None:
        match fault:
            case Fault.ERROR | Fault.UNAVAILABLE:
                return Reply(int(fault.value), {"error": "try again"})
            case Fault.RATE_LIMITED:
                return Reply(429, self.rate_limited_body(), {"Retry-After": str(self._retry_after_seconds)})
            case Fault.RATE_LIMITED_UNTIL:
                return Reply(
                    429,
                    self.rate_limited_body(),
                    {"Retry-After": formatdate(self._clock() + self._retry_after_seconds, usegmt=True)},
                )
        return None

    def _rate_limit_reply(self, weight: int) -> Reply | None:
        """429 for more than the vendor takes in its window."""
        most, window = self.rate
        now = self._clock()
        while self._recent and self._recent[0][0] <= now - window:
            self._recent.popleft()
        if weight + sum(used for _, used in self._recent) > most:
            self.add_violation("more than its rate")
            oldest = self._recent[0][0] if self._recent else now
            return Reply(429, self.rate_limited_body(), {"Retry-After": str(max(1, round(oldest + window - now)))})
        self._recent.append((now, weight))
        return None


def _request_bytes(request: web.BaseRequest, body: bytes) -> bytes:
    headers = "".join(f"{name}: {value}\n" for name, value in request.headers.items() if name != "Authorization")
    return f"{request.method} {request.raw_path}\n{headers}\n".encode() + body


def basic_credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    """User and password of a request's `Authorization: Basic`; None if it has none."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    try:
        user, colon, password = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        return None
    return (user, password) if scheme == "Basic" and colon else None


def parse_json(body: bytes) -> JsonValue:
    """JSON as it came; None for what is none, or says a key twice."""
    try:
        value: JsonValue = json.loads(body, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError):
        return None
    return value


def object_of(value: JsonValue) -> JsonObject:
    """The object that a value is; an empty one for what is none."""
    return value if isinstance(value, dict) else {}


def list_of(value: JsonValue) -> list[JsonValue]:
    """The list that a value is; an empty one for what is none."""
    return value if isinstance(value, list) else []


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _reset(request: web.Request) -> web.StreamResponse:
    """Cut the connection off with an RST."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()
