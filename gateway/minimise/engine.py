"""The reference engine: a plan becomes message classes and checks; deciding is parse, check, serialise.

Pure: facts and time are arguments. What the projection doesn't name is gone after the parse; the checks judge what is left.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import Reason, Refused
from gateway.minimise.census import LONGEST, census
from gateway.minimise.run import PersonalAccount, Run
from gateway.minimise.schema import build, read
from gateway.minimise.steps import checks
from gateway.model import Facts, Release, Verdict, Withheld
from gateway.plan import Form, Plan, Presence

MAX_BYTES: Final = 4 * 1024 * 1024
"""The largest item, in bytes: gRPC's default for a message."""


class Minimiser:
    """Decides on items of one type for one destination. Safe to share between threads."""

    def __init__(self, plan: Plan, most: int = MAX_BYTES, *, counting: bool = False) -> None:
        """`most` is the largest item, in bytes. `counting`: releases of short items say `unplanned`."""
        self.plan = plan
        self.digest = plan.digest
        self._most = most
        self._census = census(plan.messages) if counting else None
        self._classes = build(plan.messages)
        self._checks = checks(plan, self._minimise)
        self._maps = any(message.form is Form.MAP_ENTRY for message in plan.messages)
        self._required = any(field.presence is Presence.REQUIRED for message in plan.messages for field in message.fields)

    def decide(self, raw: bytes, facts: Facts) -> Verdict:
        """Minimise one item, a serialised message of the plan's type. Raises Refused, and nothing else, for what can't be minimised."""
        if len(raw) > self._most:
            raise Refused(Reason.TOO_LARGE)
        plan = self.plan
        if facts.personal and plan.vendor:
            return Withheld(plan.destination, Reason.PERSONAL_ACCOUNT)
        run = Run(facts)
        try:
            payload = self._minimise(0, raw, run)
        except PersonalAccount:
            return Withheld(plan.destination, Reason.PERSONAL_ACCOUNT)
        except RecursionError:  # where the caller's own stack was deep already
            raise Refused(Reason.TOO_DEEP) from None
        return Release(plan.destination, plan.type, self.digest, payload, run.notes, run.unplanned)

    def _minimise(self, index: int, raw: bytes, run: Run) -> bytes:
        message = read(self._classes[index], raw)
        if self._census is not None and len(raw) <= LONGEST:
            run.unplanned += self._census[index](message)
        message.DiscardUnknownFields()
        if (check := self._checks[index]) is not None:
            check(message, run, None)
        if self._required and not message.IsInitialized():
            raise Refused(Reason.REQUIRED_FIELD)
        # The runtime orders a map's entries by an address of its own: sorted, they are the same bytes in every process.
        payload: bytes = message.SerializePartialToString(deterministic=True) if self._maps else message.SerializePartialToString()
        return payload
