"""Checks by probe messages: what of values that are planted in every field arrives at a recipient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from gateway.evidence.statement.arrivals import Arrival, shown
from gateway.evidence.statement.checks import CheckResult
from gateway.evidence.statement.in_force import InForce
from gateway.evidence.statement.probe_values import (
    BIRTH_DATE_SECONDS,
    BUSINESS_ADDRESS,
    FREE_MAIL_ADDRESS,
    FULL_NAME,
    JOINED_NAMES,
    TEXTS,
    ProbeValues,
)
from gateway.evidence.statement.probing import Outcome, Prober
from gateway.evidence.statement.recipients import NamedRecipient, Selection
from gateway.evidence.statement.rules import Rule
from gateway.model import Category, Recipient


class ArrivalCheck(msgspec.Struct, frozen=True):
    """Of messages with something in every field, no more arrives than values of some categories.

    Without `categories`: than those that the policy allows the recipient.
    """

    rule: Rule
    selection: Selection
    categories: frozenset[Category] | None = None

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there."""
        prober = held.prober
        for one in self.selection.of(held.recipients):
            allowed = one.allow if self.categories is None else self.categories
            for item_type in one.types:
                tried = f"{item_type} to {one.name}, a value in every field"
                outcomes = prober.arrivals(one, item_type)
                yield _result(self.rule, one, tried, outcomes, _IsBeyond(allowed))


class ValueCheck(msgspec.Struct, frozen=True):
    """A personal text that is written into every text of some categories arrives in none of them.

    `written`: what is written, by what it is.
    """

    rule: Rule
    selection: Selection
    written: Mapping[str, str]
    into: frozenset[Category]

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each text."""
        prober = held.prober
        for one in self.selection.of(held.recipients):
            for what, text in self.written.items():
                values = ProbeValues(prober.user_id, dict.fromkeys(self.into, text))
                outcomes = [outcome for item_type in one.types for outcome in prober.send(one, item_type, values)]
                tried = f"{what} ({text}) in every text of all that leads to {one.name}"
                yield _result(self.rule, one, tried, outcomes, _Holds(text))


class EchoCheck(msgspec.Struct, frozen=True):
    """The name of an item's person, in a value that looks like any other, doesn't arrive."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there."""
        for one, item_type in held.items_to(self.selection):
            outcomes = [outcome for name in JOINED_NAMES for outcome in _sent(held.prober, one, item_type, name)]
            tried = f"{item_type} to {one.name}, {' or '.join(JOINED_NAMES)} of {FULL_NAME} in every operational text"
            yield _result(self.rule, one, tried, outcomes, _is_echo)


def _sent(prober: Prober, one: NamedRecipient, item_type: str, name: str) -> Iterator[Outcome]:
    yield from prober.send(one, item_type, ProbeValues(prober.user_id, {**TEXTS, Category.OPERATIONAL: name}))


class TimesCheck(msgspec.Struct, frozen=True):
    """A date of birth doesn't arrive in any field for a time."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each type that leads there."""
        prober = held.prober
        values = ProbeValues(prober.user_id, seconds=BIRTH_DATE_SECONDS)
        for one, item_type in held.items_to(self.selection):
            tried = f"{item_type} to {one.name}, 1984-02-29 in every field for a time"
            outcomes = [*prober.send(one, item_type, values)]
            yield _result(self.rule, one, tried, outcomes, _Holds(str(BIRTH_DATE_SECONDS)))


class PersonalAccountCheck(msgspec.Struct, frozen=True):
    """An item about a free-mail address is withheld from vendors; elsewhere the address is stripped."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient that is fed with business addresses, and each such type."""
        prober = held.prober
        values = ProbeValues(prober.user_id, {**TEXTS, Category.WORK_EMAIL: FREE_MAIL_ADDRESS})
        for one, item_type in held.items_to(self.selection):
            if any(value.text == BUSINESS_ADDRESS for sent in prober.arrivals(one, item_type)
                   for value in sent.arrivals):  # fmt: skip
                yield self._result(one, item_type, [*prober.send(one, item_type, values)])

    def _result(self, one: NamedRecipient, type: str, outcomes: Sequence[Outcome]) -> CheckResult:
        tried = f"{type} to {one.name}, the business address being {FREE_MAIL_ADDRESS}"
        result = _result(self.rule, one, tried, outcomes, lambda value: FREE_MAIL_ADDRESS in value.text)
        if one.kind is Recipient.VENDOR and any(outcome.released for outcome in outcomes):
            return msgspec.structs.replace(result, passed=False, outcome=f"not withheld; {result.outcome}")
        return result


class WithheldCheck(msgspec.Struct, frozen=True):
    """Items of some types are withheld, for nothing says yet that they may go."""

    rule: Rule
    selection: Selection

    def run(self, held: InForce) -> Iterator[CheckResult]:
        """Yield a result for each recipient and each of these types that leads there."""
        prober = held.prober
        for one, item_type in held.items_to(self.selection):
            if item_type.startswith(self.selection.types):
                outcomes = prober.arrivals(one, item_type)
                passed = not any(outcome.released for outcome in outcomes)
                yield CheckResult(self.rule, passed, f"{item_type} to {one.name}", outcomes[0].wording, one.keys)


class _IsBeyond(msgspec.Struct, frozen=True):
    """Whether a value is of none of some categories."""

    categories: frozenset[Category]

    def __call__(self, value: Arrival) -> bool:
        return value.category not in self.categories


class _Holds(msgspec.Struct, frozen=True):
    """Whether a value holds a text."""

    text: str

    def __call__(self, value: Arrival) -> bool:
        return self.text in value.text


def _is_echo(value: Arrival) -> bool:
    return value.category is not Category.WORK_EMAIL and any(name in value.text for name in JOINED_NAMES)


def _result(
    rule: Rule, one: NamedRecipient, tried: str, outcomes: Sequence[Outcome], is_wrong: Callable[[Arrival], bool]
) -> CheckResult:
    """Whether nothing wrong arrived; what is wrong is shown first."""
    arrivals = [value for outcome in outcomes for value in outcome.arrivals]
    wrong = [value for value in arrivals if is_wrong(value)]
    words = f"arrived: {', '.join(map(str, dict.fromkeys(wrong[:2])))}" if wrong else ""
    if not wrong:
        words = shown(arrivals) if arrivals or not outcomes else outcomes[0].wording
    return CheckResult(rule, not wrong, tried, words, one.keys)
