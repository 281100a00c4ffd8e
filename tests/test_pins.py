"""Why some dependencies have an upper bound: each test fails with the versions that the bound keeps out.

And what stands in for something that a dependency lacks: that test fails with the version that has it.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

import grpc
import pytest
from grpc._cython import cygrpc

from tests.http2 import HEADERS, RST_STREAM, SECONDS, request

SERVER: Final = """
import asyncio
import grpc

async def echo(request, context):
    return request

async def main():
    server = grpc.aio.server()
    handlers = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


@pytest.fixture
def port() -> Iterator[int]:
    """A grpc.aio server in a process of its own, which a broken one ends."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            assert select.select([server.stdout], [], [], SECONDS)[0], "the server doesn't start"
            yield int(server.stdout.readline())
        finally:
            server.kill()


@pytest.mark.parametrize("path", [b"/test.Echo/\xff", b"/\xc3\x28/Echo", b"/\xed\xa0\x80/Echo"], ids=["byte", "sequence", "surrogate"])
def test_a_path_that_is_not_utf8_does_not_end_the_server(port: int, path: bytes) -> None:
    assert call(port) == b"before"
    assert request(port, path)[0] in {HEADERS, RST_STREAM}
    assert call(port, b"after") == b"after"


def call(port: int, payload: bytes = b"before") -> bytes:
    """An ordinary call."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        echo: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Echo")
        return echo(payload, timeout=SECONDS)


@pytest.mark.parametrize("context", [grpc.aio.ServicerContext, cygrpc._ServicerContext], ids=["as documented", "as it is"])
def test_a_context_does_not_show_the_authority(context: type) -> None:
    """Where it does (grpc issue 38906), gateway/receivers/proxy/authority.py can go."""
    assert [name for name in dir(context) if "authority" in name or "host" in name] == []
