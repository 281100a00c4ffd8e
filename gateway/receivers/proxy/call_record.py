"""What is known of one call for its entry in the access log, from its first moment to its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final, Literal

import grpc

from gateway.errors import CallReason, Cause, Reason, Refused, Rejected, Retryable
from gateway.policy.document import TrafficDirection
from gateway.receivers.incoming import Context
from gateway.receivers.proxy.access_log import AccessRecord, bounded_subject
from gateway.receivers.proxy.proxied_call import ProxiedCall
from gateway.receivers.proxy.relay import remaining_seconds
from gateway.receivers.proxy.route_table import BoundRoute
from gateway.receivers.statuses import aborted_with, code_of
from gateway.telemetry.traces import code_number

CLOCK_SKEW_SECONDS: Final = 0.05
"""How long before a call's deadline a cancellation counts as its end.

The caller's clock runs by itself, and ends the call first.
"""


class CallRecord:
    """Collects what the access log says of a call."""

    __slots__ = ("_begun_ns", "_method", "bound", "caller_names", "code", "proxied", "reason", "received_ns")

    def __init__(self, path: str) -> None:
        self.caller_names: Sequence[str] = ()
        self.bound: BoundRoute | None = None
        self.proxied: ProxiedCall | None = None
        self.code = 0
        self.reason: Reason | Cause | Literal[""] = ""
        self.received_ns = time.time_ns()
        self._method = path[1:]
        self._begun_ns = time.perf_counter_ns()

    def refuse(self, reason: CallReason) -> None:
        """Record that the gateway ends the call for a reason of its own."""
        self.code, self.reason = code_number(code_of(reason)), reason

    def fail(self, error: BaseException, context: Context) -> None:
        """Record that an error ends the call: the gateway's, its upstream's or its caller's."""
        if self.proxied is not None and self.proxied.code:
            self.code, self.reason = self.proxied.code, self.proxied.cause or ""
        else:
            self.code, self.reason = _code(error, context), _reason(error)

    def access_record(self, direction: TrafficDirection) -> AccessRecord:
        """Return what is logged, now that the call has ended."""
        took_ns, bound, proxied = time.perf_counter_ns() - self._begun_ns, self.bound, self.proxied
        if bound is None or proxied is None:
            return AccessRecord(
                direction,
                self._method,
                next(iter(self.caller_names), ""),
                self.code,
                self.received_ns,
                took_ns,
                reason=self.reason,
            )
        return AccessRecord(
            direction,
            self._method,
            bound.compiled.caller,
            self.code,
            self.received_ns,
            took_ns,
            proxied.bytes_in,
            proxied.bytes_out,
            proxied.fields_stripped,
            bounded_subject(proxied.subject),
            bound.route.mode,
            tuple((path, reason, count) for (path, reason), count in proxied.shadow.items()) if proxied.shadow else (),
            bound.compiled.authority,
            bound.route.destination,
            self.reason,
        )


def _reason(error: BaseException) -> Reason | Literal[""]:
    """Return why the gateway ends a call with an error; empty where another ended it."""
    if isinstance(error, grpc.aio.AbortError):
        # Ended while it waited for its caller, to make room or for being late.
        return CallReason.FULL
    return error.reason if isinstance(error, (Refused, Retryable, Rejected)) else ""


def _code(error: BaseException, context: Context) -> int:
    """Return the code that a call ends with for an error."""
    match error:
        case asyncio.CancelledError() | grpc.aio.InternalError():
            remaining = remaining_seconds(context)
            return code_number(
                grpc.StatusCode.CANCELLED
                if remaining is None or remaining > CLOCK_SKEW_SECONDS
                else grpc.StatusCode.DEADLINE_EXCEEDED
            )
        case Refused() | Retryable() | Rejected():
            return code_number(code_of(error.reason))
        case grpc.aio.AbortError():
            # Ended while it waited for its caller.
            return code_number(aborted_with(context))
    return code_number(grpc.StatusCode.INTERNAL)
