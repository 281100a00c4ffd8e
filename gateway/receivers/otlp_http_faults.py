"""How an OTLP/HTTP request ends that isn't taken: https://opentelemetry.io/docs/specs/otlp/#failures-1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import grpc
import msgspec
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from gateway.errors import CallReason, DeliveryReason, EndReason, ItemReason
from gateway.otlp.hints import Hint
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, MAX_RETRY_SECONDS, STATUS, exhaustive
from gateway.receivers.web import Page
from gateway.telemetry.traces import code_number

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

ENCODERS: Final[Mapping[str, Callable[[Message], bytes]]] = {
    PROTOBUF: lambda message: message.SerializeToString(),
    JSON: lambda message: MessageToJson(message, indent=None).encode(),
}
"""How an answer is written, by the content type of the request."""


class Fault(msgspec.Struct, frozen=True):
    """How a request ends that isn't taken: what HTTP and what gRPC calls it, and when to send again, if ever."""

    http_status: HTTPStatus
    grpc_status: tuple[grpc.StatusCode, str]
    retry_seconds: float | None = None
    headers: Mapping[str, str] = {}


_Http = HTTPStatus

HTTP_STATUS: Final[Mapping[EndReason, HTTPStatus]] = exhaustive(
    {
        ItemReason.MALFORMED: _Http.BAD_REQUEST,
        ItemReason.REQUIRED_FIELD: _Http.BAD_REQUEST,
        ItemReason.TOO_DEEP: _Http.BAD_REQUEST,
        ItemReason.TOO_MANY_ITEMS: _Http.BAD_REQUEST,
        ItemReason.EVENT_NOT_PLANNED: _Http.BAD_REQUEST,
        ItemReason.UNKNOWN_TYPE: _Http.BAD_REQUEST,
        ItemReason.UNKNOWN_FLOW: _Http.BAD_REQUEST,
        ItemReason.UNKNOWN_DESTINATION: _Http.BAD_REQUEST,
        ItemReason.PERSONAL_ACCOUNT: _Http.BAD_REQUEST,
        ItemReason.BACKUP_NOT_ON: _Http.BAD_REQUEST,
        ItemReason.MASK_EMPTY: _Http.BAD_REQUEST,
        ItemReason.MASK_UNCLEAR: _Http.BAD_REQUEST,
        CallReason.WITHHELD: _Http.BAD_REQUEST,
        CallReason.REQUEST_ID_REUSED: _Http.BAD_REQUEST,
        CallReason.CALLER_NOT_ALLOWED: _Http.FORBIDDEN,
        CallReason.UNKNOWN_METHOD: _Http.NOT_FOUND,
        CallReason.NO_ROUTE: _Http.NOT_FOUND,
        ItemReason.TOO_LARGE: _Http.REQUEST_ENTITY_TOO_LARGE,
        CallReason.FULL: _Http.TOO_MANY_REQUESTS,
        CallReason.NO_PLAN: _Http.NOT_IMPLEMENTED,
        CallReason.UNAVAILABLE: _Http.SERVICE_UNAVAILABLE,
        CallReason.UNKNOWN_PLAN: _Http.SERVICE_UNAVAILABLE,
        CallReason.POLICY_CHANGED: _Http.SERVICE_UNAVAILABLE,
        CallReason.INTERNAL: _Http.INTERNAL_SERVER_ERROR,
        DeliveryReason.REJECTED: _Http.BAD_REQUEST,
        DeliveryReason.EXPIRED: _Http.BAD_REQUEST,
        DeliveryReason.CUT_OFF: _Http.BAD_REQUEST,
        DeliveryReason.ERASED: _Http.BAD_REQUEST,
        DeliveryReason.DEAD_LETTERED: _Http.BAD_REQUEST,
        DeliveryReason.DAMAGED: _Http.BAD_REQUEST,
        DeliveryReason.PURGED: _Http.BAD_REQUEST,
    }
)
"""The HTTP status beside each of `statuses.STATUS`. Clients retry 429 and 503 only."""


def fault(reason: EndReason, retry_seconds: float | None = None) -> Fault:
    """Return how a request ends for a reason."""
    if retry_seconds is None and reason is CallReason.FULL:
        retry_seconds = DEFAULT_RETRY_SECONDS
    return Fault(HTTP_STATUS[reason], STATUS[reason], retry_seconds)


def malformed(hint: Hint) -> Fault:
    """Return how a body ends that is malformed, in a way that can be told."""
    code, text = STATUS[ItemReason.MALFORMED]
    return Fault(HTTP_STATUS[ItemReason.MALFORMED], (code, f"{text}: {hint}"))


def _invalid(status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None) -> Fault:
    return Fault(status, (grpc.StatusCode.INVALID_ARGUMENT, text), headers=headers or {})


_CONTENT_TYPES: Final = f"the content type must be {PROTOBUF} or {JSON}"

WRONG_METHOD: Final = Fault(_Http.METHOD_NOT_ALLOWED, STATUS[CallReason.UNKNOWN_METHOD], headers={"Allow": "POST"})
WRONG_TYPE: Final = _invalid(_Http.UNSUPPORTED_MEDIA_TYPE, _CONTENT_TYPES)
GRPC_TYPE: Final = _invalid(
    _Http.UNSUPPORTED_MEDIA_TYPE, f"{_CONTENT_TYPES}; gRPC has a port of its own, the listener local's"
)
WRONG_ENCODING: Final = _invalid(
    _Http.UNSUPPORTED_MEDIA_TYPE, "the content encoding must be gzip, or none", {"Accept-Encoding": "gzip"}
)
WRONG_EXPECTATION: Final = _invalid(_Http.EXPECTATION_FAILED, "only 100-continue can be expected")
TOO_SLOW: Final = Fault(
    _Http.REQUEST_TIMEOUT, (grpc.StatusCode.DEADLINE_EXCEEDED, "the request took too long to arrive")
)


def fault_page(found: Fault, content_type: str, *, last: bool) -> Page:
    """Return a fault as a page, in JSON where the caller's encoding isn't known."""
    code, text = found.grpc_status
    content_type = content_type if content_type in ENCODERS else JSON
    body = ENCODERS[content_type](Status(code=code_number(code), message=text))
    retry = {} if found.retry_seconds is None else {"Retry-After": str(_whole_seconds(found.retry_seconds))}
    return Page(body, content_type, found.http_status, {**found.headers, **retry}, last)


def failure_page(status: HTTPStatus) -> Page:
    """Return what is said of what isn't HTTP, and of what failed here."""
    reason = ItemReason.MALFORMED if status == _Http.BAD_REQUEST else CallReason.INTERNAL
    return fault_page(fault(reason), JSON, last=True)


def _whole_seconds(seconds: float) -> int:
    return max(1, math.ceil(min(seconds, MAX_RETRY_SECONDS)))
