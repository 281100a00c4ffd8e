"""How a call ends for a reason: a gRPC status with a fixed text, and the same for programs.

No exception's text is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.errors import CallReason, Cause, DeliveryReason, EndReason, ItemReason, Reason
from gateway.receivers.incoming import Context

T = TypeVar("T")

DOMAIN: Final = "privacy.kannelle"
"""The domain of the reasons in `google.rpc.ErrorInfo`."""

DETAILS: Final = "grpc-status-details-bin"
"""The trailer that holds a serialised `google.rpc.Status`."""

DEFAULT_RETRY_SECONDS: Final = 1.0
"""When a caller that there is no room for may come back."""

MAX_RETRY_SECONDS: Final = 3600.0
"""The longest wait that a caller is asked for, whatever a recipient asked for."""


def exhaustive(table: Mapping[EndReason, T]) -> Mapping[EndReason, T]:
    """Return a table that has a row for each reason that can end a call.

    Raises NotImplementedError, as its module is imported, for one without: what isn't told apart would look like a
    fault of the gateway's.
    """
    missing = {reason for kind in (ItemReason, CallReason, DeliveryReason) for reason in kind} - table.keys()
    if missing:
        raise NotImplementedError(f"no row for {', '.join(sorted(missing))}")
    return table


_Code = grpc.StatusCode
_WITHHELD: Final = (_Code.FAILED_PRECONDITION, "the message is withheld from its destination")
_UNDELIVERED: Final = (_Code.FAILED_PRECONDITION, "the message was taken and isn't delivered")

STATUS: Final[Mapping[EndReason, tuple[grpc.StatusCode, str]]] = exhaustive(
    {
        ItemReason.MALFORMED: (_Code.INVALID_ARGUMENT, "the message is malformed"),
        ItemReason.REQUIRED_FIELD: (_Code.INVALID_ARGUMENT, "a required field is missing or can't leave"),
        CallReason.UNKNOWN_METHOD: (_Code.UNIMPLEMENTED, "no such method"),
        CallReason.NO_ROUTE: (_Code.UNIMPLEMENTED, "no route has this authority"),
        CallReason.NO_PLAN: (_Code.UNIMPLEMENTED, "this signal is not taken: no plan says what of it may leave"),
        CallReason.CALLER_NOT_ALLOWED: (_Code.PERMISSION_DENIED, "the caller is not allowed"),
        CallReason.REQUEST_ID_REUSED: (_Code.INVALID_ARGUMENT, "the request ID was used for another item"),
        CallReason.WITHHELD: _WITHHELD,
        ItemReason.PERSONAL_ACCOUNT: _WITHHELD,
        ItemReason.BACKUP_NOT_ON: _WITHHELD,
        ItemReason.EVENT_NOT_PLANNED: (_Code.FAILED_PRECONDITION, "the tracking plan doesn't list this event"),
        ItemReason.MASK_EMPTY: (_Code.FAILED_PRECONDITION, "none of a field mask's paths may leave"),
        ItemReason.MASK_UNCLEAR: (
            _Code.FAILED_PRECONDITION,
            "the contract doesn't tell which message a field mask speaks of",
        ),
        ItemReason.UNKNOWN_TYPE: (_Code.FAILED_PRECONDITION, "no contract has this message type"),
        ItemReason.UNKNOWN_FLOW: (_Code.FAILED_PRECONDITION, "the policy has no flow for this"),
        ItemReason.UNKNOWN_DESTINATION: (_Code.FAILED_PRECONDITION, "the policy has no such destination"),
        ItemReason.TOO_LARGE: (_Code.RESOURCE_EXHAUSTED, "the message is too large"),
        ItemReason.TOO_DEEP: (_Code.RESOURCE_EXHAUSTED, "the message nests too deep"),
        ItemReason.TOO_MANY_ITEMS: (_Code.RESOURCE_EXHAUSTED, "too many items in one call"),
        CallReason.FULL: (_Code.RESOURCE_EXHAUSTED, "the gateway is full; send again later"),
        CallReason.UNKNOWN_PLAN: (_Code.UNAVAILABLE, "the hub has another policy; send again later"),
        CallReason.POLICY_CHANGED: (_Code.UNAVAILABLE, "the policy has changed since the call began; call again"),
        CallReason.UNAVAILABLE: (_Code.UNAVAILABLE, "a destination can't be reached; send again later"),
        CallReason.INTERNAL: (_Code.INTERNAL, "internal error"),
        # No call waits for what becomes of an entry: these would be those of a delivery that sends at once.
        DeliveryReason.REJECTED: _UNDELIVERED,
        DeliveryReason.EXPIRED: _UNDELIVERED,
        DeliveryReason.CUT_OFF: _UNDELIVERED,
        DeliveryReason.ERASED: _UNDELIVERED,
        DeliveryReason.DEAD_LETTERED: _UNDELIVERED,
        DeliveryReason.DAMAGED: _UNDELIVERED,
        DeliveryReason.PURGED: _UNDELIVERED,
    }
)
"""The status of each reason; an error without one is CallReason.INTERNAL."""

_REASONS: Final[Mapping[str, Reason | Cause]] = {str(one): one for one in (*STATUS, *Cause)}
"""All that `google.rpc.ErrorInfo` says."""


def told_reason(reason: EndReason) -> EndReason:
    """Return the reason that a caller is told.

    Not why a message is withheld, which says something of its subject or its workspace.
    """
    return CallReason.WITHHELD if STATUS[reason] is _WITHHELD else reason


def code_of(reason: EndReason) -> grpc.StatusCode:
    """Return the code that a call ends with for a reason."""
    return STATUS[reason][0]


def aborted_with(context: Context) -> grpc.StatusCode:
    """Return the code that a call was ended with while its handler waited for a message."""
    code: grpc.StatusCode | None = context.code()
    return code or _Code.INTERNAL


async def abort(context: Context, reason: EndReason, retry_seconds: float | None = None) -> NoReturn:
    """End a call for a reason; `retry_seconds` tells the caller when to send again."""
    code, text = STATUS[reason]
    retry = [] if retry_seconds is None else [RetryInfo(retry_delay=_duration(retry_seconds))]
    packed = details(code, text, told_reason(reason), retry)
    # The OpenTelemetry SDK for Python looks for RetryInfo under its own name, as grpc-java names it.
    own_trailers = (("google.rpc.retryinfo-bin", info.SerializeToString()) for info in retry)
    await context.abort(code, text, ((DETAILS, packed), *own_trailers))
    raise AssertionError("abort returned")


def details(code: grpc.StatusCode, text: str, reason: Reason | Cause, retry: Sequence[RetryInfo] = ()) -> bytes:
    """Return the same for programs, as the trailer DETAILS has it: https://google.aip.dev/193."""
    status = Status(code=code.value[0], message=text)
    for detail in (ErrorInfo(reason=reason, domain=DOMAIN), *retry):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    raw: bytes = status.SerializeToString()
    return raw


def reason_of(raw: bytes) -> Reason | Cause | None:
    """Return the reason that a serialised `google.rpc.Status` of a gateway gives; None for any other."""
    info = ErrorInfo()
    try:
        if any(detail.Unpack(info) for detail in Status.FromString(raw).details) and info.domain == DOMAIN:
            return _REASONS.get(info.reason)
    except DecodeError:
        pass
    return None


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(min(max(0.0, seconds), MAX_RETRY_SECONDS) * 1_000_000_000))
    return duration
