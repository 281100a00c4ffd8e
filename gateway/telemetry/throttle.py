"""What happens again and again, logged once in a period.

A log line must not be as frequent as what a caller or a peer can bring about.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

THROTTLE_SECONDS: Final = 60.0
"""For how long the same isn't logged again."""

MAX_THROTTLED_KEYS: Final = 1024
"""Things told apart at once, and so logged in a period."""


class LogThrottle:
    """Counts what happens by key, and tells when it is time to log it."""

    def __init__(
        self,
        period_seconds: float = THROTTLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_THROTTLED_KEYS,
    ) -> None:
        """`period_seconds` are of `clock`; no more than `max_keys` are logged in one period.

        The one logged longest ago makes room.
        """
        self._period_seconds = period_seconds
        self._max_keys = max_keys
        self._clock = clock
        self._periods: OrderedDict[Hashable, list[float]] = OrderedDict()

    def count(self, key: Hashable) -> int:
        """Return how often it has happened since it was last logged, this time included.

        0 if it isn't time to log it yet.
        """
        now = self._clock()
        until_and_times = self._periods.get(key)
        if until_and_times is not None and now < until_and_times[0]:
            until_and_times[1] += 1
            return 0
        if (
            until_and_times is None
            and len(self._periods) >= self._max_keys
            and now < next(iter(self._periods.values()))[0]
        ):
            return 0
        times = 1 if until_and_times is None else int(until_and_times[1]) + 1
        self._periods[key] = [now + self._period_seconds, 0]
        self._periods.move_to_end(key)
        if len(self._periods) > self._max_keys:
            self._periods.popitem(last=False)
        return times
