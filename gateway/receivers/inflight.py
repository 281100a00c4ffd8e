"""Calls in flight, each with what it goes by.

Those that what is in force by now doesn't let go on end after a grace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from gateway.errors import CallReason, Retryable

Terms = TypeVar("Terms")


class InFlight(Generic[Terms]):
    """The calls of one kind of listener. For the event loop's thread."""

    def __init__(self, grace: float, lets: Callable[[Terms], bool]) -> None:
        """`grace`, in seconds, is what a call has left once `lets`, by what is in force, doesn't let it go on."""
        self._grace = grace
        self._lets = lets
        self._calls: dict[asyncio.Task[object], Terms] = {}
        self._over: set[asyncio.Task[object]] = set()
        self._ends: set[asyncio.TimerHandle] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def going(self, terms: Terms) -> Iterator[None]:
        """Let the running task be a call by these terms.

        Raises Retryable POLICY_CHANGED where that ended it, whatever came of it then.
        """
        task = self.begin(terms)
        try:
            yield
        except BaseException:
            if self.is_over(task):
                raise Retryable(CallReason.POLICY_CHANGED) from None
            raise
        finally:
            self.end(task)

    def begin(self, terms: Terms) -> asyncio.Task[object]:
        """Note that the running task is a call by these terms, until `end`, and return it."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(self._loop)
        assert task is not None, "a call is a task"
        self._calls[task] = terms
        return task

    def is_over(self, task: asyncio.Task[object]) -> bool:
        """Return whether the running call was ended for its terms: what else went wrong came of that.

        It may wait again then.
        """
        if task not in self._over:
            return False
        while task.cancelling():
            task.uncancel()
        return True

    def end(self, task: asyncio.Task[object]) -> None:
        """Note that the call is over."""
        self._calls.pop(task, None)
        self._over.discard(task)

    def review(self) -> None:
        """Look at all calls by what is in force now.

        What that doesn't let go on ends after the grace, unless by then it is let again.
        """
        if late := self._late(self._calls):
            loop = asyncio.get_running_loop()
            self._ends = {end for end in self._ends if not end.cancelled() and end.when() > loop.time()}
            self._ends.add(loop.call_later(self._grace, self._end, late))

    def close(self) -> None:
        """End nothing any more."""
        for end in self._ends:
            end.cancel()

    def _late(self, tasks: Iterable[asyncio.Task[object]]) -> frozenset[asyncio.Task[object]]:
        known: dict[int, bool] = {}
        return frozenset(task for task in tasks if not self._holds(self._calls[task], known))

    def _holds(self, terms: Terms, known: dict[int, bool]) -> bool:
        """Return whether a call may go on; those of equal terms are looked at once."""
        key = id(terms)
        if key not in known:
            known[key] = self._lets(terms)
        return known[key]

    def _end(self, tasks: frozenset[asyncio.Task[object]]) -> None:
        for task in self._late(tasks & self._calls.keys()):
            self._over.add(task)
            task.cancel()
