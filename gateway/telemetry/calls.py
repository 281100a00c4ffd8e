"""Calls to one listener as they come and end: each is counted, and traced where traces are on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc

from gateway.telemetry.counts import Counts
from gateway.telemetry.traces import CallSpan, CallTracer, RpcMethod, code_number, traceparent


class ListenerCalls:
    """The calls to one listener of the gateway's own services."""

    def __init__(self, listener: str, counts: Counts, tracer: Callable[[], CallTracer | None] = lambda: None) -> None:
        """`spans` tells whether traces are on."""
        self._listener = listener
        self._counts = counts
        self._tracer = tracer

    def begin(self, method: RpcMethod, metadata: Callable[[], Iterable[Any] | None]) -> Call:
        """A call has come; `metadata` gives its pairs."""
        spans = self._tracer()
        return Call(
            self._listener,
            method,
            self._counts,
            None if spans is None else spans.begin(method, traceparent(metadata())),
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
        """It has ended with a code, or with what is answered in its place."""
        self._counts.record_call(self._listener, self._called.service, code.name, time.perf_counter_ns() - self._begun)
        if self._traced is not None:
            self._traced.end(code_number(code))
