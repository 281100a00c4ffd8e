"""Calls to one listener as they come and end: each is counted, and traced where traces are on."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc

from gateway.telemetry.counts import Counts
from gateway.telemetry.traces import CallSpan, CallTracer, Metadata, RpcMethod, code_number, traceparent


class ListenerCalls:
    """The calls to one listener of the gateway's own services."""

    def __init__(self, listener: str, counts: Counts, tracer: CallTracer | None = None) -> None:
        """Without a tracer, traces are off."""
        self._listener = listener
        self._counts = counts
        self._tracer = tracer

    def begin(self, method: RpcMethod, metadata: Callable[[], Metadata | None]) -> Call:
        """Begin to measure a call that has come; `metadata` gives its pairs."""
        return Call(
            self._listener,
            method,
            self._counts,
            None if self._tracer is None else self._tracer.begin(method, traceparent(metadata())),
        )


class Call:
    """One call while it lasts."""

    __slots__ = ("_begun", "_called", "_counts", "_listener", "_traced")

    def __init__(self, listener: str, method: RpcMethod, counts: Counts, span: CallSpan | None) -> None:
        self._listener = listener
        self._called = method
        self._counts = counts
        self._traced = span
        self._begun = time.perf_counter_ns()

    def end(self, code: grpc.StatusCode) -> None:
        """Count the call by its code, or by the one that is answered in its place."""
        self._counts.record_call(self._listener, self._called.service, code.name, time.perf_counter_ns() - self._begun)
        if self._traced is not None:
            self._traced.end(code_number(code))
