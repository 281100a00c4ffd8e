"""What the demo has to tell, as data: one table a destination, totals, findings. How it looks is `show.py`'s."""

from __future__ import annotations

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
from gateway.demo.session import DemoResult
from gateway.demo.verify import Finding, findings, planted_values
from gateway.model import EU
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


class Summary(msgspec.Struct, frozen=True):
    """Items and values that were sent, those of them that are personal, and how many arrived outside the EU, by what they are.

    `planted` is how many different personal values were looked for in the bytes that each destination got.
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
    answers: Mapping[str, CallAnswer]
    summary: Summary
    findings: tuple[Finding, ...]


def report(policy: Policy, seen: DemoResult, why: ReasonFinder, exporters: Mapping[str, str]) -> Report:
    """Compare and verify what was seen, and put it together.

    `exporters` says in words where a destination's data went.
    """
    found = list(compare_items(seen))
    faults = findings(seen, found)
    tables = []
    for name, given in policy.destinations.items():
        if here := [passage for passage in found if passage.destination == name]:
            tables.append(_table(name, given, exporters[name], here, why))
    return Report(not faults, tuple(tables), seen.answers, _summary(policy, seen, found), tuple(faults))


def _table(
    name: str, given: Destination, exporter: str, passages: Sequence[ItemComparison], why: ReasonFinder
) -> Table:
    sections = tuple(_section(passage, why) for passage in passages)
    return Table(name, given.recipient, given.region, given.purpose, exporter, sections, _totals(sections))


def _section(passage: ItemComparison, why: ReasonFinder) -> Section:
    item = passage.sent.item if passage.sent else None
    rows = tuple(_row(passage, pair, why) for pair in passage.pairs)
    if item is None:
        return Section("nobody sent this", True, ItemOutcome.RELEASED, None, rows)
    return Section(item.title, item is not BATCH, item.outcome, item.reason, rows)


def _row(passage: ItemComparison, pair: ValuePair, why: ReasonFinder) -> Row:
    sent = pair.sent.value if pair.sent else None
    reason = None if pair.arrived == sent else _reason(passage, pair, why)
    return Row(
        pair.path, pair.category.name, _text(sent), _text(pair.arrived), _verdict(sent, pair.arrived, reason), reason
    )


def _reason(passage: ItemComparison, pair: ValuePair, why: ReasonFinder) -> str | None:
    if passage.sent is None or pair.sent is None:
        return None
    reason = passage.sent.item.reason or why.reason(passage.sent.message, pair.sent, passage.destination)
    return reason if reason or has_place(pair.path, passage.destination) else NOT_MAPPED


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
    fates = [section.outcome for section in sections if section.is_item]
    rows = [row for section in sections for row in section.rows]
    verdicts = [row.verdict for row in rows]
    return Totals(
        items=len(fates),
        released=fates.count(ItemOutcome.RELEASED),
        withheld=fates.count(ItemOutcome.WITHHELD),
        rejected=fates.count(ItemOutcome.REJECTED),
        sent=sum(row.sent is not None for row in rows),
        arrived=sum(row.arrived is not None for row in rows),
        masked=verdicts.count(ValueOutcome.MASKED),
        stripped=verdicts.count(ValueOutcome.STRIPPED),
    )


def _summary(policy: Policy, seen: DemoResult, passages: Iterable[ItemComparison]) -> Summary:
    values = [category_of(leaf.path, sent.item) for sent in seen.sent for leaf in leaves(sent.message)]
    crossed = Counter(
        pair.category.name
        for passage in passages
        for pair in passage.pairs
        if policy.destinations[passage.destination].region not in EU
        and pair.arrived is not None
        and is_personal(pair.category)
    )
    return Summary(
        items=sum(sent.item is not BATCH for sent in seen.sent),
        values=len(values),
        personal=sum(map(is_personal, values)),
        planted=len({value for value, _, _ in planted_values(seen.sent)}),
        outside=dict(sorted(crossed.items())),
    )
