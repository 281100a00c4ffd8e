"""One item at one destination: what was sent, what should arrive, what did.

Nothing here asks policy, contracts or plans.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec
from google.protobuf.message import Message

from gateway.demo.item import Fate, Item
from gateway.demo.leaves import Leaf, leaves
from gateway.demo.stage import Seen, Sent
from gateway.demo.truth import HOLDS, MAY_RECEIVE, TAKES
from gateway.model import Category

Value = str | bytes


class Pair(msgspec.Struct, frozen=True):
    """A value that was sent, what it is, and what arrived in its place; None where nothing did.

    Without `sent`, it came from nowhere.
    """

    path: str
    holds: Category
    sent: Leaf | None
    expected: Value | None
    arrived: Value | None


class Passage(msgspec.Struct, frozen=True):
    """An item on its way to a destination, value by value. Without `sent`, an item arrived that nobody sent."""

    destination: str
    sent: Sent | None
    pairs: tuple[Pair, ...]
    arrived: bool


def passages(seen: Seen) -> Iterator[Passage]:
    """All items at all destinations, those that arrived though nobody sent them too."""
    for destination in sorted({*MAY_RECEIVE, *seen.arrived}):
        yield from _passages(destination, seen)


def kind(path: str, item: Item | None) -> Category:
    """What a field holds; UNSPECIFIED where nobody has said."""
    return (item.holds if item else {}).get(path) or HOLDS.get(path, Category.UNSPECIFIED)


def is_personal(holds: Category) -> bool:
    """Whether a value is personal. One that nobody has said anything about may be."""
    return holds is not Category.OPERATIONAL


def has_place(path: str, destination: str) -> bool:
    """Whether a destination's form has a place for a field, whatever it holds."""
    return destination not in TAKES or path.partition("[")[0] in TAKES[destination]


def expected(leaf: Leaf, item: Item, destination: str) -> Value | None:
    """What should arrive of a value; None if nothing should."""
    allowed = kind(leaf.path, item) in MAY_RECEIVE.get(destination, ())
    if (
        item.fate is not Fate.RELEASED
        or not allowed
        or leaf.value in item.fails
        or not has_place(leaf.path, destination)
    ):
        return None
    return item.becomes.get(leaf.path, leaf.value)


def _passages(destination: str, seen: Seen) -> Iterator[Passage]:
    """Items of one kind arrive about in the order sent: batches may overtake each other."""
    came: dict[Any, list[Message]] = {}
    for message in seen.arrived.get(destination, ()):
        came.setdefault(_kind(message), []).append(message)
    for sent in seen.sent:
        if destination in sent.item.destinations:
            left = came.get(_kind(sent.message)) if sent.item.fate is Fate.RELEASED else None
            yield _passage(destination, sent, _came(left, sent, destination) if left else None)
    for message in chain.from_iterable(came.values()):
        yield _passage(destination, None, message)


def _came(left: list[Message], sent: Sent, destination: str) -> Message:
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


def _kind(message: Message) -> tuple[str, bool]:
    """A message's type. In OTLP, what is around the records is apart from them."""
    held: Any = message
    is_record = message.DESCRIPTOR.name == "ResourceLogs" and bool(held.scope_logs[0].log_records)
    return message.DESCRIPTOR.full_name, is_record


def _passage(destination: str, sent: Sent | None, came: Message | None) -> Passage:
    pairs = _pairs(destination, sent, leaves(came) if came is not None else [])
    return Passage(destination, sent, tuple(pairs), came is not None)


def _pairs(destination: str, sent: Sent | None, came: list[Leaf]) -> Iterator[Pair]:
    left: dict[str, list[Value]] = {}
    for leaf in came:
        left.setdefault(leaf.path, []).append(leaf.value)
    item = sent.item if sent else None
    for leaf in leaves(sent.message) if sent else ():
        due = expected(leaf, sent.item, destination) if sent else None
        yield Pair(leaf.path, kind(leaf.path, item), leaf, due, _taken(left.get(leaf.path, []), leaf, due))
    for path, values in left.items():
        yield from (Pair(path, kind(path, item), None, None, value) for value in values)


def _taken(left: list[Value], leaf: Leaf, due: Value | None) -> Value | None:
    """Take from what is left at a path what became of a value.

    In a list, what looks like nothing that was sent stands by itself.
    """
    for value in (due, leaf.value, *([] if "[*]" in leaf.path else left)):
        if value in left:
            left.remove(value)
            return value
    return None
