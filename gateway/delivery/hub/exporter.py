"""From an agent's own outbox to its hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.delivery.hub.client import HubClient
from gateway.delivery.hub.stream import MAX_REQUEST_BYTES
from gateway.errors import CallReason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.model import OutboxEntry

LIMITS: Final = BatchLimits(max_items=1000, max_bytes=MAX_REQUEST_BYTES)

LIMITS_WHILE_AWAY: Final = msgspec.structs.replace(LIMITS, max_in_flight=0)

log = logging.getLogger(__name__)


class HubExporter:
    """Hands what an agent has stored to its hub.

    Guarantee: `delivered` means that the hub has stored it. At least once, under the same key, which the hub knows for
    a while.
    """

    def __init__(self, client: HubClient) -> None:
        """Hand over by `client`, which isn't closed with it."""
        self._client = client

    @property
    def limits(self) -> BatchLimits:
        """Nothing while the hub is away: what is tried in vain would be put off for longer and longer."""
        return LIMITS if self._client.status.is_up else LIMITS_WHILE_AWAY

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Hand entries over: delivered is what the hub has stored, rejected what it never takes."""
        return await asyncio.gather(*map(self._send, batch))

    async def close(self) -> None:
        """Close nothing: the client is others' too."""

    async def _send(self, entry: OutboxEntry) -> Outcome:
        try:
            await self._client.accept([entry])
        except Retryable as error:
            return Retryable(error.reason, error.after, item_only=error.reason is CallReason.UNKNOWN_PLAN)
        except Refused as error:
            if error.reason is CallReason.INTERNAL:  # a reason that only a newer hub knows
                return Retryable(error.reason, item_only=True)
            return Rejected(error.reason)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was acknowledged stays
            log.error("an entry could not be handed over: %s", type(error).__name__)
            return Retryable(CallReason.INTERNAL, item_only=True)
        return DELIVERED
