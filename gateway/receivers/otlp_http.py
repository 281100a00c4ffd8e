"""OTLP/HTTP, as https://opentelemetry.io/docs/specs/otlp/#otlphttp says. What an export comes to is `otlp.export`'s."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import grpc
import msgspec
from aiohttp.web import BaseRequest
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from gateway.config import LocalHttp
from gateway.errors import CallReason, ItemReason, Reason, Refused, Rejected, Retryable
from gateway.pipeline.caller import CALLER
from gateway.receivers import otlp, otlp_json
from gateway.receivers.body import Arrivals, Slow, gunzip
from gateway.receivers.connection import Limits
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.guard import AFTER, INTERNAL, LONGEST, STATUS
from gateway.receivers.hints import Hint, Hinted, of_protobuf
from gateway.receivers.intake import Intake
from gateway.receivers.web import Page, Site
from gateway.signals import SIGNALS, Signal
from gateway.telemetry import Counts, ResourceUsage
from gateway.telemetry.calls import ListenerCalls
from gateway.telemetry.traces import RpcMethod

log = logging.getLogger(__name__)

LIMITS: Final = Limits(connections=1024, idle=180.0, linger=2.0)
"""An exporter that sends once a minute keeps its connection."""

EXPANSION: Final = 8
"""How many times as large as it came a body in gzip is taken to be.

Telemetry is about that, and nothing is over a thousand times.
"""

Paths = Mapping[str, Signal | None]

PATHS: Final[Paths] = {**{signal.path: signal for signal in SIGNALS}, "/v1development/profiles": None}
"""What is taken; None is refused, for want of a plan."""

CALLED: Final[Mapping[str, RpcMethod]] = {
    path: RpcMethod(otlp.PROFILES if signal is None else signal.service, "Export") for path, signal in PATHS.items()
}
"""What each path is over gRPC."""

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

ENCODERS: Final[Mapping[str, Callable[[Message], bytes]]] = {
    PROTOBUF: lambda message: message.SerializeToString(),
    JSON: lambda message: MessageToJson(message, indent=None).encode(),
}
"""How an answer is written, by the content type of the request."""


class Fault(msgspec.Struct, frozen=True):
    """How a request ends that isn't taken. `after` tells in how many seconds to send again."""

    status: HTTPStatus
    said: tuple[grpc.StatusCode, str]
    after: float | None = None
    headers: Mapping[str, str] = {}


_Http = HTTPStatus

HTTP: Final[Mapping[Reason, HTTPStatus]] = {
    ItemReason.MALFORMED: _Http.BAD_REQUEST,
    ItemReason.TOO_DEEP: _Http.BAD_REQUEST,
    ItemReason.TOO_MANY_ITEMS: _Http.BAD_REQUEST,
    ItemReason.UNKNOWN_FLOW: _Http.BAD_REQUEST,
    CallReason.CALLER_NOT_ALLOWED: _Http.FORBIDDEN,
    CallReason.UNKNOWN_METHOD: _Http.NOT_FOUND,
    ItemReason.TOO_LARGE: _Http.REQUEST_ENTITY_TOO_LARGE,
    CallReason.FULL: _Http.TOO_MANY_REQUESTS,
    CallReason.NO_PLAN: _Http.NOT_IMPLEMENTED,
    CallReason.UNAVAILABLE: _Http.SERVICE_UNAVAILABLE,
}
"""The HTTP status beside each of `guard.STATUS` that an export can end with; any other is 500.

Clients retry 429 and 503 only.
"""


def fault(reason: Reason, after: float | None = None) -> Fault:
    """How a request ends for a reason."""
    if reason not in HTTP:
        return Fault(_Http.INTERNAL_SERVER_ERROR, INTERNAL)
    return Fault(HTTP[reason], STATUS[reason], AFTER if after is None and reason is CallReason.FULL else after)


def _hinted(hint: Hint) -> Fault:
    """How a body ends that is malformed, in a way that can be told."""
    code, text = STATUS[ItemReason.MALFORMED]
    return Fault(HTTP[ItemReason.MALFORMED], (code, f"{text}: {hint}"))


_METHOD: Final = Fault(_Http.METHOD_NOT_ALLOWED, STATUS[CallReason.UNKNOWN_METHOD], headers={"Allow": "POST"})
_TYPE: Final = Fault(
    _Http.UNSUPPORTED_MEDIA_TYPE, (grpc.StatusCode.INVALID_ARGUMENT, f"the content type must be {PROTOBUF} or {JSON}")
)
_GRPC: Final = Fault(
    _Http.UNSUPPORTED_MEDIA_TYPE,
    (
        grpc.StatusCode.INVALID_ARGUMENT,
        f"the content type must be {PROTOBUF} or {JSON}; gRPC has a port of its own, the listener local's",
    ),
)
_ENCODING: Final = Fault(
    _Http.UNSUPPORTED_MEDIA_TYPE,
    (grpc.StatusCode.INVALID_ARGUMENT, "the content encoding must be gzip, or none"),
    headers={"Accept-Encoding": "gzip"},
)
_EXPECTED: Final = Fault(
    _Http.EXPECTATION_FAILED, (grpc.StatusCode.INVALID_ARGUMENT, "only 100-continue can be expected")
)
_SLOW: Final = Fault(_Http.REQUEST_TIMEOUT, (grpc.StatusCode.DEADLINE_EXCEEDED, "the request took too long to arrive"))


class OtlpHttp:
    """The listener `local_http`."""

    def __init__(
        self, given: LocalHttp, flows: CurrentFlows, intake: Intake, calls: int, seen: ListenerCalls | None = None
    ) -> None:
        """`calls` at once, at most.

        One more, and the body that has been arriving longest is given up, or it is refused itself.

        `seen` is told of each.
        """
        self._given = given
        self._flows = flows
        self._intake = intake
        self._calls = self._room = calls
        self._seen = ListenerCalls("local_http", Counts()) if seen is None else seen
        self._arrivals = Arrivals()
        self._site = Site("local_http", self._answer, _failed, LIMITS)

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """What tells how many calls and connections there are."""
        return {
            "local_http_calls": lambda: ResourceUsage(self._calls - self._room, self._calls),
            "local_http_connections": self._site.use,
        }

    async def start(self) -> str:
        """Listen; the address with the port that was free where 0 was asked for. Raises BadConfig."""
        return await self._site.start(self._given.address)

    async def stop(self, grace: float) -> None:
        """Take no new calls, let those in flight take `grace` seconds more."""
        await self._site.stop(grace)

    async def _answer(self, request: BaseRequest) -> Page:
        kind = _kind(request)
        wrong = unfit(request, self._given.max_message_bytes)
        if wrong is None and self._room <= 0 and not self._arrivals.give_up_oldest():
            wrong = fault(CallReason.FULL)
        if wrong is not None:
            return _refusal(wrong, kind, last=True)
        self._room -= 1
        # Connections to a Unix socket have no addresses to tell them by.
        CALLER.set(f"local_http:{id(request.protocol)}")
        call, code = self._seen.begin(CALLED[_path(request)], tuple), grpc.StatusCode.CANCELLED
        try:
            outcome = await self._export(request, kind)
            code = outcome.said[0] if isinstance(outcome, Fault) else grpc.StatusCode.OK
        finally:
            self._room += 1
            call.end(code)
        return outcome if isinstance(outcome, Page) else _refusal(outcome, kind, last=not request.content.is_eof())

    async def _export(self, request: BaseRequest, kind: str) -> Page | Fault:
        signal = PATHS[_path(request)]
        try:
            if signal is None:
                return fault(CallReason.NO_PLAN)
            return await self._taken(signal, await self._body(request), kind)
        except Slow:
            return _SLOW
        except Hinted as error:
            return _hinted(error.hint)
        except Retryable as error:
            return fault(error.reason, error.after)
        except (Refused, Rejected) as error:
            return fault(error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
            log.error("a call failed: %s", type(error).__name__)
            return fault(CallReason.INTERNAL)

    async def _taken(self, signal: Signal, raw: bytes, kind: str) -> Page | Fault:
        """The answer to a body. Raises Refused, Retryable, Rejected."""
        if kind == JSON:
            raw = await self._apart(partial(otlp_json.parse, signal), raw, len(raw))
        try:
            exported = await otlp.export(signal, self._flows(), self._intake, raw)
        except Refused as error:
            if kind == PROTOBUF and error.reason is ItemReason.MALFORMED:
                return _hinted(of_protobuf(raw))
            raise
        return Page(ENCODERS[kind](exported), kind)

    async def _body(self, request: BaseRequest) -> bytes:
        """The request's body, unpacked. Raises Refused, Slow."""
        most = self._given.max_message_bytes
        raw = await self._arrivals.received(request, most)
        if _field(request, "Content-Encoding") != "gzip":
            return raw
        return await self._apart(partial(gunzip, most=most), raw, len(raw) * EXPANSION)

    async def _apart(self, work: Callable[[bytes], bytes], raw: bytes, size: int) -> bytes:
        """Return what `work` makes of a body, in a thread if so many bytes could take long."""
        return await self._intake.apart(size, partial(work, raw))


def unfit(request: BaseRequest, most: int) -> Fault | None:
    """What is wrong with a request as far as its head tells."""
    # Only browsers send one, and no page has business here: https://fetch.spec.whatwg.org/#origin-header.
    if "Origin" in request.headers:
        return fault(CallReason.CALLER_NOT_ALLOWED)
    if _path(request) not in PATHS:
        return fault(CallReason.UNKNOWN_METHOD)
    if request.method != "POST":
        return _METHOD
    if _kind(request) not in ENCODERS:
        return _GRPC if _kind(request).startswith("application/grpc") else _TYPE
    if _field(request, "Content-Encoding") not in ("", "identity", "gzip"):
        return _ENCODING
    if _field(request, "Expect") not in ("", "100-continue"):
        return _EXPECTED
    # aiohttp takes what follows such a head for no body.
    if _field(request, "Upgrade") == "websocket":
        return fault(ItemReason.MALFORMED)
    return fault(ItemReason.TOO_LARGE) if (request.content_length or 0) > most else None


def _path(request: BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _kind(request: BaseRequest) -> str:
    """The content type, without its parameters."""
    return _field(request, "Content-Type").partition(";")[0].rstrip()


def _field(request: BaseRequest, name: str) -> str:
    """A header field; one that came twice is one with a comma, and so nothing that is known."""
    return ",".join(request.headers.getall(name, ())).strip().lower()


def _refusal(wrong: Fault, kind: str, *, last: bool) -> Page:
    """A fault as a page, in JSON where the caller's encoding isn't known."""
    code, text = wrong.said
    kind = kind if kind in ENCODERS else JSON
    body = ENCODERS[kind](Status(code=_number(code), message=text))
    after = {} if wrong.after is None else {"Retry-After": str(_seconds(wrong.after))}
    return Page(body, kind, wrong.status, {**wrong.headers, **after}, last)


def _failed(status: HTTPStatus) -> Page:
    """What isn't HTTP, and what failed here."""
    return _refusal(
        fault(ItemReason.MALFORMED if status == _Http.BAD_REQUEST else CallReason.INTERNAL), JSON, last=True
    )


def _number(code: grpc.StatusCode) -> int:
    value: Any = code.value
    return int(value[0])


def _seconds(after: float) -> int:
    return max(1, math.ceil(min(after, LONGEST)))
