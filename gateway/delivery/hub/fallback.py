"""An agent's delivery with an outbox of its own: to the hub, or stored here until the hub is back."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.delivery import Delivery
from gateway.delivery.hub.client import HubClient
from gateway.errors import Retryable
from gateway.model import OutboxEntry


class FallbackDelivery:
    """Hands entries to a hub, or stores them until it is back."""

    def __init__(self, client: HubClient, local: Delivery) -> None:
        """`local` delivers to the hub too, when it can."""
        self._client = client
        self._local = local

    async def accept(self, entries: Sequence[OutboxEntry]) -> None:
        """Return when all entries are stored, at the hub or here.

        Raises Refused, and Retryable when neither takes them.
        """
        try:
            await self._client.accept(entries)
        except Retryable:
            await self._local.accept(entries)

    async def drained(self) -> None:
        """Wait until nothing waits here."""
        await self._local.drained()

    async def close(self, within: float) -> None:
        """Deliver what is stored here as far as it can be, then close both."""
        await self._local.close(within)
        await self._client.close(within)
