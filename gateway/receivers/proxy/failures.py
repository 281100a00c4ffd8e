"""What is said and counted of calls to upstreams that had no answer."""

from __future__ import annotations

import logging

from gateway.errors import Cause
from gateway.policy.document import TrafficDirection
from gateway.telemetry import Counts
from gateway.telemetry.throttle import LogThrottle

log = logging.getLogger(__name__)


class Failures:
    """Counts failures by route and cause, and says each once a while."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._repeats = LogThrottle()

    def note(self, side: TrafficDirection, route: str, cause: Cause) -> None:
        """A call failed; `route` is its authority in the policy."""
        self._counts.record_upstream_failure(side, route, cause)
        if times := self._repeats.count((side, route, cause)):
            log.warning("calls by the route %s of %s fail: %s, %d since this was last said", route, side, cause, times)
