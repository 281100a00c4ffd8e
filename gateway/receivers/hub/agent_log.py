"""Who of the agents is connected to a hub, and who was refused.

Counted, and logged by the names of their certificates.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.errors import Reason
from gateway.telemetry.counts import Counts
from gateway.telemetry.throttle import LogThrottle

log = logging.getLogger(__name__)

MAX_NAMES: Final = 64
"""Agents that are named in the log within a minute."""

MAX_NAME_CHARS: Final = 255
"""The longest name that is logged."""


class AgentLog:
    """Logs and counts each agent that comes, leaves or is refused; a line a minute for each, at most."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._repeats = LogThrottle(max_keys=MAX_NAMES)
        counts.set_connected_agents(0)

    def connected(self, agent: str, streams: Mapping[str, int]) -> None:
        """Note that an agent opened a stream; `streams` are those of each."""
        self._counts.set_connected_agents(_connected_count(streams))
        if streams[agent] == 1 and self._repeats.count(("came", agent)):
            log.info("agent %s is connected", _printable(agent))

    def disconnected(self, agent: str, streams: Mapping[str, int]) -> None:
        """Note that an agent's stream ended."""
        self._counts.set_connected_agents(_connected_count(streams))
        if not streams[agent] and self._repeats.count(("left", agent)):
            log.info("agent %s has gone", _printable(agent))

    def refused(self, names: Sequence[str], reason: Reason) -> None:
        """Note that a caller was refused; `names` are its certificate's, none where it has none that can be used."""
        self._counts.record_agent_refusal(reason)
        if times := self._repeats.count(("refused", *names)):
            who = ", ".join(map(_printable, names[:4])) or "a certificate without one usable name"
            log.warning(
                "an agent is refused, %d times since last said: listeners.delivery.agents doesn't name %s", times, who
            )


def _connected_count(streams: Mapping[str, int]) -> int:
    return sum(1 for count in streams.values() if count)


def _printable(name: str) -> str:
    return (
        name if len(name) <= MAX_NAME_CHARS and name.isascii() and name.isprintable() else "a name that can't be shown"
    )
