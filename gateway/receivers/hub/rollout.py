"""While policies are rolled out.

Which of a hub's refusals are final, and which may only mean that its policy is behind an agent's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec

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


class ObservedPolicy(msgspec.Struct, frozen=True):
    """The flows in force at one moment, and the digests of all plans that the hub had decided by until then.

    What is decided by these flows is judged by these plans, whatever comes into force meanwhile.
    """

    flows: Flows
    plans: frozenset[str]


class Rollout:
    """Knows the plans that a hub has decided by since it started.

    An agent's plan among them is the hub's own, or an older one: what was taken out since is gone for good. Any other
    may be newer.
    """

    def __init__(self, flows: Callable[[], Flows]) -> None:
        """`flows` are those in force."""
        self._flows = flows
        self._observed: ObservedPolicy | None = None
        self._warned: set[str] = set()

    def observe(self) -> ObservedPolicy:
        """Return what is in force, and notice its plans."""
        flows, observed = self._flows(), self._observed
        if observed is None or flows is not observed.flows:
            before = frozenset() if observed is None else observed.plans
            self._observed = observed = ObservedPolicy(flows, flows.digests | before)
            self._warned.clear()
        return observed

    def check(self, agent: str, reason: Reason, plan: str, age_ns: int, plans: frozenset[str]) -> None:
        """Raise Retryable UNKNOWN_PLAN where a reason against an item, by its age and its plan, may not be final.

        `plans` are those observed when the reason was found.
        """
        if reason in FINAL_REASONS or plan in plans or age_ns > MAX_ROLLOUT_NANOS:
            return
        if agent not in self._warned:
            self._warned.add(agent)
            log.warning(
                "%s: its policy lets pass what no policy here does or did; it is asked to send that again", agent
            )
        raise Retryable(CallReason.UNKNOWN_PLAN, RETRY_AFTER_SECONDS)
