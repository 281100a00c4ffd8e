"""When to try again, how much at once, and whether to try at all.

Pure: time and randomness are arguments, in seconds and from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.delivery.outbox.interface import Leased

BASE_DELAY_SECONDS: Final = 0.5
MAX_DELAY_SECONDS: Final = 300.0
"""The longest pause between two tries, in seconds, unless the recipient asks for a longer one."""

MAX_RETRY_AFTER_SECONDS: Final = 3600.0
"""The longest pause that a recipient is granted."""

OPEN_AFTER_FAILURES: Final = 5
"""So many failures in a row, and a recipient is left alone for a while."""


def retry_delay(failures: int, retry_after: float | None, jitter: float) -> float:
    """How long to wait after so many failures in a row: full jitter, and never less than the recipient `asked` for.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    backoff = jitter * min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2.0 ** min(failures, 32))
    return max(backoff, min(max(retry_after or 0.0, 0.0), MAX_RETRY_AFTER_SECONDS))


class Circuit(msgspec.Struct, frozen=True):
    """How a recipient has done of late: failures in a row, and until when it is left alone.

    After that, one small batch tries it.
    """

    failures: int = 0
    open_until: float = 0.0

    @property
    def is_open(self) -> bool:
        """Whether it has failed too often in a row."""
        return self.failures >= OPEN_AFTER_FAILURES

    def failed(self, now: float, retry_after: float | None, jitter: float) -> Circuit:
        """After a batch that fared ill as a whole."""
        failures = self.failures + 1
        if retry_after is None and failures < OPEN_AFTER_FAILURES:
            return Circuit(failures, self.open_until)
        return Circuit(failures, max(self.open_until, now + retry_delay(failures, retry_after, jitter)))

    def succeeded(self) -> Circuit:
        """After a batch of which the recipient took something."""
        return Circuit()

    def free_slots(self, now: float, max_in_flight: int, in_flight: int) -> int:
        """How many more batches may begin."""
        if now < self.open_until:
            return 0
        return max(0, (1 if self.is_open else max_in_flight) - in_flight)


def batches_by_attempts(leased: Sequence[Leased], max_items: int) -> Iterator[Sequence[Leased]]:
    """Batches in which what has failed before travels in ever smaller company, so that one bad item doesn't hold up the others."""
    batch: list[Leased] = []
    for one in sorted(leased, key=lambda one: one.attempts):
        if batch and len(batch) >= max(1, max_items >> min(one.attempts, 32)):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch
