"""How a batch becomes requests: cut so that each fits, and halved where a vendor blames a request and not its items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from gateway.errors import Reason
from gateway.exporters.base import Outcome, Rejected, Retry

SendRequest = Callable[[Sequence[Any]], Awaitable["Sequence[Outcome] | Reason"]]
"""Sends one request and says how its items fared; or, where the answer blames them all together, the reason."""


def chunks(sizes: Sequence[int], max_items: int, max_bytes: int) -> Iterator[range]:
    """Places in runs of at most so many items and bytes. An item over `room` is alone."""
    start = used = 0
    for place, size in enumerate(sizes):
        if place > start and (place - start >= max_items or used + size > max_bytes):
            yield range(start, place)
            start, used = place, 0
        used += size
    if start < len(sizes):
        yield range(start, len(sizes))


async def send_bisecting(send: SendRequest, items: Sequence[Any]) -> Sequence[Outcome]:
    """How items fare when blame is narrowed down to single ones: those are Rejected.

    Once told to wait, the rest isn't sent.
    """
    blame = await send(items)
    if not isinstance(blame, Reason):
        return blame
    if len(items) == 1:
        return [Rejected(blame)]
    half = len(items) // 2
    first = await send_bisecting(send, items[:half])
    waits = next((outcome for outcome in first if isinstance(outcome, Retry)), None)
    return [*first, *([waits] * (len(items) - half) if waits is not None else await send_bisecting(send, items[half:]))]


async def send_in_requests(
    bodies: Sequence[bytes | Rejected], send: SendRequest, max_items: int, max_bytes: int
) -> list[Outcome]:
    """How bodies fare, sent in requests of at most so many items and bytes, one after the other, until the vendor says to wait."""
    places = [place for place, body in enumerate(bodies) if isinstance(body, bytes)]
    outcomes: list[Outcome] = [body if isinstance(body, Rejected) else Retry() for body in bodies]
    for run in chunks([len(bodies[place]) + 1 for place in places], max_items, max_bytes):  # type: ignore[arg-type]  # bytes, all of them
        fates = await send_bisecting(send, [bodies[places[index]] for index in run])
        for index, fate in zip(run, fates, strict=True):
            outcomes[places[index]] = fate
        waits = next((fate for fate in fates if isinstance(fate, Retry)), None)
        if waits is not None:
            for place in places[run.stop :]:
                outcomes[place] = waits
            break
    return outcomes
