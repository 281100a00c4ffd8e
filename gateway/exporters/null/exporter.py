"""Takes everything, keeps nothing: for trials and measurements."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.model import OutboxEntry


class NullExporter:
    """Settles everything at once. `delivered` counts the entries taken. Guarantee: none; nothing is kept."""

    def __init__(self) -> None:
        self.limits = BatchLimits()
        self.delivered = 0

    def consume(self, batch: Sequence[OutboxEntry]) -> None:
        """Count them."""
        self.delivered += len(batch)

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """All delivered."""
        self.consume(batch)
        return [DELIVERED] * len(batch)

    async def close(self) -> None:
        """Nothing is held open."""
