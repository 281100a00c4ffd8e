"""gRPC reflection: a listener's services, the types of the contracts in force, and those of an error's details.

It says what a message looks like and how its fields are annotated, and nothing of the policy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeVar

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.reflection import aio
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest

from gateway.errors import ItemReason, Refused
from gateway.receivers.guard import Guard, Method
from gateway.receivers.incoming import Context, Incoming

T = TypeVar("T")

MAX_CALLS: Final = 8
"""Calls of reflection at once."""

REFLECTION: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
"""The two names of one service.

Their messages are the same on the wire (https://github.com/grpc/proposal/blob/master/A15-promote-reflection.md).
"""

DETAILS: Final[tuple[FileDescriptor, ...]] = (error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)
"""The files of what a status holds: a client reads `google.rpc.ErrorInfo` by them."""

Contracts = Callable[[], DescriptorPool]
"""The pool of the contracts in force."""


class Reflection:
    """Tells of the services with the given names, and of the contracts' types, to be sent in an `Any`."""

    def __init__(self, names: Iterable[str], contracts: Contracts | None = None) -> None:
        """Raises KeyError if a service's module isn't imported."""
        services = tuple(names)
        pools = _Pools(_pool(services), contracts)
        self._servicer = aio.ReflectionServicer((*services, *REFLECTION), pools)
        self._guard = Guard(MAX_CALLS)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Have a server answer, under both names."""
        methods: dict[str, Method] = {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(self._guard.relay(self._info))
        }
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, methods) for name in REFLECTION)
        )

    async def _info(self, requests: Incoming, context: Context) -> None:
        async for answer in self._servicer.ServerReflectionInfo(_questions(requests), context):
            await context.write(answer.SerializeToString())


async def _questions(requests: AsyncIterator[bytes]) -> AsyncIterator[ServerReflectionRequest]:
    async for raw in requests:
        try:
            yield ServerReflectionRequest.FromString(raw)
        except DecodeError:
            raise Refused(ItemReason.MALFORMED) from None


class _Pools:
    """The gateway's own files, then those of the contracts in force.

    One pool would not take another version of a file that both have.
    """

    def __init__(self, own: DescriptorPool, contracts: Contracts | None) -> None:
        self._own = own
        self._contracts = contracts

    def _all(self) -> tuple[DescriptorPool, ...]:
        return (self._own,) if self._contracts is None else (self._own, self._contracts())

    def _first(self, find: Callable[[DescriptorPool], T]) -> T:
        """Return what the first pool that has it finds. Raises KeyError where none has it."""
        *others, last = self._all()
        for pool in others:
            try:
                return find(pool)
            except KeyError:
                continue
        return find(last)

    def FindFileByName(self, name: str) -> FileDescriptor:
        """Return a file by its name, as DescriptorPool does."""
        return self._first(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:
        """Return the file of a symbol, as DescriptorPool does."""
        return self._first(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Descriptor:
        """Return a message type, as DescriptorPool does."""
        return self._first(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Descriptor, number: int) -> FieldDescriptor:
        """Return the extension of the type with the message's name, as DescriptorPool does."""
        name = message.full_name
        return self._first(lambda pool: pool.FindExtensionByNumber(pool.FindMessageTypeByName(name), number))

    def FindAllExtensions(self, message: Descriptor) -> list[FieldDescriptor]:
        """Return the extensions of a type in all pools, as DescriptorPool does."""
        found: dict[int, FieldDescriptor] = {}
        for pool in self._all():
            try:
                extensions = pool.FindAllExtensions(pool.FindMessageTypeByName(message.full_name))
            except KeyError:
                continue
            found = {**{field.number: field for field in extensions}, **found}
        return [*found.values()]


def _pool(names: Iterable[str]) -> DescriptorPool:
    """Return a pool with the files of these services, of an error's details, and what they import."""
    pool, files = DescriptorPool(), dict[str, FileDescriptor]()
    for file in (*(descriptor_pool.Default().FindServiceByName(name).file for name in names), *DETAILS):
        _gather(file, files)
    for file in files.values():
        pool.AddSerializedFile(file.serialized_pb)
    return pool


def _gather(file: FileDescriptor, files: dict[str, FileDescriptor]) -> None:
    """Add a file to `files`, after those it imports."""
    for imported in file.dependencies:
        if imported.name not in files:
            _gather(imported, files)
    files.setdefault(file.name, file)
