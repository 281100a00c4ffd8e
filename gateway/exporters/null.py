"""Takes everything, keeps nothing: for trials and measurements."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.exporters.base import DELIVERED, Outcome
from gateway.model import Release


class Null:
    """Settles everything at once. `delivered` counts the releases taken. Guarantee: none; nothing is kept."""

    def __init__(self) -> None:
        self.delivered = 0

    def settle(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """All delivered."""
        self.delivered += len(batch)
        return [DELIVERED] * len(batch)

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """All delivered."""
        return self.settle(batch)

    async def close(self) -> None:
        """Nothing is held open."""
