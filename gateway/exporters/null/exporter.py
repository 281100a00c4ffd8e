"""Takes everything, keeps nothing: for trials and measurements."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.entry_batch import EntryBatch
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome, count_entries


class NullExporter:
    """Settles everything at once. `delivered` counts the entries taken. Guarantee: none; nothing is kept."""

    def __init__(self) -> None:
        self.limits = BatchLimits()
        self.delivered = 0

    def consume(self, batches: Sequence[EntryBatch]) -> None:
        """Count them."""
        self.delivered += count_entries(batches)

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """All delivered."""
        self.consume(batches)
        return [DELIVERED] * count_entries(batches)

    async def close(self) -> None:
        """Nothing is held open."""
