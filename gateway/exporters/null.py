"""Takes everything, keeps nothing: for trials and measurements."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.exporters.base import DELIVERED, Bounds, Outcome
from gateway.model import OutboxEntry


class Null:
    """Settles everything at once. `delivered` counts the entries taken. Guarantee: none; nothing is kept."""

    def __init__(self) -> None:
        self.bounds = Bounds()
        self.delivered = 0

    def settle(self, batch: Sequence[OutboxEntry]) -> None:
        """Count them."""
        self.delivered += len(batch)

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """All delivered."""
        self.settle(batch)
        return [DELIVERED] * len(batch)

    async def close(self) -> None:
        """Nothing is held open."""
