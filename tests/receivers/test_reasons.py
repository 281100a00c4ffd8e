"""What another gateway says of a call passes on by its reason alone: one of a closed list, or nothing."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from gateway.errors import Cause, Reason
from gateway.receivers.statuses import DOMAIN, STATUS, details, reason_of

SECRET = "anna.secret@example.com"


def status(**fields: str) -> bytes:
    packed = Any()
    packed.Pack(ErrorInfo(**fields))
    raw: bytes = Status(code=14, message=SECRET, details=[packed]).SerializeToString()
    return raw


@pytest.mark.parametrize("reason", [*STATUS, *Cause])
def test_each_reason_that_is_said_is_read(reason: Reason | Cause) -> None:
    assert reason_of(details(grpc.StatusCode.UNAVAILABLE, "x", reason)) is reason


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        SECRET.encode(),
        status(reason=SECRET, domain=DOMAIN),
        status(reason="UPSTREAM_EXPIRED", domain="else.example"),
        status(reason="upstream_expired", domain=DOMAIN),
        status(reason="LOOKS_LIKE_EMAIL", domain=DOMAIN),
        Status(code=14, message="UPSTREAM_EXPIRED").SerializeToString(),
    ],
)
def test_nothing_else_is(raw: bytes) -> None:
    assert reason_of(raw) is None
