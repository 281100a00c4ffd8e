"""The authority of a call is read as it came, over a real server, and never guessed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio

from gateway.receivers.proxy.authority import Unreadable, authority
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

INLINED: Final = 23
"""gRPC's slices hold as many bytes themselves: around that, the two forms meet."""


class Noting(grpc.GenericRpcHandler):
    """Answers each call with its authority, read by the path that it has, or by another."""

    def __init__(self) -> None:
        self.other: str | None = None
        self.read: list[str | None] = []
        self.port = 0

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        path: str = details.method if self.other is None else self.other

        async def note(request: bytes, context: Any) -> bytes:
            try:
                self.read.append(authority(context, path))
            except Unreadable:
                self.read.append(None)
            return request

        return grpc.unary_unary_rpc_method_handler(note)

    async def of(self, host: str, path: str, *, believed: str | None = None) -> str | None:
        """What a call is read as."""
        self.other, self.read = believed, []
        options = [*CHANNEL_OPTIONS, ("grpc.default_authority", host)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            method: Any = channel.unary_unary(path)
            await method(b"", timeout=TIMEOUT_SECONDS)
        return self.read[0]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Noting]:
    noting, server = Noting(), grpc.aio.server()
    server.add_generic_rpc_handlers((noting,))
    noting.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield noting
    await server.stop(None)


def host(length: int) -> str:
    """A host of this length, hardly two alike."""
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))


LENGTHS: Final = (*range(1, 70), 100, 126, 127, 128, 129, 200, 253, 254, 255, 256, 257, 300)
PATHS: Final = tuple(f"/{'S' * (length - 3)}/M" for length in (4, 21, 22, INLINED, 24, 25, 63, 64, 250, 256, 279))


async def test_an_authority_of_any_length_is_read(server: Noting) -> None:
    for length in LENGTHS:
        given = host(length)
        assert await server.of(given, "/t.Talk/One") == given


@pytest.mark.parametrize("path", PATHS, ids=len)
@pytest.mark.parametrize("length", [1, 22, INLINED, 24, 255, 300])
async def test_beside_a_path_of_any_length(length: int, path: str, server: Noting) -> None:
    given = host(length)
    assert await server.of(given, path) == given


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Own.EXAMPLE", "own.example"),
        ("own.example:443", "own.example:443"),
        ("[::1]:443", "[::1]:443"),
        ("ana@own.example", "ana@own.example"),
        ("own.example.", "own.example."),
    ],
)
async def test_it_is_read_as_it_stands_in_lower_case(given: str, expected: str, server: Noting) -> None:
    assert await server.of(given, "/t.Talk/One") == expected


@pytest.mark.parametrize("path", PATHS, ids=len)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path + "x", id="longer"),
        pytest.param(lambda path: path[:-1], id="shorter"),
        pytest.param(lambda path: path[:-1] + "N", id="as long"),
        pytest.param(lambda path: "", id="empty"),
    ],
)
async def test_where_the_method_is_not_the_calls_nothing_is_read(path: str, change: Any, server: Noting) -> None:
    assert await server.of("own.example", path, believed=change(path)) is None


async def test_what_is_no_context_is_not_read() -> None:
    with pytest.raises(Unreadable):
        authority(object(), "/t.Talk/One")  # type: ignore[arg-type]


class RPCState:
    """Named as grpcio's, and much smaller."""


async def test_a_smaller_state_is_not_read() -> None:
    class Context:
        __slots__ = ("state",)

        def __init__(self) -> None:
            self.state = RPCState()

    with pytest.raises(Unreadable):
        authority(Context(), "/t.Talk/One")  # type: ignore[arg-type]
