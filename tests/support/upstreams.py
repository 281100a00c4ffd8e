"""Services behind the proxy: in this process, or in one of their own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import grpc

from tests.support.channels import TIMEOUT_SECONDS
from tests.support.contracts import contract, proto

ROOT: Final = Path(__file__).parents[2]

PROTO: Final = proto("""
message Item {
  string user_id = 1 @USER_ID;
  string left = 2 @NAME;
  string right = 3 @PHONE;
  string op = 4 @OPERATIONAL;
  bytes body = 5 @CONTENT;
}
service Echo {
  rpc One(Item) returns (Item);
  rpc Down(Item) returns (stream Item);
  rpc Up(stream Item) returns (Item);
  rpc Both(stream Item) returns (stream Item);
}
""")

SERVICE: Final = "t.Echo"

CALL_KINDS: Final[Mapping[str, str]] = {
    "One": "unary_unary",
    "Down": "unary_stream",
    "Up": "stream_unary",
    "Both": "stream_stream",
}
"""The methods, and gRPC's names of their kinds."""

SERVER_OPTIONS: Final = (("grpc.so_reuseport", 0),)

Behaviour = Callable[[Any, grpc.ServicerContext], Any]
"""Answers a call: bytes or an iterator of them, in and out."""


def item(**fields: Any) -> bytes:
    """A message that all methods take and give."""
    raw: bytes = contract(PROTO).message_class("t.Item")(**fields).SerializeToString()
    return raw


def parse_item(raw: bytes) -> Any:
    """The message that bytes hold."""
    return contract(PROTO).message_class("t.Item").FromString(raw)


@contextmanager
def serve_methods(
    *,
    port: int = 0,
    credentials: grpc.ServerCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    **behaviours: Behaviour,
) -> Iterator[int]:
    """Serve methods in this process; the port."""
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=(*SERVER_OPTIONS, *options))
    server.add_generic_rpc_handlers((_handlers(behaviours),))
    address = f"127.0.0.1:{port}"
    bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    server.start()
    try:
        yield bound
    finally:
        server.stop(None).wait()


def _handlers(behaviours: Mapping[str, Any]) -> grpc.GenericRpcHandler:
    made = {
        name: getattr(grpc, f"{CALL_KINDS[name]}_rpc_method_handler")(behaviour)
        for name, behaviour in behaviours.items()
    }
    return grpc.method_handlers_generic_handler(SERVICE, made)


class UnansweredCalls:
    """A behaviour that never answers.

    It counts the calls that came and those that were given up, and notes the time each had.
    """

    def __init__(self) -> None:
        self.remaining_seconds: list[float] = []
        self.arrived = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    def __call__(self, request: Any, context: grpc.ServicerContext) -> bytes:
        self._wait(context)
        return b""

    def answering(self, request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        """The same where answers stream, after the first of them."""
        yield item(op="first")
        self._wait(context)

    def _wait(self, context: grpc.ServicerContext) -> None:
        ended = threading.Event()
        context.add_callback(ended.set)
        self.remaining_seconds.append(context.time_remaining())
        self.arrived.release()
        assert ended.wait(TIMEOUT_SECONDS)
        self.cancelled.release()


class UpstreamProcess:
    """A service in a process of its own, which says back what it is told: `Down` without end, `Up` its last message."""

    def __init__(self, port: int) -> None:
        command = (sys.executable, "-m", "tests.support.upstreams", str(port))
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"listening\n"

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait(3 * TIMEOUT_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


async def _one(request: bytes, context: Any) -> bytes:
    return request


async def _down(request: bytes, context: Any) -> None:
    while True:
        await context.write(request)


async def _up(requests: AsyncIterator[bytes], context: Any) -> bytes:
    last = b""
    async for request in requests:
        last = request
    return last


async def _both(requests: AsyncIterator[bytes], context: Any) -> None:
    async for request in requests:
        await context.write(request)


async def _serve(port: str) -> None:
    server = grpc.aio.server(options=SERVER_OPTIONS)
    server.add_generic_rpc_handlers((_handlers({"One": _one, "Down": _down, "Up": _up, "Both": _both}),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
