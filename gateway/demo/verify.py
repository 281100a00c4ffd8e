"""Whether what arrived is what should have: value by value, byte by byte, item by item.

Each difference is a finding.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final
from urllib.parse import quote

import msgspec

from gateway.demo.compare import ItemComparison, ValuePair, category_of, is_personal
from gateway.demo.expectations import METADATA
from gateway.demo.item import Item, ItemOutcome
from gateway.demo.leaves import leaves
from gateway.demo.logs import RECORDS
from gateway.demo.service import CallAnswer
from gateway.demo.service_call import SERVICE
from gateway.demo.session import DemoResult, SentItem
from gateway.model import Category

MIN_SEARCHED_CHARS: Final = 6
"""The length of the shortest value that is looked for in bytes; shorter ones are found in anything."""


class Finding(msgspec.Struct, frozen=True, order=True):
    """Something that is not as it should be.

    The values are the demo's own, of people who don't exist: they may be shown.
    """

    destination: str
    where: str
    what: str


def findings(result: DemoResult, found: Iterable[ItemComparison]) -> list[Finding]:
    """Everything that left though it may not, and everything that should have arrived and didn't."""
    listed = list(found)
    elsewhere = (
        *_of_bytes(result, listed),
        *_of_answers(result),
        *_of_logs(result),
        *_of_vendors(result),
        *_of_metadata(result),
    )
    return sorted({*chain.from_iterable(map(_of_item, listed)), *elsewhere})


def _of_item(comparison: ItemComparison) -> Iterator[Finding]:
    title = comparison.sent.item.title if comparison.sent else "an item"
    released = comparison.sent is not None and comparison.sent.item.outcome is ItemOutcome.RELEASED
    if released and not comparison.arrived:
        yield Finding(comparison.destination, title, "is missing")
        return
    if comparison.arrived and not released:
        yield Finding(comparison.destination, title, "arrived, and should not have")
    yield from (
        Finding(comparison.destination, f"{title}: {pair.path}", what)
        for pair in comparison.pairs
        if (what := _fault(pair))
    )


def _fault(pair: ValuePair) -> str:
    if pair.arrived == pair.expected:
        return ""
    if pair.arrived is None:
        return f"is missing: {pair.expected!r}"
    return f"left, and holds {pair.category.name}: {pair.arrived!r}"


def _of_bytes(result: DemoResult, comparisons: list[ItemComparison]) -> Iterator[Finding]:
    """Planted values, in any form, in what each destination has."""
    for destination, raw in result.raw.items():
        due = [
            pair.expected
            for comparison in comparisons
            if comparison.destination == destination
            for pair in comparison.pairs
            if pair.expected
        ]
        for value, path, holds in planted_values(result.sent):
            if not any(value in _bytes(one) for one in due) and occurs(value, raw):
                yield Finding(
                    destination,
                    path,
                    f"found in what it got, and holds {holds.name}: {value.decode(errors='replace')!r}",
                )


def planted_values(sent: Iterable[SentItem]) -> list[tuple[bytes, str, Category]]:
    """The personal values that are looked for, each with where it stood and what it is."""
    return sorted(set(chain.from_iterable(map(_planted, sent))))


def _planted(sent: SentItem) -> Iterator[tuple[bytes, str, Category]]:
    values = [(leaf.value, leaf.path, category_of(leaf.path, sent.item)) for leaf in leaves(sent.message)]
    values += [(value, f"within {sent.item.title}", holds) for value, holds in sent.item.embedded.items()]
    for value, path, holds in values:
        if is_personal(holds) and len(value) >= MIN_SEARCHED_CHARS:
            yield _bytes(value), path, holds


def occurs(value: bytes, raw: bytes) -> bool:
    """Whether a value stands in `raw`.

    As it is, in other letters, or as JSON, a URL, base64 or hexadecimal would have it.
    """
    lowered = raw.lower()
    return any(form.lower() in lowered for form in _forms(value)) or any(core in raw for core in _base64(value))


def _forms(value: bytes) -> set[bytes]:
    text = value.decode(errors="replace")
    return {
        value,
        json.dumps(text)[1:-1].encode(),
        quote(text).encode(),
        quote(text, safe="").encode(),
        value.hex().encode(),
    }


def _base64(value: bytes) -> Iterator[bytes]:
    """What base64 has in common wherever the value starts within what is encoded; with both alphabets."""
    for before in range(3):
        whole = b64encode(bytes(before) + value)
        # Characters that also hold bits of what stands before or after the value.
        core = whole[-(-before * 8 // 6) : len(whole) - (0, 3, 2)[(before + len(value)) % 3]]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _of_answers(result: DemoResult) -> Iterator[Finding]:
    for name, items in result.calls.items():
        if (answer := result.answers.get(name)) != (due := expected_answer(items)):
            yield Finding("", name, f"answered {_answer_text(answer)}, and should have answered {_answer_text(due)}")


def expected_answer(items: tuple[Item, ...]) -> CallAnswer:
    """What a call with these items should be answered."""
    rejected = tuple(
        (index, str(item.reason)) for index, item in enumerate(items) if item.outcome is ItemOutcome.REJECTED
    )
    withheld = tuple(index for index, item in enumerate(items) if item.outcome is ItemOutcome.WITHHELD)
    return CallAnswer(len(items) - len(rejected), rejected, withheld)


def _answer_text(answer: CallAnswer | None) -> str:
    if answer is None:
        return "nothing"
    return (
        answer.failed or f"{answer.accepted} accepted, {len(answer.rejected)} rejected, {len(answer.withheld)} withheld"
    )


def _of_logs(result: DemoResult) -> Iterator[Finding]:
    """What the SDK didn't send can't have been looked at."""
    logged = sum(1 for sent in result.sent if sent.item in RECORDS)
    if logged != len(RECORDS):
        yield Finding("", "OpenTelemetry SDK", f"sent {logged} of {len(RECORDS)} records")


def _of_vendors(result: DemoResult) -> Iterator[Finding]:
    """What the stand-ins found wrong."""
    yield from (Finding(destination, "", fault) for destination, faults in result.faults.items() for fault in faults)


def _of_metadata(result: DemoResult) -> Iterator[Finding]:
    """What came with the call between services, and what should have."""
    yield from (
        Finding(SERVICE, f"metadata: {key}", "left" if key in result.metadata else "is missing")
        for key in {*result.metadata} ^ {*METADATA}
    )
