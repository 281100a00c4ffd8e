"""The types that bring a company's project which is backed up: it leaves by a gate, and no other way."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.contract import Contract
from gateway.policy.fields import message_of_values
from gateway.policy.item_types import BACKED_UP_TYPE, KEPT_TYPE
from gateway.protobuf.descriptors import with_holders


def held_type(field: FieldDescriptor) -> str | None:
    """The name of the message type that a field holds, or a map's values are."""
    held = message_of_values(field)
    return None if held is None else held.full_name


def backed_up_types(contract: Contract, leads: Callable[[FieldDescriptor], str | None] = held_type) -> frozenset[str]:
    """The project's own type, and those with a field that `leads` to it, or to one that does; by full name.

    What a project that is made on the web holds is none.
    """
    if BACKED_UP_TYPE not in contract.messages:
        return frozenset()
    holders: dict[str, list[str]] = {}
    for name in contract.messages - {KEPT_TYPE}:
        for target in filter(None, map(leads, contract.fields(contract.message(name)))):
            holders.setdefault(target, []).append(name)
    return with_holders([BACKED_UP_TYPE], holders)
