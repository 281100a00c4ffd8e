"""OTLP: batches of 512 records through the minimiser by itself, and end to end, beside a forwarder and the Collector that redacts.

End to end: received over gRPC, minimised, and sent on to a sink that counts, all uncompressed. CPU time of the process in the middle.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final

import grpc
import uvloop

from gateway.policy.load import default_path, load
from tests.bench import instructions
from tests.bench.bare import COUNT, LAST, OPTIONS
from tests.bench.measure import Work, in_turn
from tests.bench.otelcol import binary, collector
from tests.bench.process import Server
from tests.bench.proxies import bare, sink
from tests.bench.records import FRESH, KINDS, PLANTED, RECORDS, Kind
from tests.running import Process

ROUNDS: Final = 7
BATCHES: Final = 16
AT_ONCE: Final = 4
SECONDS: Final = 60

FORWARDER: Final = "forwarder, minimising nothing"
GATEWAY: Final = "gateway"
COLLECTOR: Final = "Collector, redaction by allow-list"

Taken = Mapping[str, Sequence[tuple[float, float]]]
"""CPU and wall seconds of each case, round by round."""


def run() -> None:
    """Print a table of each signal by itself, and one of each end to end."""
    for kind in KINDS:
        _alone(kind)
    program = binary()
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            (Path(folder) / kind.signal.name).mkdir()
            _end_to_end(kind, Path(folder) / kind.signal.name, program)
    instructions.show(KINDS[0])


def _alone(kind: Kind) -> None:
    cases = {
        "parse and serialise": lambda: _work(instructions.plain(kind), kind, FRESH),
        "split and regroup": lambda: _work(instructions.splitting(kind), kind, FRESH),
        "split, decide, regroup; 95 % known": lambda: _work(instructions.minimising(kind), kind, FRESH),
        "split, decide, regroup; all known": lambda: _work(instructions.minimising(kind), kind, 0),
        "split, decide, regroup; none known": lambda: _work(instructions.minimising(kind), kind, 1),
    }
    print(f"\nOTLP {kind.signal.name}, {RECORDS} a batch with 10 attributes, by itself")
    _show(in_turn(cases, ROUNDS), 1, "parse and serialise")


def _work(work: Callable[[bytes], object], kind: Kind, fresh: int) -> Work:
    raw = kind.batch(1, fresh)
    return lambda: (work(raw), None)[1]


def _end_to_end(kind: Kind, folder: Path, program: Path | None) -> None:
    print(f"\nOTLP {kind.signal.name}, end to end: batches of {RECORDS}, {AT_ONCE} at once, to a sink")
    with ExitStack() as stack:
        behind = stack.enter_context(sink())
        servers: dict[str, Server] = {}
        for name, start in _starts(kind, folder, behind, program):
            servers[name] = stack.enter_context(start)
            uvloop.run(_check(name, kind, servers[name], behind))
        taken = _in_turn(kind, servers, behind)
    _show(taken, BATCHES, FORWARDER)
    if COLLECTOR in taken:
        print(f"  {GATEWAY} to {COLLECTOR}: {_ratio(taken, GATEWAY, COLLECTOR):.2f} of its CPU time")


def _starts(kind: Kind, folder: Path, behind: Server, program: Path | None) -> Iterator[tuple[str, AbstractContextManager[Server]]]:
    yield FORWARDER, bare(behind.address)
    yield GATEWAY, _gateway(kind, folder, behind)
    if program is not None:
        yield COLLECTOR, collector(program, folder, behind.address, _keys(kind))


def _keys(kind: Kind) -> frozenset[str]:
    """What the policy's table lets leave, by exact key. The Collector has no prefixes: of those below one, the keys that are sent."""
    policy = load(default_path()).policy
    allowed = policy.destinations[kind.destination].allow
    return kind.kept | {key for key in policy.otlp.attributes if policy.otlp.privacy(key).category in allowed}


@contextmanager
def _gateway(kind: Kind, folder: Path, behind: Server) -> Iterator[Server]:
    """The gateway as a process, by Kannelle's policy, whose logs and traces go to the sink."""
    head = f"\n  {kind.destination}:\n"
    exporter = f"    exporter: {{kind: otlp, endpoint: 'http://{behind.address}', compression: none}}\n"
    (folder / "policy.yaml").write_text(default_path().read_text().replace(head, head + exporter))
    with Process(folder, environ={"PRIVACY_GATEWAY__POLICY": "policy.yaml"}) as process:
        yield Server(process.address, process.pid)


async def _check(name: str, kind: Kind, server: Server, behind: Server) -> None:
    """Send one batch. Raises RuntimeError if what arrives isn't what such a server lets through."""
    raw = kind.batch(0)
    before = await _counted(behind)
    await _send(server, kind, [raw])
    await _counted(behind, before + RECORDS)
    arrived = await _call(behind, LAST)
    minimised = kind.keys(arrived) == kind.kept and not any(planted in arrived for planted in PLANTED)
    if not (arrived == raw if name == FORWARDER else minimised):
        raise RuntimeError(f"{name}: lets other attributes through than it should")


def _in_turn(kind: Kind, servers: Mapping[str, Server], behind: Server) -> Taken:
    """What each server takes in each round, for the same batches. The first, which warms them up, isn't counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in servers}
    names = list(servers)
    for turn in range(ROUNDS + 1):
        raws = [kind.batch(1 + turn * BATCHES + number) for number in range(BATCHES)]
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            spent = uvloop.run(_taken(servers[name], kind, raws, behind))
            if turn:
                taken[name].append(spent)
    return taken


async def _taken(server: Server, kind: Kind, raws: Sequence[bytes], behind: Server) -> tuple[float, float]:
    before, cpu, wall = await _counted(behind), server.cpu, time.perf_counter()
    await _send(server, kind, raws)
    await _counted(behind, before + RECORDS * len(raws))
    return server.cpu - cpu, time.perf_counter() - wall


async def _send(server: Server, kind: Kind, raws: Sequence[bytes]) -> None:
    """Send batches, some at a time."""
    waiting = list(raws)
    async with grpc.aio.insecure_channel(server.address, OPTIONS) as channel:
        export: Any = channel.unary_unary(kind.signal.method)

        async def some() -> None:
            while waiting:
                await export(waiting.pop(), timeout=SECONDS)

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _counted(behind: Server, least: int = 0) -> int:
    """How many records the sink has, once they are as many: a server may answer before it has sent."""
    return int.from_bytes(await _call(behind, COUNT, least.to_bytes(8, "big")), "big")


async def _call(server: Server, path: str, request: bytes = b"") -> bytes:
    async with grpc.aio.insecure_channel(server.address, OPTIONS) as channel:
        call: Any = channel.unary_unary(path)
        answer: bytes = await call(request, timeout=SECONDS)
        return answer


def _show(taken: Taken, batches: int, base: str) -> None:
    print(f"  {'':44}{'CPU µs':>9}{'wall µs':>9}{'ratio':>7}{'records a CPU-second':>22}    (a record)")
    for name, rounds in taken.items():
        cpu, wall = (median(values) / batches / RECORDS * 1e6 for values in zip(*rounds, strict=True))
        print(f"  {name:44}{cpu:9.2f}{wall:9.2f}{_ratio(taken, name, base):7.2f}{1e6 / cpu:22,.0f}")


def _ratio(taken: Taken, name: str, base: str) -> float:
    """The median over the rounds of a case's CPU time to another's in the same round."""
    return median(one / other for (one, _), (other, _) in zip(taken[name], taken[base], strict=True))


if __name__ == "__main__":
    run()
