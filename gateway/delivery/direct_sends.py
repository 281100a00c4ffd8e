"""What calls send to one recipient before anything is stored: no more at once than it takes, and what waits together.

See `direct.py` for what becomes of what isn't taken.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, Protocol

from gateway.delivery.attempt import outcome_counts
from gateway.delivery.breaker import CircuitBreaker
from gateway.delivery.schedule import Circuit
from gateway.entry_batch import EntryBatch
from gateway.errors import Retryable
from gateway.exporters.base import Exporter, Outcome, all_delivered, count_entries, send_batches
from gateway.telemetry.counts import Counts

log = logging.getLogger(__name__)

DIRECT_SECONDS: Final = 1.0
"""How long a recipient has to take what isn't stored, and how long that may wait for its turn before, in seconds."""

MAX_DIRECT_CALLS: Final = 64
"""Calls whose entries may be on their way to a recipient at once, or wait for that, without being stored."""


class Recipient(Protocol):
    """What is known of a recipient, who gets stored batches too."""

    def is_near(self) -> bool:
        """Return whether it may be sent at this moment what isn't stored."""
        ...

    def is_up_to_date(self, batches: Sequence[EntryBatch]) -> bool:
        """Return whether batches would be decided on now as they were."""
        ...

    def stored_in_flight(self) -> int:
        """Return how many batches are on their way that were stored."""
        ...


class _Call:
    """The entries of one call; `group` has them once they are on their way."""

    def __init__(self, batches: Sequence[EntryBatch]) -> None:
        self.batches = batches
        self.count = count_entries(batches)
        self.size = sum([batch.payload_bytes for batch in batches])
        self.result: asyncio.Future[Sequence[Outcome] | None] = asyncio.get_running_loop().create_future()
        self.group: _Group | None = None
        self.fell_back = False
        """Whether it is counted as one that the recipient may have all the same."""

    def end(self, outcomes: Sequence[Outcome] | None) -> None:
        """Tell who waits, if somebody does."""
        if not self.result.done():
            self.result.set_result(outcomes)


class _Group:
    """Calls whose entries are sent together."""

    def __init__(self, calls: Sequence[_Call]) -> None:
        self.calls = calls
        self.task: asyncio.Task[None] | None = None
        for call in calls:
            call.group = self

    @property
    def pending(self) -> Sequence[_Call]:
        """Those whose callers wait."""
        return [call for call in self.calls if not call.result.done()]

    def slices(self, outcomes: Sequence[Outcome]) -> Sequence[tuple[_Call, Sequence[Outcome]]]:
        """Return each call with its outcomes."""
        if len(self.calls) == 1:
            return [(self.calls[0], outcomes)]
        ends = accumulate([call.count for call in self.calls], initial=0)
        return [(call, outcomes[start:end]) for call, (start, end) in zip(self.calls, pairwise(ends), strict=True)]


class DirectSends:
    """Sends to one recipient, no more at once than it takes. What waits goes together. Of five calls, two at once.

    calls 1, 2 → are sent
    calls 3, 4, 5 → wait
    the recipient has 1 → 3, 4 and 5 are sent as one, as far as its limits let them
    """

    def __init__(
        self, destination: str, exporter: Exporter, breaker: CircuitBreaker, counts: Counts, recipient: Recipient
    ) -> None:
        self._destination = destination
        self._exporter = exporter
        self._breaker = breaker
        self._counts = counts
        self._recipient = recipient
        self._waiting: deque[_Call] = deque()
        self._groups: set[_Group] = set()

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What is on its way."""
        return [group.task for group in self._groups if group.task is not None]

    @property
    def in_flight(self) -> int:
        """How many groups are on their way."""
        return len(self._groups)

    @property
    def full(self) -> bool:
        """Whether no more calls may come."""
        return len(self._waiting) + sum([len(group.calls) for group in self._groups]) >= MAX_DIRECT_CALLS

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome] | None:
        """Send batches that the recipient may be tried with, and return the outcome of each entry.

        None if there was none in time, or they weren't sent: what was given up may have arrived all the same.
        """
        call = _Call(batches)
        timer: asyncio.TimerHandle | None = None
        if not self._waiting and self._free_slots() > 0:
            self._start([call])
        else:
            self._waiting.append(call)
            timer = asyncio.get_running_loop().call_later(DIRECT_SECONDS, self._stop_waiting, call)
        try:
            return await call.result
        except asyncio.CancelledError:
            self._caller_left(call)
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def resume(self) -> None:
        """Send what waits, as far as the recipient may have it now; what may not be sent any more waits no longer."""
        while self._waiting and not self._recipient.is_near():
            self._waiting.popleft().end(None)
        while self._waiting and self._free_slots() > 0:
            if calls := self._next_calls():
                self._start(calls)

    def cancel(self) -> None:
        """Send nothing more: what is on its way is cancelled."""
        while self._waiting:
            self._waiting.popleft().end(None)
        for group in [*self._groups]:
            self._give_up(group)

    def _free_slots(self) -> int:
        return self._exporter.limits.max_in_flight - len(self._groups) - self._recipient.stored_in_flight()

    def _next_calls(self) -> Sequence[_Call]:
        """Take the calls that go together out of those that wait; one that must be decided on again waits no longer."""
        limits, calls, count, size = self._exporter.limits, list[_Call](), 0, 0
        while self._waiting:
            call = self._waiting[0]
            count, size = count + call.count, size + call.size
            if calls and (count > limits.max_items or size > limits.max_bytes):
                break
            self._waiting.popleft()
            if self._recipient.is_up_to_date(call.batches):
                calls.append(call)
            else:
                call.end(None)
        return calls

    def _stop_waiting(self, call: _Call) -> None:
        """Have a call go on without having been sent, if it waits."""
        if call in self._waiting:
            self._waiting.remove(call)
            call.end(None)

    def _start(self, calls: Sequence[_Call]) -> None:
        group = _Group(calls)
        self._groups.add(group)
        group.task = asyncio.create_task(self._send(group))
        timer = asyncio.get_running_loop().call_later(DIRECT_SECONDS, self._late, group, self._breaker.circuit)
        group.task.add_done_callback(lambda _: self._ended(group, timer))

    async def _send(self, group: _Group) -> None:
        begun, circuit = time.perf_counter_ns(), self._breaker.circuit
        outcomes = await send_batches(self._exporter, [batch for call in group.calls for batch in call.batches])
        if not group.pending:
            return
        self._counts.record_delivery(self._destination, outcome_counts(outcomes), time.perf_counter_ns() - begun)
        self._breaker.record_outcomes(circuit, outcomes)
        for call, its in group.slices(outcomes):
            if not all_delivered(its) and any(isinstance(outcome, Retryable) for outcome in its):
                self._count_fallback(call)
            call.end(its)

    def _ended(self, group: _Group, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._groups.discard(group)
        if group.task is not None and not group.task.cancelled() and (error := group.task.exception()) is not None:
            # Not its text, nor its traceback: both may hold values.
            log.error("%s: a batch failed: %s", self._destination, type(error).__name__)
        self._give_up(group)
        self.resume()

    def _late(self, group: _Group, circuit: Circuit) -> None:
        """Give up what the recipient hasn't answered in time."""
        if group.pending:
            self._breaker.record_failure(circuit, None)
            self._give_up(group)
            self.resume()

    def _give_up(self, group: _Group) -> None:
        """Wait for a group no longer."""
        for call in group.pending:
            self._count_fallback(call)
            call.end(None)
        if group.task is not None:
            group.task.cancel()

    def _count_fallback(self, call: _Call) -> None:
        """Count a call whose recipient may have what it sent, and didn't say so: once."""
        if not call.fell_back:
            call.fell_back = True
            self._counts.record_direct_fallback(self._destination)

    def _caller_left(self, call: _Call) -> None:
        """Send nothing more of a call whose result nobody waits for."""
        if call.group is None:
            self._stop_waiting(call)
            return
        self._count_fallback(call)
        if not call.group.pending:
            self._give_up(call.group)
