"""What a call needs to know of traces. What makes spans, where traces are on: `tracer.py`."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

import grpc
import msgspec

if TYPE_CHECKING:
    from opentelemetry.trace import Span

SERVICE_NAME: Final = "kannelle-privacy-gateway"

current_span: Final[ContextVar[Span | None]] = ContextVar("span", default=None)
"""The span of the call that runs; None where traces are off, or the call has none."""

Metadata = Iterable[tuple[str, str | bytes]]
"""A call's metadata, pair by pair."""


class RpcMethod(msgspec.Struct, frozen=True):
    """A method that is known: of the gateway's own, or of a contract."""

    service: str
    method: str

    @staticmethod
    def of(path: str) -> RpcMethod:
        """The method with this path, `/pkg.Service/Method`."""
        service, _, method = path[1:].rpartition("/")
        return RpcMethod(service, method)


class CallSpan(Protocol):
    """The span of one call while it lasts. What runs in its task can tell of it."""

    def end(self, code: int) -> None:
        """End the span with the gRPC code of its call."""
        ...


class CallTracer(Protocol):
    """Begins the spans of calls."""

    def begin(self, method: RpcMethod | None, traceparent: str) -> CallSpan:
        """Begin the span of a call; None for a method that is unknown, and what its caller says, if anything."""
        ...

    async def close(self) -> None:
        """Send what waits, and end."""
        ...


def set_item_count(count: int) -> None:
    """Note on the span of the current call how many items it has."""
    if (span := current_span.get()) is not None:
        span.set_attribute("privacy_gateway.items", count)


def traceparent(metadata: Metadata | None) -> str:
    """What a call's metadata says of its caller's span; empty where it says nothing, or more than one thing."""
    found = [value for key, value in metadata or () if key == "traceparent"]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else ""


def code_number(code: grpc.StatusCode) -> int:
    """A code as it stands on the wire."""
    value: int = code.value[0]
    return value
