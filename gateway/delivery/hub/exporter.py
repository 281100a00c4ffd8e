"""From an agent's own outbox to its hub."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.delivery.hub.client import HubClient
from gateway.delivery.hub.encoding import may_come_again
from gateway.delivery.hub.stream import MAX_REQUEST_BYTES, Unacknowledged
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome

LIMITS: Final = BatchLimits(max_items=1024, max_bytes=MAX_REQUEST_BYTES)

LIMITS_WHILE_AWAY: Final = msgspec.structs.replace(LIMITS, max_in_flight=0)

MAX_PIECES: Final = 8
"""Into how many pieces a group is cut that isn't stored for the sake of some entry in it."""

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

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Hand entries over: delivered is what the hub has stored, rejected what it never takes.

        All are one group, stored whole or not at all. What the hub says against it may be about one entry alone: then
        the others are handed over in smaller and smaller groups.

            [a b x c] refused → [a b] delivered, [x] refused, [c] delivered
        """
        try:
            await self._client.accept(list(map(may_come_again, batches)))
        except Exception as error:  # noqa: BLE001 - whatever it is, what was acknowledged stays
            count = sum(map(len, batches))
            if count == 1 or _is_about_all(error):
                return [_outcome(error)] * count
            sent = await asyncio.gather(*map(self.send, _pieces(batches)))
            return [outcome for outcomes in sent for outcome in outcomes]
        return [DELIVERED] * sum(map(len, batches))

    async def close(self) -> None:
        """Close nothing: the client is others' too."""


def _is_about_all(error: Exception) -> bool:
    """Return whether each entry alone would fare alike: the hub is away, or too much is under way to it or in it."""
    return isinstance(error, Unacknowledged) or (isinstance(error, Retryable) and error.reason is CallReason.FULL)


def _outcome(error: Exception) -> Outcome:
    """Return what an error means for an entry that was alone in its group."""
    match error:
        case Retryable():
            return Retryable(error.reason, error.after, item_only=error.reason is CallReason.UNKNOWN_PLAN)
        case Refused(reason=CallReason.INTERNAL):  # a reason that only a newer hub knows
            return Retryable(error.reason, item_only=True)
        case Refused():
            return Rejected(error.reason)
    log.error("an entry could not be handed over: %s", type(error).__name__)
    return Retryable(CallReason.INTERNAL, item_only=True)


def _pieces(batches: Sequence[EntryBatch]) -> Iterator[Sequence[EntryBatch]]:
    """Yield several batches, or one, cut into pieces, in order."""
    count = len(batches) if len(batches) > 1 else len(batches[0])
    step = -(-count // MAX_PIECES)
    for start in range(0, count, step):
        if len(batches) > 1:
            yield batches[start : start + step]
        else:
            yield [batches[0].select(range(start, min(start + step, count)))]
