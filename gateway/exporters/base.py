"""What an exporter is, and the outcome of each entry that it sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec
from google.protobuf.message import Message

from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, Rejected, Retryable

log = logging.getLogger(__name__)

MessageClass = Callable[[str], type[Message]]
"""The class of the message type with this full name; raises KeyError."""


class Delivered(msgspec.Struct, frozen=True):
    """The recipient has it: as safely as the exporter's docstring says."""


Outcome = Delivered | Retryable | Rejected
"""What became of one entry."""

DELIVERED: Final = Delivered()


class BatchLimits(msgspec.Struct, frozen=True):
    """How much goes into one batch: entries, and bytes of payloads, where one entry may be larger.

    `max_in_flight` batches may be under way; with 0, nothing is sent for now. A batch that could be larger is waited
    for, `linger_seconds` at most.
    """

    max_items: int = 512
    max_bytes: int = 2 * 1024 * 1024
    max_in_flight: int = 4
    linger_seconds: float = 0.0


class Exporter(Protocol):
    """Sends batches to one recipient. An author writes `send`, and `close` where something is kept open."""

    @property
    def limits(self) -> BatchLimits:
        """How much it takes at the moment."""
        ...

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Send entries and return the outcome of each: as many, in the same order, those of one batch after another's.

        Several calls may be under way at once. Raises Retryable or Rejected where that is the outcome of them all.
        """
        ...

    async def close(self) -> None:
        """Close what is open. What is sent afterwards raises Retryable. Closing again does nothing."""
        ...


@runtime_checkable
class ImmediateExporter(Protocol):
    """An exporter that keeps nothing and never waits has `consume` too: nothing is stored for it."""

    def consume(self, batches: Sequence[EntryBatch]) -> None:
        """Take entries, at once. Raises nothing."""
        ...


def count_entries(batches: Iterable[EntryBatch]) -> int:
    """Return how many entries batches have together."""
    return sum(map(len, batches))


def all_delivered(outcomes: Sequence[Outcome]) -> bool:
    """Return whether all are `DELIVERED`: most often they are, and then nothing need be done for each."""
    return outcomes.count(DELIVERED) == len(outcomes)


async def send_batches(exporter: Exporter, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
    """Send batches, which aren't empty, and return the outcome of each entry, whatever the exporter does.

    Raises nothing of the exporter's.
    """
    destination, count = batches[0].destination, count_entries(batches)
    try:
        outcomes = await exporter.send(batches)
    except (Retryable, Rejected) as error:
        # Without its traceback, whose frames hold the batches.
        return [error.with_traceback(None)] * count
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _exporter_failed(destination, type(error).__name__, count)
    except Exception as error:  # noqa: BLE001 - whatever the exporter's fault is
        # Not its text, nor a traceback that ends in it: both may hold values.
        return _exporter_failed(destination, type(error).__name__, count)
    if not _is_complete(outcomes, count):
        return _exporter_failed(destination, f"it doesn't say how each of {count} entries fared", count)
    return outcomes


def _is_complete(outcomes: object, count: int) -> bool:
    """Return whether an exporter kept to its protocol: one outcome for each entry."""
    return (
        isinstance(outcomes, Sequence)
        and len(outcomes) == count
        and (all_delivered(outcomes) or all(isinstance(outcome, Outcome) for outcome in outcomes))
    )


def _exporter_failed(destination: str, why: str, count: int) -> Sequence[Outcome]:
    log.error("%s: the exporter failed: %s", destination, why)
    return [Rejected(CallReason.INTERNAL)] * count
