"""Whether an agent reaches its hub: what `/readyz`, the metrics and the log say of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Final

from gateway import rfc3339
from gateway.errors import CallReason, Cause, Reason
from gateway.telemetry.checks import failing
from gateway.telemetry.counts import Counts
from gateway.telemetry.throttle import LogThrottle

log = logging.getLogger(__name__)

UNTRIED: Final = "UNTRIED"
"""The cause of a check of a hub that wasn't reached yet, and didn't fail."""


class HubStatus:
    """Hears of each success and failure, and logs what changes. No check of a hub is needed to be ready.

    A pod that isn't ready is taken from its own users, and they need no hub.
    """

    def __init__(self, counts: Counts) -> None:
        self.check = failing("hub", UNTRIED)
        self._counts = counts
        self._repeats = LogThrottle()
        counts.set_hub_status(up=False)

    @property
    def is_up(self) -> bool:
        """Whether the hub let the agent in, and hasn't failed since."""
        return self.check.ok

    def reached(self) -> None:
        """The hub has let the agent in, or acknowledged something."""
        before, now = self.check, datetime.now(UTC)
        self.check = before.with_cause("", f"last heard {rfc3339.from_datetime(now)}")
        self._counts.set_hub_status(up=True, last_success=now.timestamp())
        if not before.ok:
            log.info("the hub takes what it is handed" if before.cause == UNTRIED else "the hub is back")

    def failed(self, cause: Cause | Reason) -> None:
        """A stream to it failed, or could not be opened."""
        before = self.check
        self.check = before.with_cause(cause, before.detail)
        self._counts.set_hub_status(up=False)
        self._counts.record_hub_failure(cause)
        if before.cause != cause and (times := self._repeats.count(cause)):
            log.warning(
                "the hub takes nothing: %s, %d since this was last said%s", cause, times, _REMEDIES.get(cause, "")
            )


_REMEDIES = {
    CallReason.CALLER_NOT_ALLOWED: "; the hub's listeners.delivery.agents must name the certificate of this agent",
    CallReason.UNKNOWN_METHOD: "; hub.address must be the listener delivery of a gateway with the role hub",
    Cause.UPSTREAM_REFUSES_US: "; the hub's tls.ca must be the one that tls.certificate goes back to, and that not "
    "have expired",
    Cause.UPSTREAM_UNTRUSTED: "; tls.ca must be the one that the hub's certificate goes back to",
    Cause.UPSTREAM_NAME_MISMATCH: "; the hub's certificate must name the host of hub.address",
}
