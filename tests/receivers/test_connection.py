"""Connections of an HTTP server, on the loop that users run and on Python's own.

Each kind of idle and slow ends in time.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import pytest
import uvloop
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.receivers import body, connection
from gateway.receivers.body import ArrivingBodies, BodyTimeout
from gateway.receivers.connection import QUICK_SECONDS, Limits, Phase, surplus_connections
from gateway.receivers.web import HttpServer, Page
from tests.support.channels import TIMEOUT_SECONDS

LOOPS: Final = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}

SHORT: Final = 0.15
"""Seconds: a bound that is to be met."""

LONG: Final = 60.0
"""Seconds: one that isn't."""

LIMITS: Final = Limits(connections=100, idle=LONG, head=LONG, answer=LONG, linger=0.05)
GET: Final = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST: Final = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
LARGE: Final = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"

Scene = Callable[[], Awaitable[None]]


class Client:
    """The other end of a connection, which needn't read."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS, (source, 0))
        self._socket.setblocking(False)

    async def say(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def hear(self) -> bytes:
        """Some of what it says; nothing once it has hung up."""
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self._socket, 65536), TIMEOUT_SECONDS)
        except ConnectionError:
            return b""

    async def gone(self) -> bool:
        """Whether it hangs up, whatever it says before."""
        while await self.hear():
            pass
        return True

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._socket.close()


class Server:
    """A server, and what it is about."""

    def __init__(self, limits: Limits) -> None:
        self.cancelled = 0
        self.begun = asyncio.Event()
        self.may = asyncio.Event()
        self.server = HttpServer("test", self._answer, lambda status: Page(b"", "text/plain", status), limits)
        self.port = 0
        self._clients: list[Client] = []

    def client(self, source: str = "127.0.0.1") -> Client:
        self._clients.append(Client(self.port, source))
        return self._clients[-1]

    def open(self) -> int:
        """How many connections are open."""
        return len(self.server._runner.server.connections)  # type: ignore[union-attr]

    async def until(self, count: int) -> None:
        """Wait until so many are open."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while self.open() != count:  # noqa: ASYNC110 - aiohttp tells nobody
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.may.set()
        await self.server.stop()

    async def _answer(self, request: web.BaseRequest) -> Page:
        self.begun.set()
        try:
            return await self._page(request)
        except BodyTimeout:
            return Page(b"slow", "text/plain", last=True)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def _page(self, request: web.BaseRequest) -> Page:
        match request.raw_path:
            case "/wait":
                await self.may.wait()
            case "/large":
                return Page(bytes(20_000_000), "text/plain")
        return Page(await ArrivingBodies().received(request, 100), "text/plain")


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[Server]:
    server = Server(limits)
    server.port = int((await server.server.start("127.0.0.1:0")).rpartition(":")[2])
    try:
        yield server
    finally:
        await asyncio.wait_for(server.stop(), TIMEOUT_SECONDS)


@pytest.fixture(params=sorted(LOOPS))
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Runs a coroutine on a loop."""

    def running(scene: Any) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            runner.run(asyncio.wait_for(scene, 2 * TIMEOUT_SECONDS))

    return running


async def trickle(client: Client, data: bytes) -> None:
    """A byte at a time, until nobody listens."""
    for number in data:
        try:
            await client.say(bytes((number,)))
        except OSError:
            return
        await asyncio.sleep(0.02)


Kind = tuple[dict[str, float], Callable[[Client], Awaitable[None]]]


async def _nothing(client: Client) -> None:
    """Say nothing."""


def saying(data: bytes) -> Callable[[Client], Awaitable[None]]:
    return lambda client: client.say(data)


def trickling(start: bytes, data: bytes) -> Callable[[Client], Awaitable[None]]:
    async def talk(client: Client) -> None:
        await client.say(start)
        task = asyncio.create_task(trickle(client, data))
        assert await client.gone()
        await task

    return talk


async def _asking(client: Client) -> None:
    await client.say(GET)
    assert b"200 OK" in await client.hear()


async def _asking_and_beginning_another(client: Client) -> None:
    await _asking(client)
    await client.say(GET[:9])


async def _half_closing(client: Client) -> None:
    await client.say(GET[:-2])
    client.half_close()


async def _half_closing_behind_a_request(client: Client) -> None:
    await client.say(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
    client.half_close()


async def _half_closing_before_an_answer_is_read(client: Client) -> None:
    await client.say(LARGE)
    await client.hear()
    client.half_close()


KINDS: Final[dict[str, Kind]] = {
    "nothing": ({"idle": SHORT}, _nothing),
    "an end of line": ({"head": SHORT}, saying(b"\r\n")),
    "ends of lines, on and on": ({"head": SHORT}, trickling(b"", b"\r\n" * 1000)),
    "half a request line": ({"head": SHORT}, saying(b"GET /")),
    "a request line, slowly": ({"head": SHORT}, trickling(b"", b"GET /" + b"a" * 900)),
    "half a head": ({"head": SHORT}, saying(GET[:-2])),
    "fields that don't end": ({"head": SHORT}, trickling(GET[:-2], b"x: 1\r\n" * 50)),
    "a request, and nothing": ({"idle": SHORT}, _asking),
    "a request, and half another": ({"head": SHORT}, _asking_and_beginning_another),
    "no body": ({"body": SHORT}, saying(POST)),
    "a body, slowly": ({"body": SHORT}, trickling(POST[:-6] + b"99\r\n\r\n", b"a" * 99)),
    "a chunk, slowly": (
        {"body": SHORT},
        trickling(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 99),
    ),
    "an answer that isn't read": ({"answer": SHORT}, saying(LARGE)),
    "answers that aren't read": ({"answer": SHORT}, saying(LARGE * 5)),
    "a request behind an answer that isn't read": ({"answer": SHORT}, saying(LARGE + GET * 30)),
    "anything, but too long": ({"life": SHORT}, trickling(b"", GET * 100)),
    "half a head, and half closed": ({}, _half_closing),
    "a request, and half closed": ({}, _half_closing_behind_a_request),
    "an answer that isn't read, and half closed": ({"answer": SHORT}, _half_closing_before_an_answer_is_read),
}
"""What a client does, and the one bound that ends it; without one it ends at once."""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_kind_of_idle_and_slow_ends(
    kind: Kind, run: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds, talk = kind
    monkeypatch.setattr(body, "MAX_BODY_SECONDS", bounds.get("body", LONG))
    limits = msgspec.structs.replace(LIMITS, **{name: bound for name, bound in bounds.items() if name != "body"})

    async def scene() -> None:
        async with serving(limits) as server:
            await talk(server.client())
            await server.until(0)

    run(scene())


def test_an_answer_that_is_being_made_is_not_cut_off(run: Callable[[Any], None]) -> None:
    """Whatever else is bounded."""
    limits = msgspec.structs.replace(LIMITS, idle=SHORT / 3, head=SHORT / 3, answer=SHORT / 3)

    async def scene() -> None:
        async with serving(limits) as server:
            client = server.client()
            await client.say(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(SHORT)
            server.may.set()
            assert b"200 OK" in await client.hear()

    run(scene())


def test_a_caller_that_hangs_up_ends_its_call(run: Callable[[Any], None]) -> None:
    async def scene() -> None:
        async with serving(LIMITS) as server:
            client = server.client()
            await client.say(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await server.begun.wait()
            client.close()
            await server.until(0)
            assert server.cancelled == 1

    run(scene())


def test_of_too_many_the_idle_ones_go_and_none_that_asks(
    run: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "QUICK_SECONDS", LONG)

    async def scene() -> None:
        async with serving(msgspec.structs.replace(LIMITS, connections=10)) as server:
            busy, begun = server.client(), server.client()
            await busy.say(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.say(GET[:-2])
            await server.until(2)
            flood = [server.client() for _ in range(100)]
            quick = server.client()
            await quick.say(GET)
            assert b"200 OK" in await quick.hear()
            await server.until(10)
            await begun.say(GET[-2:])
            assert b"200 OK" in await begun.hear()
            server.may.set()
            assert b"200 OK" in await busy.hear()
            assert await flood[0].gone()

    run(scene())


def test_no_connection_waits_for_another_to_be_read(run: Callable[[Any], None]) -> None:
    async def scene() -> None:
        async with serving(LIMITS) as server:
            for _ in range(5):
                await server.client().say(LARGE)
            other = server.client()
            await other.say(GET)
            assert b"200 OK" in await other.hear()

    run(scene())


NOW: Final = 10.0
"""By the loop's time."""


class One(msgspec.Struct, eq=False):
    """A connection as far as making room goes."""

    phase: Phase
    since: float
    answers: int = 0
    peer: str = ""


def gone(connections: Sequence[One], most: int) -> list[int]:
    """Which make room, by their places."""
    spared: Any = surplus_connections(connections, most, NOW)  # type: ignore[arg-type]
    return [connections.index(one) for one in spared]


@pytest.mark.parametrize(
    ("connections", "expected"),
    [
        ([], []),
        ([One(Phase.IDLE, 1)], []),
        ([One(Phase.IDLE, 2), One(Phase.IDLE, 1)], [1]),
        ([One(Phase.HEAD, 1), One(Phase.IDLE, 2)], [1]),
        ([One(Phase.ANSWERED, 1), One(Phase.HEAD, 2)], [1]),
        ([One(Phase.HEAD, 1), One(Phase.ENDING, 2)], [1]),
        ([One(Phase.ENDING, 1), One(Phase.IDLE, 2)], [1]),
        ([One(Phase.ENDING, 1), One(Phase.IDLE, NOW - QUICK_SECONDS / 2)], [0]),
        ([One(Phase.HEAD, 1), One(Phase.IDLE, NOW - QUICK_SECONDS / 2)], [0]),
        ([One(Phase.HEAD, NOW - QUICK_SECONDS / 2), One(Phase.IDLE, NOW - QUICK_SECONDS / 3)], [1]),
        ([One(Phase.ANSWERED, 1), One(Phase.HEAD, NOW - QUICK_SECONDS / 2)], [1]),
        ([One(Phase.ANSWERED, 1), One(Phase.IDLE, NOW - QUICK_SECONDS / 2)], [1]),
        ([One(Phase.BUSY, 1), One(Phase.ANSWERED, 2)], [1]),
        ([One(Phase.IDLE, 1, answers=1), One(Phase.IDLE, 2)], [1]),
        ([One(Phase.IDLE, 1, answers=1), One(Phase.IDLE, 2, answers=9)], [0]),
        ([One(Phase.IDLE, 1, peer="a"), One(Phase.IDLE, 2, peer="b"), One(Phase.IDLE, 3, peer="b")], [1, 0]),
        ([One(Phase.IDLE, 1, peer="b"), One(Phase.BUSY, 2, peer="a"), One(Phase.IDLE, 3, peer="a")], [0, 2]),
    ],
)
def test_connections_make_room_in_order(connections: list[One], expected: list[int]) -> None:
    assert gone(connections, 1) == expected


@pytest.mark.parametrize("crowd", [Phase.IDLE, Phase.HEAD])
@pytest.mark.parametrize("asking", [Phase.IDLE, Phase.HEAD])
def test_who_came_last_stays_whatever_a_crowd_has_said(crowd: Phase, asking: Phase) -> None:
    crowded = [One(crowd, NOW - QUICK_SECONDS / 2 + number / 10_000) for number in range(100)]
    left = gone([*crowded, One(asking, NOW)], 40)
    assert len(left) == 61
    assert 100 not in left


def test_who_has_begun_to_ask_stays_while_a_crowd_only_waits() -> None:
    waiting = [One(Phase.IDLE, NOW - QUICK_SECONDS / 2 + number / 10_000) for number in range(100)]
    assert 0 not in gone([One(Phase.HEAD, NOW - QUICK_SECONDS * 0.9), *waiting], 40)


@given(
    st.lists(
        st.builds(One, st.sampled_from(Phase), st.floats(0, 9), st.integers(0, 1), st.sampled_from("abc")), max_size=12
    ),
    st.integers(0, 12),
)
def test_no_more_make_room_than_have_to_and_none_that_is_answered_before_others(
    connections: list[One], most: int
) -> None:
    left = gone(connections, most)
    assert len(left) == len(set(left)) == max(0, len(connections) - most)
    stay = [one for number, one in enumerate(connections) if number not in left]
    for one, other in itertools.product((connections[number] for number in left), stay):
        assert one.phase <= max(other.phase, Phase.HEAD)
