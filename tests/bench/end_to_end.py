"""The gateway as a process, against a bare grpc.aio handler: CPU time of the server's process for a request."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import msgspec
import uvloop
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventsRequest, TrackEventsResponse

from gateway.app import Gateway
from gateway.config import Config, Listeners, Local
from gateway.loading import load_all
from gateway.policy.document import Exporter, JsonlExporter, NullExporter
from tests.bench.bare import OPTIONS
from tests.bench.process import Server, running
from tests.bench.samples import event

METHOD = "/kannelle.privacy.v1.AnalyticsService/TrackEvents"
ROUNDS = 7
REQUESTS = 2000
AT_ONCE = 16


def run() -> None:
    """Print one table for calls of one event and one for calls of ten."""
    for events in (1, 10):
        _table(events)


def _table(events: int) -> None:
    servers: Mapping[str, tuple[Callable[..., None], Exporter | None]] = {
        "bare grpc.aio handler": (_serve_bare, None),
        "gateway, null exporter": (serve_gateway, NullExporter()),
        "gateway, outbox, jsonl exporter": (serve_gateway, JsonlExporter()),
    }
    with contextlib.ExitStack() as stack:
        started = {name: stack.enter_context(running(serve, exporter)) for name, (serve, exporter) in servers.items()}
        taken = _in_turn(started, events)
    base = taken["bare grpc.aio handler"]
    print(f"\nTrackEvents with {events} event{'s' if events > 1 else ''} a call, {AT_ONCE} calls at once: CPU time of the server's process")
    print(f"  {'':44}{'CPU µs':>9}{'ratio':>7}  aim")
    for name, rounds in taken.items():
        ratio = median(spent / bare for spent, bare in zip(rounds, base, strict=True))
        print(f"  {name:44}{median(rounds):9.1f}{ratio:7.2f}{'  ≤ 1.25' if 'null' in name and events == 1 else ''}")


def requests(events: int, count: int, turn: int) -> list[bytes]:
    """Requests of twenty users, each with an ID of its own: what they say is known after the first round."""
    parsed = [AnalyticsEvent.FromString(event(number)) for number in range(20)]
    said = [TrackEventsRequest(events=(parsed * (1 + events // 20) * 2)[index : index + events]).SerializeToString() for index in range(20)]
    ids = (TrackEventsRequest(request_id=f"{turn} {number}").SerializeToString() for number in range(count))
    return [request_id + said[number % 20] for number, request_id in enumerate(ids)]


def _in_turn(servers: Mapping[str, Server], events: int) -> Mapping[str, list[float]]:
    """CPU microseconds of each server for a request, in each round; a first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(ROUNDS + 1):
        asked = requests(events, REQUESTS, turn)
        for name, server in servers.items():
            before = server.cpu
            uvloop.run(load(server.address, asked))
            if turn:
                taken[name].append((server.cpu - before) / REQUESTS * 1e6)
    return taken


async def load(address: str, asked: Iterable[bytes]) -> None:
    """Send all, some at once."""
    async with grpc.aio.insecure_channel(address, OPTIONS) as channel:
        call: Any = channel.unary_unary(METHOD)
        left = iter(asked)

        async def some() -> None:
            for request in left:
                await call(request)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))


def _serve_bare(pipe: Connection, exporter: None, state: Path) -> None:
    """Parse the request, answer with what the gateway answers."""

    async def track(request: TrackEventsRequest, context: object) -> TrackEventsResponse:
        response = TrackEventsResponse()
        response.result.accepted = len(request.events)
        return response

    async def serve() -> None:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(track, TrackEventsRequest.FromString, TrackEventsResponse.SerializeToString)
        service, _, method = METHOD[1:].partition("/")
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        pipe.send(f"127.0.0.1:{port}")
        await server.wait_for_termination()

    uvloop.run(serve())


def serve_gateway(pipe: Connection, exporter: Exporter, state: Path) -> None:
    """The default policy, with the exporter that is measured."""

    async def serve() -> None:
        config = Config(listeners=Listeners(local=Local(address="127.0.0.1:0"), local_http=None), state=state)
        file, contract = load_all(config)
        analytics = msgspec.structs.replace(file.policy.destinations["analytics"], exporter=exporter)
        policy = msgspec.structs.replace(file.policy, destinations={**file.policy.destinations, "analytics": analytics})
        gateway = Gateway(config, source=lambda config: (dataclasses.replace(file, policy=policy), contract))
        addresses = await gateway.start()
        pipe.send(addresses["local"])
        await asyncio.Event().wait()

    uvloop.run(serve())
