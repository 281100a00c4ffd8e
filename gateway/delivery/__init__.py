"""How releases reach their exporters; decided before, sent elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.model import Release


class Delivery(Protocol):
    """Takes responsibility for releases, or says that it doesn't."""

    async def accept(self, releases: Sequence[Release]) -> None:
        """Returns when all releases are safe: with their recipients, or stored for them.

        Raises Retryable when sending the same again may help (FULL: nothing was begun), Permanent when it won't, and Refused when
        they can't be taken as they are: together too large, or for a destination that nothing delivers to.
        """
        ...

    async def close(self, within: float) -> None:
        """Take no more, let what is under way settle for `within` seconds at most, and let go. What is offered later raises Retryable."""
        ...
