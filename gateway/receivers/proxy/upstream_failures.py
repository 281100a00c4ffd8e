"""Calls to upstreams that had no response: counted, and logged once in a while."""

from __future__ import annotations

import logging

from gateway.errors import Cause
from gateway.policy.document import TrafficDirection
from gateway.telemetry import Counts
from gateway.telemetry.throttle import LogThrottle

log = logging.getLogger(__name__)


class UpstreamFailures:
    """Counts failures by route and cause, and logs each once in a while."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._repeats = LogThrottle()

    def record(self, direction: TrafficDirection, route: str, cause: Cause) -> None:
        """Count a call that failed; `route` is its authority in the policy."""
        self._counts.record_upstream_failure(direction, route, cause)
        if times := self._repeats.count((direction, route, cause)):
            log.warning(
                "calls by the route %s of %s fail: %s, %d since this was last said", route, direction, cause, times
            )
