"""When to try again, how much at once, and whether to try at all.

Pure: time and randomness are arguments, in seconds and from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.interface import LeasedBatch

BASE_DELAY_SECONDS: Final = 0.5
MAX_DELAY_SECONDS: Final = 300.0
"""The longest pause between two attempts, in seconds, unless the recipient asks for a longer one."""

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""The longest Retry-After that is honoured, in seconds."""

OPEN_AFTER_FAILURES: Final = 5
"""Failures in a row after which a recipient is left alone for a while."""

MAX_PAUSE_SECONDS: Final = 30.0
"""The longest time that a recipient is left alone, in seconds, unless it asks for a longer one.

One small batch so often costs it nothing, and it is found soon once it is back: OpenTelemetry's Collector waits for as
long at most (`retry_on_failure.max_interval`), and so does Envoy at first (`outlier_detection.base_ejection_time`).
"""


def retry_delay(
    failures: int, retry_after: float | None, jitter: float, max_seconds: float = MAX_DELAY_SECONDS
) -> float:
    """Return how many seconds to wait after failures in a row: full jitter, never less than the recipient asked for.

    With jitter 0.5: 0.5 s after one failure, 1 s after two, 2 s after three, 150 s after ten and more; with
    `retry_after` 60, 60 s after up to seven, and 64 s after eight.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    backoff = jitter * min(max_seconds, BASE_DELAY_SECONDS * 2.0 ** min(failures, 32))
    return max(backoff, min(max(retry_after or 0.0, 0.0), MAX_RETRY_AFTER_SECONDS))


class Circuit(msgspec.Struct, frozen=True):
    """Failures in a row of a recipient, and until when it is left alone; after that, one small batch tries it.

    With five failures at 12:00 and a pause of 8 s: `free_slots` is 0 until 12:00:08, then 1; a success closes the
    circuit, a failure opens it for a longer pause, `MAX_PAUSE_SECONDS` at most. Four batches that are under way when a
    connection breaks are one failure, not four.
    """

    failures: int = 0
    open_until: float = 0.0
    taken: int = 0
    """Batches of which the recipient took something: what was sent before the last of them says nothing of it now."""

    @property
    def is_open(self) -> bool:
        """Whether it has failed too often in a row."""
        return self.failures >= OPEN_AFTER_FAILURES

    def failed(self, begun: Circuit, now: float, retry_after: float | None, jitter: float) -> Circuit:
        """Return the circuit after a batch that failed entirely, and that was sent when the circuit was `begun`.

        It counts where nothing has failed or been taken since then: of those that are under way together only one, for
        they failed at once, not in a row. How long any of them was asked to wait holds for all.
        """
        counts = (begun.failures, begun.taken) == (self.failures, self.taken)
        failures = self.failures + counts
        if retry_after is None and not (counts and failures >= OPEN_AFTER_FAILURES):
            return Circuit(failures, self.open_until, self.taken)
        pause = retry_delay(failures, retry_after, jitter, MAX_PAUSE_SECONDS)
        return Circuit(failures, max(self.open_until, now + pause), self.taken)

    def succeeded(self) -> Circuit:
        """Return the circuit after a batch of which the recipient took something."""
        return Circuit(taken=self.taken + 1)

    def free_slots(self, now: float, max_in_flight: int, in_flight: int) -> int:
        """Return how many more batches may begin."""
        if now < self.open_until:
            return 0
        return max(0, (min(1, max_in_flight) if self.is_open else max_in_flight) - in_flight)


def batches_by_attempts(leased: Sequence[LeasedBatch], max_items: int) -> Iterator[Sequence[LeasedBatch]]:
    """Yield what is sent at once, the less the oftener it failed, so that one bad item doesn't hold up others.

    Of 100 items with `max_items` 100, one of which the recipient can't take:
      no failures yet -> one batch of 100, which fails
      after one       -> two batches of 50, of which one fails
      after two       -> that one's 50 go as 25 and 25; one of them fails
      after six       -> the bad item is alone
    """
    together: list[LeasedBatch] = []
    count = 0
    for batch in sorted(leased, key=_attempts):
        most, start = max(1, max_items >> min(batch.attempts, 32)), 0
        while start < len(batch.ids):
            if together and count >= most:
                yield together
                together, count = [], 0
            stop = min(len(batch.ids), start + most - count)
            together.append(batch.part(start, stop))
            start, count = stop, count + stop - start
    if together:
        yield together


def _attempts(leased: LeasedBatch) -> int:
    return leased.attempts
