"""While policies are rolled out.

Which of a hub's refusals are final, and which may only mean that its policy is behind an agent's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from gateway.errors import CallReason, ItemReason, Reason, Retryable
from gateway.pipeline.flows import Flows

log = logging.getLogger(__name__)

MAX_ROLLOUT_NANOS: Final = 24 * 3600 * 1_000_000_000
"""How long after its receipt an item waits, at its agent, for a policy that leads it on.

Then what the hub's own says is final.
"""

RETRY_AFTER_SECONDS: Final = 5.0
"""When an agent may send again what the hub's policy doesn't lead on yet."""

FINAL_REASONS: Final = frozenset(
    {
        ItemReason.MALFORMED,
        ItemReason.TOO_LARGE,
        ItemReason.TOO_DEEP,
        ItemReason.TOO_MANY_ITEMS,
        ItemReason.PERSONAL_ACCOUNT,
    }
)
"""Refusals by what the item is, whatever the policy says.

Any other another policy, or another version of a contract, may not make.
"""


class Rollout:
    """Knows the plans that a hub has decided by since it started.

    An agent's plan among them is the hub's own, or an older one: what was taken out since is gone for good. Any other
    may be newer.
    """

    def __init__(self, flows: Callable[[], Flows]) -> None:
        """`flows` are those in force."""
        self._flows = flows
        self._observed: Flows | None = None
        self._plans: set[str] = set()
        self._warned: set[str] = set()

    def observe(self) -> None:
        """Notice the plans in force."""
        flows = self._flows()
        if flows is not self._observed:
            self._observed = flows
            self._plans |= flows.digests
            self._warned.clear()

    def check(self, agent: str, reason: Reason, plan: str, age_ns: int) -> None:
        """Raise Retryable UNKNOWN_PLAN where a reason against an item, by its age and its plan, may not be final."""
        self.observe()
        if reason in FINAL_REASONS or plan in self._plans or age_ns > MAX_ROLLOUT_NANOS:
            return
        if agent not in self._warned:
            self._warned.add(agent)
            log.warning(
                "%s: its policy lets pass what no policy here does or did; it is asked to send that again", agent
            )
        raise Retryable(CallReason.UNKNOWN_PLAN, RETRY_AFTER_SECONDS)
