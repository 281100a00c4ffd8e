"""What the demo's service says, as it is written down in `calls.py` and `logs.py`: items, with what should become of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from gateway.errors import Reason
from gateway.model import Category


class ItemOutcome(StrEnum):
    """What becomes of an item."""

    RELEASED = "released"
    WITHHELD = "withheld"
    REJECTED = "rejected"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the service says, and what is known about it beforehand.

    `fields` is the message in protobuf's JSON, or the arguments of the SDK's `Logger.emit`; where `type` is empty it is
    a log record. What fields hold stands in `truth.py`, by their paths; here stands what differs: `holds`, what a field
    holds this time, whatever its name says; `fails`, values that no destination may get although what their fields hold
    is allowed; `becomes`, what arrives in place of a field's value. `hides` is what stands within longer values, and is
    looked for by itself.
    """

    title: str
    fields: Mapping[str, Any]
    destinations: tuple[str, ...]
    type: str = ""
    outcome: ItemOutcome = ItemOutcome.RELEASED
    reason: Reason | None = None
    categories: Mapping[str, Category] = {}
    stripped_values: frozenset[str] = frozenset()
    replacements: Mapping[str, str] = {}
    embedded: Mapping[str, Category] = {}
