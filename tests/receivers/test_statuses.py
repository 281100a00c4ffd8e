"""Every reason has a status, over gRPC and over HTTP: none becomes an internal error because it was forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from gateway.errors import CallReason, DeliveryReason, EndReason, ItemReason, Refused, Rejected
from gateway.receivers.guard import Guard
from gateway.receivers.otlp_http_faults import HTTP_STATUS, fault
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS, DOMAIN, STATUS, code_of, exhaustive
from tests.receivers.test_guard import Stub, unary

REASONS: Final[tuple[EndReason, ...]] = (*ItemReason, *CallReason, *DeliveryReason)

WITHHOLDING: Final[frozenset[EndReason]] = frozenset({ItemReason.PERSONAL_ACCOUNT, ItemReason.BACKUP_NOT_ON})
"""Why an item is withheld: its caller isn't told."""

CODES: Final[Mapping[str, set[EndReason]]] = {
    "INVALID_ARGUMENT": {ItemReason.MALFORMED, ItemReason.REQUIRED_FIELD, CallReason.REQUEST_ID_REUSED},
    "UNIMPLEMENTED": {CallReason.UNKNOWN_METHOD, CallReason.NO_ROUTE, CallReason.NO_PLAN},
    "PERMISSION_DENIED": {CallReason.CALLER_NOT_ALLOWED},
    "FAILED_PRECONDITION": {
        ItemReason.EVENT_NOT_PLANNED,
        ItemReason.MASK_EMPTY,
        ItemReason.MASK_UNCLEAR,
        ItemReason.UNKNOWN_TYPE,
        ItemReason.UNKNOWN_FLOW,
        ItemReason.UNKNOWN_DESTINATION,
        ItemReason.PERSONAL_ACCOUNT,
        ItemReason.BACKUP_NOT_ON,
        CallReason.WITHHELD,
        *DeliveryReason,
    },
    "RESOURCE_EXHAUSTED": {ItemReason.TOO_LARGE, ItemReason.TOO_DEEP, ItemReason.TOO_MANY_ITEMS, CallReason.FULL},
    "UNAVAILABLE": {CallReason.UNAVAILABLE, CallReason.UNKNOWN_PLAN, CallReason.POLICY_CHANGED},
    "INTERNAL": {CallReason.INTERNAL},
}

HTTP_CODES: Final[Mapping[int, set[EndReason]]] = {
    403: {CallReason.CALLER_NOT_ALLOWED},
    404: {CallReason.UNKNOWN_METHOD, CallReason.NO_ROUTE},
    413: {ItemReason.TOO_LARGE},
    429: {CallReason.FULL},
    500: {CallReason.INTERNAL},
    501: {CallReason.NO_PLAN},
    503: {CallReason.UNAVAILABLE, CallReason.UNKNOWN_PLAN, CallReason.POLICY_CHANGED},
}
"""All others are 400."""


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_a_status_over_grpc_and_over_http(reason: EndReason) -> None:
    assert STATUS[reason][0].name == next(code for code, row in CODES.items() if reason in row)
    assert HTTP_STATUS[reason] == next((code for code, row in HTTP_CODES.items() if reason in row), 400)
    assert (code_of(reason) is grpc.StatusCode.INTERNAL) == (reason is CallReason.INTERNAL)
    assert (HTTP_STATUS[reason] == 500) == (reason is CallReason.INTERNAL)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_ends_a_request_over_http_with_its_status(reason: EndReason) -> None:
    found = fault(reason)
    assert (found.http_status, found.grpc_status) == (HTTP_STATUS[reason], STATUS[reason])
    assert found.retry_seconds == (DEFAULT_RETRY_SECONDS if reason is CallReason.FULL else None)


@pytest.mark.parametrize("reason", REASONS)
async def test_a_reason_ends_a_call_with_its_status_and_its_name(reason: EndReason) -> None:
    async def handler(request: bytes) -> bytes:
        raise Rejected(reason) if isinstance(reason, DeliveryReason) else Refused(reason)

    stub = Stub()
    with pytest.raises(grpc.aio.AbortError):
        await unary(Guard(1), handler)(stub)
    code, text, trailers = stub.said
    assert (code, text) == STATUS[reason]
    packed, info = AnyMessage(), ErrorInfo()
    packed.CopyFrom(Status.FromString(dict(trailers)["grpc-status-details-bin"]).details[0])
    assert packed.Unpack(info)
    expected = CallReason.WITHHELD if reason in WITHHOLDING else reason
    assert (info.reason, info.domain) == (expected.value, DOMAIN), "a caller doesn't learn why an item was withheld"


@pytest.mark.parametrize("reason", REASONS)
def test_a_table_without_a_reason_is_none(reason: EndReason) -> None:
    with pytest.raises(NotImplementedError, match=reason.value):
        exhaustive({one: 0 for one in REASONS if one is not reason})


def test_each_status_has_a_text_of_its_own() -> None:
    """But why a message is withheld is told no more than what became of one that was taken."""
    alike: dict[EndReason, EndReason] = dict.fromkeys(WITHHOLDING, CallReason.WITHHELD)
    alike.update(dict.fromkeys(DeliveryReason, DeliveryReason.REJECTED))
    assert len({text for _, text in STATUS.values()}) == len({alike.get(reason, reason) for reason in REASONS})
