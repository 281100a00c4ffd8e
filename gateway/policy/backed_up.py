"""The types that bring a company's project which is backed up: it leaves by a gate, and no other way."""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.contract import Contract
from gateway.policy.fields import held_type, types_leading_to
from gateway.policy.item_types import BACKED_UP_TYPE, KEPT_TYPE


def backed_up_types(contract: Contract, leads: Callable[[FieldDescriptor], str | None] = held_type) -> frozenset[str]:
    """The project's own type, and those with a field that `leads` to it, or to one that does; by full name.

    What a project that is made on the web holds is none.
    """
    if BACKED_UP_TYPE not in contract.messages:
        return frozenset()
    return types_leading_to([BACKED_UP_TYPE], contract, contract.messages - {KEPT_TYPE}, leads)
