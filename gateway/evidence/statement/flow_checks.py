"""Checks of the ways that items take: which recipients there are, and what becomes of what nobody can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from gateway.errors import Refused
from gateway.evidence.statement.arrivals import Arrival
from gateway.evidence.statement.checks import CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.probe_labels import NEVER_KEYS
from gateway.evidence.statement.probe_messages import UNPLANNED_PROPERTY
from gateway.evidence.statement.probe_values import ProbeValues
from gateway.evidence.statement.recipients import Selection
from gateway.evidence.statement.rules import Rule
from gateway.model import Category, Facts, Release
from gateway.pipeline.flows import Flow
from gateway.policy.document import Mode
from gateway.policy.item_types import EVENT_TYPE

UNKNOWN_NAME: Final = "kannelle.probe.v1.Nobody"
"""A message type, and a service, that no contract has."""

RELEASED: Final = "released"

NAME_FIELD: Final = "name"
UNPLANNED_EVENT: Final = "probe.unplanned"

MALFORMED: Final[dict[str, bytes]] = {
    "a field that ends too early": b"\x0a\x7fZ",
    "a group that isn't closed": b"\x0b",
    "a field number of none": b"\x02\x01",
}

NEVER: Final = frozenset({Category.AGE, Category.GENDER, Category.BANKING, Category.LOCATION, Category.CREDENTIAL})


class ListedRecipientsCheck(msgspec.Struct, frozen=True):
    """An item reaches the destinations of its flow alone; what has none is refused."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each flow, and for a type and a method that no flow names."""
        for key, names in held.compiler.flows.items():
            reached = [name for name, _ in held.flows.of(key).terms]
            tried, outcome = f"{key} leads to {', '.join(names)}", f"to {', '.join(reached)}"
            yield CheckResult(self.rule, reached == [*names], tried, outcome, ("flows", key))
        unfed = next((name for name in held.compiler.contract.messages if name not in held.policy.flows), UNKNOWN_NAME)
        yield self._refused(f"an item of type {UNKNOWN_NAME}", lambda: held.flows.of_type(UNKNOWN_NAME))
        yield self._refused(f"an item of type {unfed}, which no flow names", lambda: held.flows.of_type(unfed))
        yield self._refused(f"a call of {UNKNOWN_NAME}/Send", lambda: held.flows.of_method(UNKNOWN_NAME, "Send"))

    def _refused(self, tried: str, find: Callable[[], Flow]) -> CheckResult:
        try:
            flow = find()
        except Refused as refusal:
            return CheckResult(self.rule, True, tried, f"refused: {refusal.reason}")
        reached = ", ".join(name for name, _ in flow.terms)
        return CheckResult(self.rule, False, tried, f"goes to {reached or 'nobody, but is accepted'}")


class EnforcedCheck(msgspec.Struct, frozen=True):
    """No route lets calls pass as they are."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each route, or one if there are none."""
        for index, route in enumerate(held.policy.routes):
            tried = f"calls of {route.authority}, {route.listener}, to {route.destination} are minimised"
            passed = route.mode is Mode.ENFORCE
            outcome = "they are" if passed else f"by {route.mode} they pass as they are"
            yield CheckResult(self.rule, passed, tried, outcome, ("routes", index, "mode"))
        if not held.policy.routes:
            yield CheckResult(self.rule, True, "routes", "no calls between services pass")


class FailClosedCheck(msgspec.Struct, frozen=True):
    """Nothing of what isn't a message is released, at any destination of any flow."""

    rule: Rule

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each flow."""
        for key in held.compiler.flows:
            flow = held.flows.of(key)
            outcomes = {what: _outcome(flow, raw, held.now_ns) for what, raw in MALFORMED.items()}
            passed = RELEASED not in outcomes.values()
            tried = f"{', '.join(MALFORMED)}: to {key}"
            yield CheckResult(self.rule, passed, tried, ", ".join(dict.fromkeys(outcomes.values())), ("flows", key))


def _outcome(flow: Flow, raw: bytes, now_ns: int) -> str:
    try:
        verdicts = flow.decide(raw, Facts(now_ns))
    except Refused as refusal:
        return f"refused: {refusal.reason}"
    return RELEASED if any(isinstance(verdict, Release) for verdict in verdicts) else "withheld"


class ArchiveCheck(msgspec.Struct, frozen=True):
    """Each flow that feeds a support tool outside the EU feeds somebody inside who receives the discussion."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each such flow."""
        tools = {one.name: one for one in self.selection.of(held.recipients)}
        inside = {one.name for one in held.recipients if not one.is_outside_eu and Category.FREE_TEXT in one.allow}
        for key, names in held.compiler.flows.items():
            for name in tools.keys() & {*names}:
                archives = [other for other in names if other in inside]
                tried = f"{key}, which feeds {name}, feeds an archive inside the EU"
                outcome = f"it feeds {', '.join(archives)}" if archives else "it feeds none that may have free text"
                yield CheckResult(self.rule, bool(archives), tried, outcome, ("flows", key))


class TrackingPlanCheck(msgspec.Struct, frozen=True):
    """An event that isn't planned is refused, and a property that isn't is stripped."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield results for each recipient of events."""
        prober = held.prober
        for one in self.selection.of(held.recipients):
            if EVENT_TYPE not in one.types:
                continue
            message = held.compiler.contract.message_class(EVENT_TYPE)()
            setattr(message, NAME_FIELD, UNPLANNED_EVENT)
            outcome = prober.decide(one, EVENT_TYPE, message.SerializeToString())
            tried = f"the event {UNPLANNED_EVENT} to {one.name}"
            yield CheckResult(self.rule, not outcome.released, tried, outcome.wording, ("tracking_plan",))
            arrived = [
                value.path
                for sent in prober.send(one, EVENT_TYPE, ProbeValues(prober.user_id))
                for value in sent.arrivals
                if _is_unplanned(value)
            ]
            tried = f"a property {UNPLANNED_PROPERTY} of each planned event to {one.name}"
            outcome_words = f"arrived: {arrived[0]}" if arrived else "stripped"
            yield CheckResult(self.rule, not arrived, tried, outcome_words, ("tracking_plan",))


def _is_unplanned(value: Arrival) -> bool:
    return UNPLANNED_PROPERTY in value.path or UNPLANNED_PROPERTY in value.text


class NeverCollectedCheck(msgspec.Struct, frozen=True):
    """Nothing arrives in a field, an attribute or a property that says what is never collected."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there."""
        prober = held.prober
        for one, item_type in held.items_to(self.selection):
            sent = prober.arrivals(one, item_type)
            wrong = [value for outcome in sent for value in outcome.arrivals if _says_never(value)]
            tried = f"{item_type} to {one.name}, with user.age, user.gender, user.iban, user.latitude, user.password"
            outcome = f"arrived: {wrong[0]}" if wrong else "none of them arrived"
            yield CheckResult(self.rule, not wrong, tried, outcome, one.keys)


def _says_never(value: Arrival) -> bool:
    return value.category in NEVER or any(f"[{key}]" in value.path for key in NEVER_KEYS)
