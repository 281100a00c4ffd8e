"""How releases reach their recipients; decided before, sent by exporters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from gateway.entry_batch import EntryBatch


class Delivery(Protocol):
    """Takes responsibility for entries, or says that it doesn't."""

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        """Return when all entries are with their recipient, or stored, here or at the hub.

        Where it raises, none is stored; one that its recipient was tried with may be there all the same.

        Raises Retryable when sending the same again may help, and Refused when they can't be taken as they are:
        together too large, or under the request ID of other ones. What is for a destination that nothing leads to any
        more is counted, not stored.
        """
        ...

    def stores(self, destinations: Collection[str]) -> bool:
        """Return whether what one item has for these destinations is probably stored here. For any thread."""
        ...

    async def drained(self) -> None:
        """Wait until nothing that was accepted here waits to be delivered."""
        ...

    async def close(self, within: float) -> None:
        """Take no more, deliver what can be within `within` seconds, and close.

        What is offered later raises Retryable.
        """
        ...
