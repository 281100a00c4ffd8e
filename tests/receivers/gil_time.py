"""How long a piece of work keeps the interpreter to itself."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from gateway.app import SWITCH_INTERVAL_SECONDS

MB: Final = 1024 * 1024
MAX_MESSAGE_BYTES: Final = 4 * MB
"""`max_message_bytes`, unless configured."""

MAX_GIL_SECONDS: Final = 0.1
"""Seconds that one call into C may take for `FULL` bytes."""

MAX_WORK_RATIO: Final = 25
"""How many times as long as `reference` a megabyte may take: a second, where that takes 40 ms."""

ATTEMPTS: Final = 4
"""The machine may be busy with something else."""


class GilTime(msgspec.Struct, frozen=True):
    """Seconds of processor time: all that the work took, and the most between two turns of another thread."""

    total: float
    longest: float


def measure(work: Callable[[], object]) -> GilTime:
    """Do some work in a thread while another asks for its turn all the time.

    The clock is that of the working thread, so that what else runs on the machine counts little.
    """
    done, read = threading.Event(), threading.Event()
    thread = threading.Thread(target=_work, args=(work, done, read))
    thread.start()
    assert thread.ident is not None
    clock, last, longest = time.pthread_getcpuclockid(thread.ident), 0.0, 0.0
    while True:
        ended, now = done.is_set(), time.clock_gettime(clock)
        last, longest = now, max(longest, now - last)
        if ended:
            break
        time.sleep(0)
    read.set()
    thread.join()
    return GilTime(last, longest)


def _work(work: Callable[[], object], done: threading.Event, read: threading.Event) -> None:
    """The thread stays until its clock has been read."""
    work()
    done.set()
    read.wait()


def assert_within_limits(work: Callable[[], object], size: int) -> None:
    """Assert that work on so many bytes gives others their turn, and ends in time: by the best of some attempts."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        found = _best(work, MAX_GIL_SECONDS * size / MAX_MESSAGE_BYTES, MAX_WORK_RATIO * size / MB)
    finally:
        sys.setswitchinterval(before)
    assert found.longest < MAX_GIL_SECONDS * size / MAX_MESSAGE_BYTES
    assert found.total < MAX_WORK_RATIO * size / MB


def _best(work: Callable[[], object], longest: float, whole: float) -> GilTime:
    """The least of some attempts, as soon as it is less than that. `whole` is in times of `reference`."""
    best = GilTime(float("inf"), float("inf"))
    for _ in range(ATTEMPTS):
        found, known = measure(work), measure(_reference)
        best = GilTime(min(best.total, found.total / known.total), min(best.longest, found.longest))
        if best.longest < longest and best.total < whole:
            break
    return best


def _reference() -> None:
    """Work that takes this machine as long as it is slow."""
    seen: set[str] = set()
    for number in range(500_000):
        seen.add(str(number)[:3])
