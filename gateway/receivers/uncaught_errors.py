"""Errors that nobody caught: of a task, a thread, an object's end, or a call in gRPC's core.

Each is counted and logged by its type alone.

Python, asyncio and gRPC's core would print a traceback of each, with its text, which may hold what a caller sent.
Why this reaches into the core: docs/decisions/0028-no-tracebacks.md.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import sys
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from gateway.telemetry.counts import Counts
from gateway.telemetry.throttle import LogThrottle

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

log = logging.getLogger(__name__)

CORE: Final[Any] = importlib.import_module("grpc._cython.cygrpc")
"""gRPC's core, which prints what becomes of a call whose caller has gone by the module that it knows as `traceback`."""


class ErrorSource(StrEnum):
    """Where an error came up that nobody caught."""

    TASK = "task"
    THREAD = "thread"
    UNRAISABLE = "unraisable"
    GRPC = "grpc"


class UncaughtErrors:
    """Takes the place of all that prints tracebacks."""

    def __init__(self) -> None:
        self._counts: Counts | None = None
        self._repeats = LogThrottle()
        self._lock = threading.Lock()

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note all from now on."""
        loop.set_exception_handler(self.of_task)
        threading.excepthook = self.of_thread
        sys.unraisablehook = self.of_object
        if hasattr(CORE, "traceback"):
            CORE.traceback = _TracebackModule(self)

    def count_in(self, counts: Counts) -> None:
        """Count them there too, from now on."""
        self._counts = counts
        for source in ErrorSource:
            counts.record_uncaught_errors(source, 0)

    def of_task(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG002 - asyncio's own signature
        """Note an error of a task or a callback: see `asyncio.loop.call_exception_handler`."""
        self.note(ErrorSource.TASK, context.get("exception"))

    def of_thread(self, args: threading.ExceptHookArgs) -> None:
        """Note an error of a thread: see `threading.excepthook`."""
        self.note(ErrorSource.THREAD, args.exc_value)

    def of_object(self, unraisable: UnraisableHookArgs) -> None:
        """Note an error of the end of an object, or of a callback in C: see `sys.unraisablehook`."""
        self.note(ErrorSource.UNRAISABLE, unraisable.exc_value)

    def note(self, source: ErrorSource, error: BaseException | None) -> None:
        """Count an error and say its type, once a minute."""
        name = type(error).__name__
        with self._lock:
            if self._counts is not None:
                self._counts.record_uncaught_errors(source, 1)
            times = self._repeats.count((source, name))
        if times:
            log.error("an error was caught by nobody: %s (%s), %d since this was last said", name, source, times)


class _TracebackModule:
    """What gRPC's core has for the module `traceback`, of which it uses `print_exc`."""

    def __init__(self, errors: UncaughtErrors) -> None:
        self._errors = errors

    def print_exc(self, *_: object, **__: object) -> None:
        """Say that there is an error, and nothing else of it."""
        self._errors.note(ErrorSource.GRPC, sys.exc_info()[1])
