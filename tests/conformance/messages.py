"""What the interop cases say: messages by name, and payloads of zeros.

Their protos are in `protos/`; nothing generated is kept.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor

from gateway.contracts.contract import Contract
from gateway.contracts.load import load

PROTOS: Final = Path(__file__).parent / "protos"
PACKAGE: Final = "grpc.testing"
INITIAL: Final = "x-grpc-test-echo-initial"
TRAILING: Final = "x-grpc-test-echo-trailing-bin"


def message(name: str, **fields: Any) -> Any:
    """A message of the interop protos."""
    return _contract().message_class(f"{PACKAGE}.{name}")(**fields)


def payload(size: int) -> Any:
    """So many zeros."""
    return message("Payload", body=bytes(size))


def flag(value: bool) -> Any:
    """A flag that can also be left out."""
    return message("BoolValue", value=value)


def method(name: str) -> MethodDescriptor:
    """A method by its service's name and its own: `TestService/EmptyCall`."""
    found: MethodDescriptor = _contract().pool.FindMethodByName(f"{PACKAGE}.{name.replace('/', '.')}")
    return found


def kind(of: MethodDescriptor) -> str:
    """What grpcio calls the kind of such calls."""
    return "_".join("stream" if streams else "unary" for streams in (of.client_streaming, of.server_streaming))


def reader(type: str) -> Any:
    """Reads a message of this full name."""
    return _contract().message_class(type).FromString


def write(given: Any) -> bytes:
    """A message's bytes."""
    data: bytes = given.SerializeToString()
    return data


@cache
def _contract() -> Contract:
    return load([PROTOS])
