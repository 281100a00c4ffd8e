"""Texts of gRPC's that no server can be made to cause at will.

Those that one can are met in tests/e2e/test_proxy_causes.py.
"""

from __future__ import annotations

import grpc
import pytest

from gateway.causes import cause_of
from gateway.errors import Cause


@pytest.mark.parametrize(
    ("code", "text", "cause"),
    [
        # A stream to a hub that stops, on a busy machine: the call is over before an operation on it is.
        (grpc.StatusCode.INTERNAL, "Internal error from Core", Cause.UPSTREAM_RESET),
        (grpc.StatusCode.INTERNAL, "Internal error from Core: usr_1", None),
        (grpc.StatusCode.UNKNOWN, "Internal error from Core", None),
        (grpc.StatusCode.UNAVAILABLE, "Internal error from Core", None),
    ],
)
def test_a_call_that_the_core_cuts_short_counts_as_reset(code: grpc.StatusCode, text: str, cause: Cause | None) -> None:
    assert cause_of(code, text, ready=True, tls=True) is cause
