"""What an exporter is, and how a release can fare with one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, runtime_checkable

import msgspec
from google.protobuf.message import Message

from gateway.errors import Reason
from gateway.model import Release

LOGS: Final = "opentelemetry.proto.logs.v1.ResourceLogs"
"""The type of a log record's release: one record, with its resource and scope."""

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
