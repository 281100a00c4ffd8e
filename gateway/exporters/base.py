"""What an exporter is, and how an entry can fare with one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from google.protobuf.message import Message

from gateway.errors import CallReason, Permanent, Reason, Retryable
from gateway.model import OutboxEntry

log = logging.getLogger(__name__)

MessageClass = Callable[[str], type[Message]]
"""The class of the message type with this full name; raises KeyError."""


class Delivered(msgspec.Struct, frozen=True):
    """The recipient has it: as safely as the exporter's docstring says."""


class Retry(msgspec.Struct, frozen=True):
    """The recipient can't take it now. `after` is in seconds; None leaves it to the caller.

    `alone`: it is this one that can't be taken yet; the recipient is well, and others are.
    """

    after: float | None = None
    item_only: bool = False


class Rejected(msgspec.Struct, frozen=True):
    """The recipient will never take it."""

    reason: Reason


Outcome = Delivered | Retry | Rejected

DELIVERED: Final = Delivered()


class BatchLimits(msgspec.Struct, frozen=True):
    """How much goes into one batch: entries, and bytes of payloads, where one entry may be larger.

    `at_once` batches may be under way. A batch that could be larger is waited for, `linger` seconds at most.
    """

    max_items: int = 500
    max_bytes: int = 2 * 1024 * 1024
    max_in_flight: int = 4
    linger_seconds: float = 0.0


class Exporter(Protocol):
    """Sends batches to one recipient. An author writes `send`, and `close` where something is held open."""

    limits: BatchLimits

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Send entries and say how each fared: as many outcomes, in the same order.

        Several calls may be under way at once. Raises Retryable or Permanent when the whole batch fared alike.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held open. What is sent afterwards raises Retryable. Closing again does nothing."""
        ...


@runtime_checkable
class ImmediateExporter(Protocol):
    """An exporter that keeps nothing and never waits says so by having `settle` too: nothing is stored for it."""

    def consume(self, batch: Sequence[OutboxEntry]) -> None:
        """Take entries, at once. Raises nothing."""
        ...


def indices_by_type(batch: Sequence[OutboxEntry]) -> Mapping[str, Sequence[int]]:
    """Where the entries of each type stand in a batch."""
    types = {entry.release.type for entry in batch}
    if len(types) == 1:
        return {types.pop(): range(len(batch))}
    indices: dict[str, list[int]] = {}
    for index, entry in enumerate(batch):
        indices.setdefault(entry.release.type, []).append(index)
    return indices


async def send_batch(exporter: Exporter, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
    """How each entry of a batch, which is not empty, fares with an exporter, whatever the exporter does.

    Raises nothing of its.
    """
    destination = batch[0].release.destination
    try:
        outcomes: Any = await exporter.send(batch)
    except Retryable as error:
        return [Retry(error.after)] * len(batch)
    except Permanent as error:
        return [Rejected(error.reason)] * len(batch)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return _exporter_failed(destination, type(error).__name__, batch)
    except Exception as error:  # noqa: BLE001 - whatever the exporter's fault is
        # Not its text, nor a traceback that ends in it: both may hold values.
        return _exporter_failed(destination, type(error).__name__, batch)
    if (
        not isinstance(outcomes, Sequence)
        or len(outcomes) != len(batch)
        or not all(isinstance(one, Outcome) for one in outcomes)
    ):
        return _exporter_failed(destination, f"it doesn't say how each of {len(batch)} entries went", batch)
    told: Sequence[Outcome] = outcomes
    return told


def _exporter_failed(destination: str, why: str, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
    log.error("%s: the exporter failed: %s", destination, why)
    return [Rejected(CallReason.INTERNAL)] * len(batch)
