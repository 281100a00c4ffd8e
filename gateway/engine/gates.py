"""Gates: what the facts must say before an item is released at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway.errors import ItemReason
from gateway.model import Facts, Gate, Switch

_GATES: Final[Mapping[Gate, tuple[Callable[[Facts], bool], ItemReason]]] = {
    Gate.BACKUP: (lambda facts: facts.backup is Switch.ON, ItemReason.BACKUP_NOT_ON),
}
"""When each is open, and why an item is withheld where it isn't. What nobody knows opens none."""


def closed_gate(gates: Iterable[Gate], facts: Facts) -> ItemReason | None:
    """The reason of the first of some gates that isn't open; None if all are."""
    for gate in gates:
        is_open, reason = _GATES[gate]
        if not is_open(facts):
            return reason
    return None
