"""One minimised item, decided on again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from gateway.delivery.redecided_batch import MinimisedBatch, RedecidedBatch
from gateway.delivery.redecider import DecidesAgain
from gateway.errors import Reason
from gateway.model import Release, Withheld


class MinimisedItems(msgspec.Struct, frozen=True):
    """What was minimised once, for one destination."""

    destination: str
    type: str
    payloads: Sequence[bytes]
    received_ns: Sequence[int]
    personal: Collection[int] = ()


def minimised(
    destination: str, type: str, payload: bytes, received_ns: int, personal: Collection[int] = ()
) -> MinimisedItems:
    """One item that was minimised; `personal` has its place, 0, where it was about a personal account."""
    return MinimisedItems(destination, type, [payload], [received_ns], personal)


def item_outcome(batch: MinimisedBatch, again: RedecidedBatch, place: int) -> Release | Reason | Exception:
    """What became of one item, of what became of its batch."""
    found: list[Release | Reason | Exception] = []
    for row, at in enumerate(again.places):
        if at == place:
            assert again.releases is not None
            assert (again.releases.destination, again.releases.type) == (batch.destination, batch.type)
            payload, personal = again.releases.payloads[row], row in again.releases.personal
            found.append(Release(batch.destination, batch.type, again.releases.plan, payload, personal=personal))
    found += [reason for at, reason in again.ended.items() if at == place]
    found += [error for at, error in again.undecided.items() if at == place]
    (outcome,) = found
    return outcome


async def decide_again(redecider: DecidesAgain, item: MinimisedBatch) -> Release | Withheld:
    """What becomes of one item: what is refused is withheld too. Raises Retryable, and whatever went wrong."""
    (again,) = await redecider.decide_all([item])
    outcome = item_outcome(item, again, 0)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome if isinstance(outcome, Release) else Withheld(item.destination, outcome)
