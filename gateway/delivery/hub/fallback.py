"""An agent's delivery with an outbox of its own: to the hub, or stored here until the hub is back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Final

from gateway.delivery import Delivery, direct_sends
from gateway.delivery.hub.client import HubClient, groups_of
from gateway.delivery.hub.encoding import may_come_again
from gateway.entry_batch import EntryBatch
from gateway.errors import Retryable

DIRECT_SECONDS: Final = 2 * direct_sends.DIRECT_SECONDS
"""How long a caller waits for the hub, in seconds: what that doesn't acknowledge by then is stored here.

A hub that itself tries a recipient first has time to store what that doesn't take.
"""


class FallbackDelivery:
    """Hands entries to a hub, or stores them until it is back, under the same keys."""

    def __init__(self, client: HubClient, local: Delivery) -> None:
        """`local` delivers to the hub too, when it can."""
        self._client = client
        self._local = local

    async def accept(self, batches: Sequence[EntryBatch]) -> None:
        """Return when all entries are stored, at the hub or here; at once here while the hub is away.

        Raises Refused, also for what the hub could never be sent, and Retryable when neither takes them.
        """
        groups_of(batches)
        if self._client.status.is_up:
            with suppress(Retryable):
                # It may have stored what it doesn't acknowledge, and gets that again from here.
                await self._client.accept(list(map(may_come_again, batches)), DIRECT_SECONDS)
                return
        await self._local.accept(batches)

    def stores(self, destinations: Collection[str]) -> bool:  # noqa: ARG002 - as `Delivery` has it
        """Return whether the hub is away."""
        return not self._client.status.is_up

    async def drained(self) -> None:
        """Wait until nothing waits here."""
        await self._local.drained()

    async def close(self, within: float) -> None:
        """Deliver what is stored here, unless the hub is away, then close both."""
        await self._local.close(within)
        await self._client.close(within)
