"""Items that the demo's service sends, and what should become of them.

They are written down in `calls.py` and `logs.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypedDict

import msgspec

from gateway.errors import Reason
from gateway.model import Category


class ItemOutcome(StrEnum):
    """What becomes of an item."""

    RELEASED = "released"
    WITHHELD = "withheld"
    REJECTED = "rejected"


class KnownFacts(TypedDict, total=False):
    """What may be known about an item beforehand, as `Item` has it."""

    outcome: ItemOutcome
    reason: Reason
    categories: Mapping[str, Category]
    stripped_values: frozenset[str]
    replacements: Mapping[str, str]
    embedded: Mapping[str, Category]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One message that the service sends, and what is known about it beforehand.

    `fields` is the message in protobuf's JSON; where `type` is empty it is a log record. What fields hold stands in
    `expectations.py`, by their paths; here stands what differs. `categories`: what a field holds this time, whatever
    its name says. `stripped_values`: those that no destination may get although what their fields hold is allowed.
    `replacements`: what arrives in place of a field's value. `embedded` is what stands within longer values, and is
    looked for by itself.
    """

    title: str
    destinations: tuple[str, ...]
    fields: Mapping[str, object] = {}
    type: str = ""
    outcome: ItemOutcome = ItemOutcome.RELEASED
    reason: Reason | None = None
    categories: Mapping[str, Category] = {}
    stripped_values: frozenset[str] = frozenset()
    replacements: Mapping[str, str] = {}
    embedded: Mapping[str, Category] = {}
