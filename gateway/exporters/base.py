"""What an exporter is, and how a release can fare with one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec
from google.protobuf.message import Message

from gateway.errors import Permanent, Reason, Retryable
from gateway.model import Release

log = logging.getLogger(__name__)

MessageClass = Callable[[str], type[Message]]
"""The class of the message type with this full name; raises KeyError."""


class Delivered(msgspec.Struct, frozen=True):
    """The recipient has it: as safely as the exporter's docstring says."""


class Retry(msgspec.Struct, frozen=True):
    """The recipient can't take it now. `after` is in seconds; None leaves it to the caller."""

    after: float | None = None


class Rejected(msgspec.Struct, frozen=True):
    """The recipient will never take it."""

    reason: Reason


Outcome = Delivered | Retry | Rejected

DELIVERED: Final = Delivered()


class Exporter(Protocol):
    """Sends batches to one recipient. An author writes `send`, and `close` where something is held open."""

    async def send(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """Send releases and say how each fared: as many outcomes, in the same order.

        Several calls may be under way at once. Raises Retryable or Permanent when the whole batch fared alike.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held open. What is sent afterwards raises Retryable. Closing again does nothing."""
        ...


@runtime_checkable
class Immediate(Protocol):
    """An exporter that never waits says so by having `settle` too: a delivery then needs no task to send a batch."""

    def settle(self, batch: Sequence[Release]) -> Sequence[Outcome]:
        """The outcomes of `send`, at once. Raises nothing."""
        ...


def by_type(batch: Sequence[Release]) -> Mapping[str, Sequence[int]]:
    """Where the releases of each type stand in a batch."""
    types = {release.type for release in batch}
    if len(types) == 1:
        return {types.pop(): range(len(batch))}
    places: dict[str, list[int]] = {}
    for place, release in enumerate(batch):
        places.setdefault(release.type, []).append(place)
    return places


async def fare(exporter: Exporter, batch: Sequence[Release]) -> Sequence[Outcome]:
    """How each release of a batch, which is not empty, fares with an exporter, whatever the exporter does. Raises nothing of its."""
    destination = batch[0].destination
    try:
        outcomes = await exporter.send(batch)
    except Retryable as error:
        return [Retry(error.after)] * len(batch)
    except Permanent as error:
        return [Rejected(error.reason)] * len(batch)
    except Exception as error:  # noqa: BLE001 - whatever the exporter's fault is
        # Not its text, nor a traceback that ends in it: both may hold values.
        log.error("%s: the exporter failed: %s", destination, type(error).__name__)
        return [Rejected(Reason.INTERNAL)] * len(batch)
    if len(outcomes) != len(batch):
        log.error("%s: the exporter gave %d outcomes for %d releases", destination, len(outcomes), len(batch))
        return [Rejected(Reason.INTERNAL)] * len(batch)
    return outcomes
