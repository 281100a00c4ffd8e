"""One minimised item, decided on again."""

from __future__ import annotations

import msgspec

from gateway.delivery.redecider import DecidesAgain
from gateway.delivery.redecider import MinimisedItem as Minimised
from gateway.errors import Refused, Retryable
from gateway.model import Verdict


class MinimisedItem(msgspec.Struct, frozen=True):
    """What was minimised once, for one destination."""

    destination: str
    type: str
    payload: bytes
    received_ns: int
    personal: bool = False


async def decide_again(redecider: DecidesAgain, item: Minimised) -> Verdict:
    """The verdict on one item. Raises Refused, Retryable."""
    (outcome,) = await redecider.decide_all([item])
    if isinstance(outcome, Exception):
        assert isinstance(outcome, (Refused, Retryable)), type(outcome).__name__
        raise outcome
    return outcome
