"""The demo's result as data: a table a destination, the call between services, totals, findings.

See `render.py` for how it looks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from gateway.demo.compare import ItemComparison, Value, ValuePair, category_of, compare_items, has_place, is_personal
from gateway.demo.item import ItemOutcome
from gateway.demo.leaves import leaves
from gateway.demo.logs import BATCH
from gateway.demo.reasons import ReasonFinder
from gateway.demo.service import CallAnswer
from gateway.demo.service_call import ACCESS_LOG, ANSWER, CALLEE, CALLER, METADATA, METHOD, SERVICE, caller
from gateway.demo.session import DemoResult
from gateway.demo.verify import Finding, findings, planted_values
from gateway.model import EU, Recipient
from gateway.policy.document import Destination, Policy

NOT_MAPPED: Final = "NOT_MAPPED"
"""Instead of a reason: the value may leave, but what the vendor is sent has no place for it."""


class ValueOutcome(StrEnum):
    """What became of a value. NORMALISED is an address in its one form, ADDED a value that nobody sent."""

    KEPT = "kept"
    NORMALISED = "normalised"
    MASKED = "masked"
    STRIPPED = "stripped"
    ADDED = "added"


class Row(msgspec.Struct, frozen=True):
    """A value: where it stood, what it is, what was sent and what arrived, and if those differ the reason.

    None: nothing.
    """

    path: str
    category: str
    sent: str | None
    arrived: str | None
    verdict: ValueOutcome
    reason: str | None


class Section(msgspec.Struct, frozen=True):
    """An item, and what became of it."""

    title: str
    is_item: bool
    outcome: str
    reason: str | None
    rows: tuple[Row, ...]


class Totals(msgspec.Struct, frozen=True):
    """Values sent towards a destination, by what became of them, and items.

    Those of items that it didn't get count as stripped.
    """

    items: int
    released: int
    withheld: int
    rejected: int
    sent: int
    arrived: int
    masked: int
    stripped: int


class Table(msgspec.Struct, frozen=True):
    """A destination and what it got."""

    destination: str
    recipient: str
    region: str
    purpose: str
    exporter: str
    sections: tuple[Section, ...]
    totals: Totals


class BetweenServices(msgspec.Struct, frozen=True):
    """The call between two services: the request, what came beside it, the answer, and what both gateways noted.

    `sent_metadata` and `metadata` are keys; `access_log` are the entries as they were written, in JSON.
    """

    caller: str
    callee: str
    method: str
    request: Table
    sent_metadata: tuple[str, ...]
    metadata: tuple[str, ...]
    answer: Table
    access_log: tuple[str, ...]


class Summary(msgspec.Struct, frozen=True):
    """Items and values that were sent, and those of them that are personal.

    `outside`: how many arrived outside the EU, by category. `planted`: how many different personal values were looked
    for in the bytes that each destination got.
    """

    items: int
    values: int
    personal: int
    planted: int
    outside: Mapping[str, int]


class Report(msgspec.Struct, frozen=True):
    """All of it. `ok`: there are no findings."""

    ok: bool
    tables: tuple[Table, ...]
    between: BetweenServices
    answers: Mapping[str, CallAnswer]
    summary: Summary
    findings: tuple[Finding, ...]


def report(policy: Policy, result: DemoResult, reasons: ReasonFinder, exporters: Mapping[str, str]) -> Report:
    """Compare and verify what was seen, and put it together.

    `exporters` says in words where a recipient's data went.
    """
    found, recipients = list(compare_items(result)), _recipients(policy)
    faults = findings(result, found)
    tables = {}
    for name, given in recipients.items():
        here = [comparison for comparison in found if comparison.destination == name]
        if here and name != ACCESS_LOG:
            tables[name] = _table(name, given, exporters[name], here, reasons)
    between = BetweenServices(
        CALLER,
        CALLEE,
        METHOD,
        tables.pop(SERVICE),
        tuple(key for key, _ in METADATA),
        result.metadata,
        tables.pop(ANSWER),
        tuple(json.dumps(json.loads(line)["message"]) for line in result.raw[ACCESS_LOG].splitlines()),
    )
    summary = _summary(recipients, result, found)
    return Report(not faults, tuple(tables.values()), between, result.answers, summary, tuple(faults))


def _recipients(policy: Policy) -> Mapping[str, Destination]:
    """The destinations, and who gets the answer to the call between services: a service too, with terms of its own."""
    asks, asked = caller(policy), policy.destinations[SERVICE]
    answered = msgspec.structs.replace(asked, recipient=Recipient.SERVICE, region=asks.region, allow=asks.allow)
    return {**policy.destinations, ANSWER: answered}


def _table(
    name: str, given: Destination, exporter: str, comparisons: Sequence[ItemComparison], reasons: ReasonFinder
) -> Table:
    sections = tuple(_section(comparison, reasons) for comparison in comparisons)
    return Table(name, given.recipient, given.region, given.purpose, exporter, sections, _totals(sections))


def _section(comparison: ItemComparison, reasons: ReasonFinder) -> Section:
    item = comparison.sent.item if comparison.sent else None
    rows = tuple(_row(comparison, pair, reasons) for pair in comparison.pairs)
    if item is None:
        return Section("nobody sent this", True, ItemOutcome.RELEASED, None, rows)
    return Section(item.title, item is not BATCH, item.outcome, item.reason, rows)


def _row(comparison: ItemComparison, pair: ValuePair, reasons: ReasonFinder) -> Row:
    sent = pair.sent.value if pair.sent else None
    reason = None if pair.arrived == sent else _reason(comparison, pair, reasons)
    return Row(
        pair.path, pair.category.name, _text(sent), _text(pair.arrived), _verdict(sent, pair.arrived, reason), reason
    )


def _reason(comparison: ItemComparison, pair: ValuePair, reasons: ReasonFinder) -> str | None:
    if comparison.sent is None or pair.sent is None:
        return None
    reason = comparison.sent.item.reason or reasons.reason(comparison.sent.message, pair.sent, comparison.destination)
    return reason if reason or has_place(pair.path, comparison.destination) else NOT_MAPPED


def _verdict(sent: Value | None, arrived: Value | None, reason: str | None) -> ValueOutcome:
    if sent is None:
        return ValueOutcome.ADDED
    if arrived is None:
        return ValueOutcome.STRIPPED
    if arrived == sent:
        return ValueOutcome.KEPT
    return ValueOutcome.MASKED if reason else ValueOutcome.NORMALISED


def _text(value: Value | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _totals(sections: Iterable[Section]) -> Totals:
    outcomes = [section.outcome for section in sections if section.is_item]
    rows = [row for section in sections for row in section.rows]
    verdicts = [row.verdict for row in rows]
    return Totals(
        items=len(outcomes),
        released=outcomes.count(ItemOutcome.RELEASED),
        withheld=outcomes.count(ItemOutcome.WITHHELD),
        rejected=outcomes.count(ItemOutcome.REJECTED),
        sent=sum(row.sent is not None for row in rows),
        arrived=sum(row.arrived is not None for row in rows),
        masked=verdicts.count(ValueOutcome.MASKED),
        stripped=verdicts.count(ValueOutcome.STRIPPED),
    )


def _summary(
    recipients: Mapping[str, Destination], result: DemoResult, comparisons: Iterable[ItemComparison]
) -> Summary:
    values = [category_of(leaf.path, sent.item) for sent in result.sent for leaf in leaves(sent.message)]
    crossed = Counter(
        pair.category.name
        for comparison in comparisons
        for pair in comparison.pairs
        if recipients[comparison.destination].region not in EU
        and pair.arrived is not None
        and is_personal(pair.category)
    )
    return Summary(
        items=sum(sent.item is not BATCH for sent in result.sent),
        values=len(values),
        personal=sum(map(is_personal, values)),
        planted=len({value for value, _, _ in planted_values(result.sent)}),
        outside=dict(sorted(crossed.items())),
    )
