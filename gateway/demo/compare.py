"""One item at one destination: what was sent, what should arrive, what did.

Nothing here asks policy, contracts or plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import msgspec
from google.protobuf.message import Message
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

from gateway.demo.expectations import ACCEPTED_PATHS, CATEGORY_BY_PATH, MAY_RECEIVE
from gateway.demo.item import Item, ItemOutcome
from gateway.demo.leaves import Leaf, leaves
from gateway.demo.session import DemoResult, SentItem
from gateway.model import Category

Value = str | bytes


class ValuePair(msgspec.Struct, frozen=True):
    """A value that was sent, what it is, and what arrived in its place; None where nothing did.

    Without `sent`, it came from nowhere.
    """

    path: str
    category: Category
    sent: Leaf | None
    expected: Value | None
    arrived: Value | None


class ItemComparison(msgspec.Struct, frozen=True):
    """An item on its way to a destination, value by value. Without `sent`, an item arrived that nobody sent."""

    destination: str
    sent: SentItem | None
    pairs: tuple[ValuePair, ...]
    arrived: bool


def compare_items(result: DemoResult) -> Iterator[ItemComparison]:
    """All items at all destinations, those that arrived though nobody sent them too."""
    for destination in sorted({*MAY_RECEIVE, *result.received}):
        yield from _compare_destination(destination, result)


def category_of(path: str, item: Item | None) -> Category:
    """What a field holds; UNSPECIFIED where nobody has said."""
    return (item.categories if item else {}).get(path) or CATEGORY_BY_PATH.get(path, Category.UNSPECIFIED)


def is_personal(holds: Category) -> bool:
    """Whether a value is personal. One that nobody has said anything about may be."""
    return holds is not Category.OPERATIONAL


def has_place(path: str, destination: str) -> bool:
    """Whether a destination's form has a place for a field, whatever it holds."""
    return destination not in ACCEPTED_PATHS or path.partition("[")[0] in ACCEPTED_PATHS[destination]


def expected(leaf: Leaf, item: Item, destination: str) -> Value | None:
    """What should arrive of a value; None if nothing should."""
    allowed = category_of(leaf.path, item) in MAY_RECEIVE.get(destination, ())
    if (
        item.outcome is not ItemOutcome.RELEASED
        or not allowed
        or leaf.value in item.stripped_values
        or not has_place(leaf.path, destination)
    ):
        return None
    return item.replacements.get(leaf.path, leaf.value)


def _compare_destination(destination: str, result: DemoResult) -> Iterator[ItemComparison]:
    """Items of one kind arrive about in the order sent: batches may overtake each other."""
    came: dict[tuple[str, bool], list[Message]] = {}
    for message in result.received.get(destination, ()):
        came.setdefault(_message_kind(message), []).append(message)
    for sent in result.sent:
        if destination in sent.item.destinations:
            left = came.get(_message_kind(sent.message)) if sent.item.outcome is ItemOutcome.RELEASED else None
            yield _compare_item(destination, sent, _take_match(left, sent, destination) if left else None)
    for message in chain.from_iterable(came.values()):
        yield _compare_item(destination, None, message)


def _take_match(left: list[Message], sent: SentItem, destination: str) -> Message:
    """Take what was sent from what is left: the first that is just what is due, else the first of all."""
    due = sorted(
        (leaf.path, value)
        for leaf in leaves(sent.message)
        if (value := expected(leaf, sent.item, destination)) is not None
    )
    right = (message for message in left if sorted((leaf.path, leaf.value) for leaf in leaves(message)) == due)
    found = next(right, left[0])
    left.remove(found)
    return found


def _message_kind(message: Message) -> tuple[str, bool]:
    """A message's type. In OTLP, what is around the records is apart from them."""
    return message.DESCRIPTOR.full_name, message.DESCRIPTOR.name == "ResourceLogs" and _has_record(message)


def _has_record(logs: Message) -> bool:
    return bool(ResourceLogs.FromString(logs.SerializeToString()).scope_logs[0].log_records)


def _compare_item(destination: str, sent: SentItem | None, came: Message | None) -> ItemComparison:
    pairs = _pairs(destination, sent, leaves(came) if came is not None else [])
    return ItemComparison(destination, sent, tuple(pairs), came is not None)


def _pairs(destination: str, sent: SentItem | None, came: list[Leaf]) -> Iterator[ValuePair]:
    left: dict[str, list[Value]] = {}
    for leaf in came:
        left.setdefault(leaf.path, []).append(leaf.value)
    item = sent.item if sent else None
    for leaf in leaves(sent.message) if sent else ():
        due = expected(leaf, sent.item, destination) if sent else None
        yield ValuePair(
            leaf.path, category_of(leaf.path, item), leaf, due, _take_value(left.get(leaf.path, []), leaf, due)
        )
    for path, values in left.items():
        yield from (ValuePair(path, category_of(path, item), None, None, value) for value in values)


def _take_value(left: list[Value], leaf: Leaf, due: Value | None) -> Value | None:
    """Take from what is left at a path what became of a value.

    In a list, what looks like nothing that was sent stands by itself.
    """
    for value in (due, leaf.value, *([] if "[*]" in leaf.path else left)):
        if value in left:
            left.remove(value)
            return value
    return None
