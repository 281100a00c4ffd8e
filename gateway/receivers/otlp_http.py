"""OTLP/HTTP, as https://opentelemetry.io/docs/specs/otlp/#otlphttp says. What becomes of an export: see `otlp.py`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

import grpc
from aiohttp.web import BaseRequest

from gateway.config import LocalHttp
from gateway.errors import CallReason, ItemReason, Refused, Rejected, Retryable
from gateway.otlp import json_request
from gateway.otlp.hints import MalformedBody, hint_of_protobuf
from gateway.otlp.signals import SIGNALS, Signal
from gateway.pipeline.caller import CALLER
from gateway.receivers.body import ArrivingBodies, BodyTimeout, gunzip
from gateway.receivers.connection import Limits
from gateway.receivers.emit import CurrentFlows
from gateway.receivers.item_pipeline import ItemPipeline
from gateway.receivers.otlp import PROFILES, ExportHandler
from gateway.receivers.otlp_http_faults import (
    ENCODERS,
    GRPC_TYPE,
    JSON,
    PROTOBUF,
    TOO_SLOW,
    WRONG_ENCODING,
    WRONG_EXPECTATION,
    WRONG_METHOD,
    WRONG_TYPE,
    Fault,
    failure_page,
    fault,
    fault_page,
    malformed,
)
from gateway.receivers.web import HttpServer, Page
from gateway.telemetry import Counts, ResourceUsage
from gateway.telemetry.calls import ListenerCalls
from gateway.telemetry.traces import RpcMethod

log = logging.getLogger(__name__)

LIMITS: Final = Limits(connections=1024, idle=180.0, linger=2.0)
"""An exporter that sends once a minute keeps its connection."""

GZIP_EXPANSION: Final = 8
"""How many times as large as it came a body in gzip is taken to be.

Telemetry is about that, and nothing is over a thousand times.
"""

SIGNAL_PATHS: Final[Mapping[str, Signal | None]] = {
    **{signal.path: signal for signal in SIGNALS},
    "/v1development/profiles": None,
}
"""What is taken; None is refused, because no plan covers it."""

RPC_OF_PATH: Final[Mapping[str, RpcMethod]] = {
    path: RpcMethod(PROFILES if signal is None else signal.service, "Export") for path, signal in SIGNAL_PATHS.items()
}
"""What each path is over gRPC."""


class OtlpHttp:
    """The listener `local_http`."""

    def __init__(
        self,
        settings: LocalHttp,
        flows: CurrentFlows,
        pipeline: ItemPipeline,
        max_calls: int,
        calls: ListenerCalls | None = None,
    ) -> None:
        """`max_calls` at once.

        One more, and the body that has been arriving longest is given up, or it is refused itself.

        `calls` counts each.
        """
        self._settings = settings
        self._pipeline = pipeline
        self._handlers = {signal: ExportHandler(signal, flows, pipeline) for signal in SIGNALS}
        self._max_calls = self._free_calls = max_calls
        self._calls = ListenerCalls("local_http", Counts()) if calls is None else calls
        self._arriving_bodies = ArrivingBodies()
        self._server = HttpServer("local_http", self._answer, failure_page, LIMITS)

    def uses(self) -> Mapping[str, Callable[[], ResourceUsage]]:
        """Return what tells how many calls and connections there are."""
        return {"local_http_calls": self._use, "local_http_connections": self._server.use}

    def _use(self) -> ResourceUsage:
        return ResourceUsage(self._max_calls - self._free_calls, self._max_calls)

    async def start(self) -> str:
        """Listen and return the address, with the port that was free where 0 was asked for. Raises BadConfig."""
        return await self._server.start(self._settings.address)

    async def stop(self, grace: float) -> None:
        """Take no new calls, let those in flight take `grace` seconds more."""
        await self._server.stop(grace)

    async def _answer(self, request: BaseRequest) -> Page:
        content_type = _content_type(request)
        wrong = unfit(request, self._settings.max_message_bytes)
        if wrong is None and self._free_calls <= 0 and not self._arriving_bodies.give_up_oldest():
            wrong = fault(CallReason.FULL)
        if wrong is not None:
            return fault_page(wrong, content_type, last=True)
        self._free_calls -= 1
        # Connections to a Unix socket have no addresses to tell them by.
        CALLER.set(f"local_http:{id(request.protocol)}")
        call, code = self._calls.begin(RPC_OF_PATH[_path(request)], tuple), grpc.StatusCode.CANCELLED
        try:
            outcome = await self._outcome(request, content_type)
            code = outcome.grpc_status[0] if isinstance(outcome, Fault) else grpc.StatusCode.OK
        finally:
            self._free_calls += 1
            call.end(code)
        if isinstance(outcome, Page):
            return outcome
        return fault_page(outcome, content_type, last=not request.content.is_eof())

    async def _outcome(self, request: BaseRequest, content_type: str) -> Page | Fault:
        """Return what becomes of a request, whatever goes wrong."""
        signal = SIGNAL_PATHS[_path(request)]
        try:
            if signal is None:
                return fault(CallReason.NO_PLAN)
            return await self._export(signal, await self._body(request), content_type)
        except BodyTimeout:
            return TOO_SLOW
        except MalformedBody as error:
            return malformed(error.hint)
        except Retryable as error:
            return fault(error.reason, error.after)
        except (Refused, Rejected) as error:
            return fault(error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here
            log.error("a call failed: %s", type(error).__name__)
            return fault(CallReason.INTERNAL)

    async def _export(self, signal: Signal, raw: bytes, content_type: str) -> Page:
        """Return the answer to a body. Raises Refused, Retryable, Rejected."""
        if content_type == JSON:
            raw = await self._pipeline.off_loop(len(raw), json_request.parse, signal, raw)
        try:
            response = await self._handlers[signal].export(raw)
        except Refused as error:
            if content_type == PROTOBUF and error.reason is ItemReason.MALFORMED:
                raise MalformedBody(hint_of_protobuf(raw)) from None
            raise
        return Page(ENCODERS[content_type](response), content_type)

    async def _body(self, request: BaseRequest) -> bytes:
        """Return the request's body, unpacked. Raises Refused, BodyTimeout."""
        max_bytes = self._settings.max_message_bytes
        raw = await self._arriving_bodies.received(request, max_bytes)
        if _field(request, "Content-Encoding") != "gzip":
            return raw
        return await self._pipeline.off_loop(len(raw) * GZIP_EXPANSION, gunzip, raw, max_bytes)


def unfit(request: BaseRequest, max_bytes: int) -> Fault | None:
    """Return what is wrong with a request as far as its head tells."""
    # Only browsers send one, and no page has business here: https://fetch.spec.whatwg.org/#origin-header.
    if "Origin" in request.headers:
        return fault(CallReason.CALLER_NOT_ALLOWED)
    if _path(request) not in SIGNAL_PATHS:
        return fault(CallReason.UNKNOWN_METHOD)
    if request.method != "POST":
        return WRONG_METHOD
    if _content_type(request) not in ENCODERS:
        return GRPC_TYPE if _content_type(request).startswith("application/grpc") else WRONG_TYPE
    if _field(request, "Content-Encoding") not in ("", "identity", "gzip"):
        return WRONG_ENCODING
    if _field(request, "Expect") not in ("", "100-continue"):
        return WRONG_EXPECTATION
    # aiohttp takes what follows such a head for no body.
    if _field(request, "Upgrade") == "websocket":
        return fault(ItemReason.MALFORMED)
    return fault(ItemReason.TOO_LARGE) if (request.content_length or 0) > max_bytes else None


def _path(request: BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _content_type(request: BaseRequest) -> str:
    """Return the content type, without its parameters."""
    return _field(request, "Content-Type").partition(";")[0].rstrip()


def _field(request: BaseRequest, name: str) -> str:
    """Return a header field; one that came twice is one with a comma, and so nothing that is known."""
    return ",".join(request.headers.getall(name, ())).strip().lower()
