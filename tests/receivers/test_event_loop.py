"""gRPC hears of all operations that have ended at one go, and misses none."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import pytest
import uvloop

from gateway.receivers.event_loop import CompletionReader, EventLoop, reads_completions

PROGRAM: Final = """
import asyncio, grpc
from functools import partial
from gateway.receivers.event_loop import EventLoop, reads_completions

class Loop(EventLoop):
    known = 0

    def add_reader(self, fd, callback, *args):
        if reads_completions(callback):
            Loop.known += 1
        super().add_reader(fd, callback, *args)

class Every(grpc.GenericRpcHandler):
    def service(self, details):
        async def answer(request, context):
            return request
        return grpc.unary_unary_rpc_method_handler(answer)

async def main():
    server = grpc.aio.server(handlers=[Every()])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
        call = channel.unary_unary("/a.B/C")
        for at_once in (1, 64, 1, 64):
            sent = [bytes([number]) for number in range(at_once)]
            assert await asyncio.gather(*map(partial(call, timeout=30), sent)) == sent
    await server.stop(0)
    print(Loop.known)

with asyncio.Runner(loop_factory=Loop) as runner:
    runner.run(main())
"""


class PollerCompletionQueue:
    """As gRPC's own: each call reads one byte, and deals with all that has ended."""

    def __init__(self) -> None:
        self.reading, self.writing = socket.socketpair()
        self.ended: list[int] = []
        self.rounds: list[list[int]] = []

    def end(self, *operations: int) -> None:
        """Let operations end: each is there before its byte is."""
        for operation in operations:
            self.ended.append(operation)
            self.writing.send(b"1")

    def handle_events(self, loop: object) -> None:
        assert self.reading.recv(1) == b"1"
        self.rounds.append(self.ended.copy())
        self.ended.clear()


@pytest.fixture
def queue() -> Iterator[PollerCompletionQueue]:
    one = PollerCompletionQueue()
    with one.reading, one.writing:
        one.reading.settimeout(10)
        yield one


@pytest.mark.parametrize("rounds", [[[1]], [[1, 2]], [[*range(9)], [9]], [[1], [2], [3, 4, 5]]])
def test_what_has_ended_together_takes_one_round(rounds: list[list[int]], queue: PollerCompletionQueue) -> None:
    reader = CompletionReader(queue.reading, partial(queue.handle_events, None))
    for operations in rounds:
        queue.end(*operations)
        reader.read()
    assert queue.rounds == rounds
    queue.reading.setblocking(False)
    with pytest.raises(BlockingIOError):
        queue.reading.recv(1)


def test_what_ends_while_others_are_dealt_with_has_a_round_of_its_own(queue: PollerCompletionQueue) -> None:
    def handle() -> None:
        queue.handle_events(None)
        if len(queue.rounds) == 1:
            queue.end(3)

    reader = CompletionReader(queue.reading, handle)
    queue.end(1, 2)
    reader.read()
    reader.read()
    assert queue.rounds == [[1, 2], [3]]


def test_any_other_reader_is_called_as_it_wants_to_be(queue: PollerCompletionQueue) -> None:
    loop, read = EventLoop(), list[bytes]()

    def one(count: int) -> None:
        read.append(queue.reading.recv(count))
        if len(read) == 3:
            loop.stop()

    try:
        loop.add_reader(queue.reading, one, 1)
        queue.end(1, 2, 3)
        loop.run_forever()
        loop.remove_reader(queue.reading)
    finally:
        loop.close()
    assert read == [b"1"] * 3


def test_the_loop_deals_with_all_at_once(queue: PollerCompletionQueue) -> None:
    loop = EventLoop()
    try:
        loop.add_reader(queue.reading, partial(queue.handle_events, loop))
        queue.end(*range(5))
        loop.call_later(0, lambda: loop.call_soon(loop.stop))
        loop.run_forever()
        loop.remove_reader(queue.reading)
    finally:
        loop.close()
    assert queue.rounds == [[*range(5)]]


@pytest.mark.parametrize(
    "callback",
    [print, partial(print), partial("".join, ()), uvloop.Loop.close],
    ids=["function", "partial", "method", "loop"],
)
def test_nothing_else_is_taken_for_it(callback: Callable[..., Any]) -> None:
    assert not reads_completions(callback)


def test_grpc_is_known_and_answers_every_call() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
