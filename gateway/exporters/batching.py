"""How a batch becomes requests: cut so that each fits, and bisected where a vendor rejects one as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from gateway.errors import Rejected, Retryable
from gateway.exporters.base import Outcome

SendRequest = Callable[[Sequence[bytes]], Awaitable[Sequence[Outcome]]]
"""Sends one request and returns the outcome of each item. Raises Retryable or Rejected where that is everyone's."""


def chunks(sizes: Sequence[int], max_items: int, max_bytes: int) -> Iterator[range]:
    """Yield ranges of indices with at most so many items and bytes. An item over `max_bytes` is alone."""
    start = used = 0
    for index, size in enumerate(sizes):
        if index > start and (index - start >= max_items or used + size > max_bytes):
            yield range(start, index)
            start, used = index, 0
        used += size
    if start < len(sizes):
        yield range(start, len(sizes))


async def send_bisecting(send: SendRequest, items: Sequence[bytes]) -> Sequence[Outcome]:
    """Send items and return their outcomes. A request that is rejected is halved until the items at fault are alone.

    Once the recipient asks to wait, the rest isn't sent:

        [a b x c] rejected → [a b] delivered, [x c] rejected → [x] rejected, [c] delivered
    """
    try:
        return await send(items)
    except Retryable as error:
        return [error.with_traceback(None)] * len(items)
    except Rejected as error:
        if len(items) == 1:
            return [error.with_traceback(None)]
    half = len(items) // 2
    first = await send_bisecting(send, items[:half])
    wait = _first_retryable(first)
    return [*first, *([wait] * (len(items) - half) if wait is not None else await send_bisecting(send, items[half:]))]


async def send_in_requests(
    bodies: Sequence[bytes | Rejected], send: SendRequest, max_items: int, max_bytes: int
) -> list[Outcome]:
    """Send bodies in requests of at most so many items and bytes, one after the other, and return their outcomes.

    Once the vendor asks to wait, the rest isn't sent.
    """
    outcomes: list[Outcome] = [body if isinstance(body, Rejected) else Retryable() for body in bodies]
    items = [(index, body) for index, body in enumerate(bodies) if isinstance(body, bytes)]
    for chunk in chunks([len(body) + 1 for _, body in items], max_items, max_bytes):
        sent = await send_bisecting(send, [items[at][1] for at in chunk])
        for at, outcome in zip(chunk, sent, strict=True):
            outcomes[items[at][0]] = outcome
        wait = _first_retryable(sent)
        if wait is not None:
            for index, _ in items[chunk.stop :]:
                outcomes[index] = wait
            break
    return outcomes


def _first_retryable(outcomes: Iterable[Outcome]) -> Retryable | None:
    return next((outcome for outcome in outcomes if isinstance(outcome, Retryable)), None)
