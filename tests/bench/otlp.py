"""OTLP end to end: received over gRPC, minimised, sent on to a sink that counts, all uncompressed.

CPU time of the process in the middle.

The gateway runs as users start it, beside a forwarder that decides nothing and the Collector that redacts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Final

from gateway.policy import load as policies
from tests.bench import servers
from tests.bench.bare_grpc import COUNT, LAST
from tests.bench.client import call, send
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Samples, Size, in_turn
from tests.bench.otelcol import binary, collector
from tests.bench.otlp_in_process import NOUNS
from tests.bench.process import Server, Start, program, scratch
from tests.bench.records import KINDS, PLANTED, RECORDS, Kind
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import FRESH, MIXED, SEEN
from tests.support.kannelle_policy import KANNELLE_POLICY

BATCHES: Final = 12
"""In each round."""

AT_ONCE: Final = 4
ALL: Final = (SEEN, MIXED, FRESH)

FORWARDER: Final = "a forwarder that decides nothing"
GATEWAY: Final = "the gateway"
GATEWAY_STORED: Final = "the gateway, stored first"
ACKNOWLEDGED: Final = "the Collector with redaction, acknowledged by the sink"
STORED: Final = "the Collector with redaction, stored first"


def layout(kind: Kind) -> Layout:
    """The table of a signal."""
    name = kind.signal.name
    servers = (FORWARDER, GATEWAY, GATEWAY_STORED, ACKNOWLEDGED, STORED)
    return Layout(
        f"otlp-{name}",
        f"OTLP batches of {RECORDS} {NOUNS[name]} with 10 attributes, {AT_ONCE} at once, to a sink; CPU of the "
        "process in the middle",
        "a record",
        (
            *(Case(name, values, "" if name == FORWARDER else FORWARDER) for name in servers for values in ALL),
            *(
                Case(f"{one}, to {other}", values, other, of=one)
                for one, other in ((GATEWAY, ACKNOWLEDGED), (GATEWAY_STORED, STORED))
                for values in ALL
            ),
        ),
    )


LAYOUTS: Final = tuple(map(layout, KINDS))


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure a table of each signal."""
    built, missing = binary()
    skipped = {} if built else dict.fromkeys((ACKNOWLEDGED, STORED), missing)
    for table, kind in zip(LAYOUTS, KINDS, strict=True):
        with scratch() as folder, program("sink") as behind:
            samples = _samples(kind, _starts(kind, folder / "measured", behind, built), behind, size)
            # Go's programs don't run under callgrind.
            starts = _starts(kind, folder / "counted", behind, built if counter and not counter.under else None)
            counts = servers.instructions(
                counter, starts, {values: load(kind, values, 1, behind) for values in ALL}, size
            )
        yield (
            table,
            Measured(samples, servers.by_case(counts), skipped=skipped, counter=counter.name if counter else ""),
        )


def _samples(kind: Kind, starts: Mapping[str, Start], behind: Server, size: Size) -> Samples:
    with ExitStack() as stack:
        running: dict[str, Server] = {}
        for name, start in starts.items():
            running[name] = stack.enter_context(start(()))
            check(name, kind, running[name], behind)
        loads = {values: load(kind, values, size.of(BATCHES), behind) for values in ALL}
        cases = {
            (name, values): servers.of_server(server, loads[values])
            for name, server in running.items()
            for values in ALL
        }
        return in_turn(cases, size.rounds)


def _starts(kind: Kind, folder: Path, behind: Server, built: Path | None) -> Mapping[str, Start]:
    starts: dict[str, Start] = {
        FORWARDER: lambda under: program("relay", behind.address, under=under),
        GATEWAY: lambda under: _gateway(folder / "gateway", policy(kind, behind.address), under),
        GATEWAY_STORED: lambda under: _gateway(
            folder / "stored_first", policy(kind, behind.address, delivery="stored"), under
        ),
    }
    if built is not None:
        keys = _keys(kind)
        starts[ACKNOWLEDGED] = lambda under: collector(
            built, folder / "acknowledged", behind.address, keys, stored=False
        )
        starts[STORED] = lambda under: collector(built, folder / "stored", behind.address, keys, stored=True)
    return starts


def _gateway(folder: Path, given: str, under: Sequence[str]) -> AbstractContextManager[Server]:
    return gateway(folder, policy=given, options=("--insecure-loopback",), under=under)


def _keys(kind: Kind) -> frozenset[str]:
    """What the policy's table lets leave, by exact key.

    The Collector has no prefixes: of those below one, the keys that are sent.
    """
    default = policies.load(policies.default_path()).policy
    allowed = default.destinations[kind.destination].allow
    return kind.kept | {key for key in default.otlp.attributes if default.otlp.privacy(key).category in allowed}


def policy(kind: Kind, sink: str, delivery: str = "direct") -> str:
    """Kannelle's policy, whose records of a signal go to the sink."""
    head = f"\n  {kind.destination}:\n"
    before, found, after = KANNELLE_POLICY.partition(head)
    if not found:
        raise RuntimeError(f"Kannelle's policy has no destination `{kind.destination}`")
    exporter = f"{{kind: otlp, endpoint: 'http://{sink}', compression: none}}"
    return f"{before}{head}    delivery: {delivery}\n    exporter: {exporter}\n{after}"


def check(name: str, kind: Kind, server: Server, behind: Server) -> None:
    """Send one batch. Raises RuntimeError if what arrives isn't what such a server lets through."""
    raw = kind.batch(FRESH)
    _send(kind, [raw], server, behind)
    arrived = call(behind, LAST)
    minimised = kind.keys(arrived) == kind.kept and not any(planted in arrived for planted in PLANTED)
    if not (arrived == raw if name == FORWARDER else minimised):
        raise RuntimeError(f"{name}: lets other attributes through than it should")


def load(kind: Kind, values: str, batches: int, behind: Server) -> servers.Load:
    """So many batches, which are at the sink once they are sent."""

    def prepare() -> servers.Send:
        raws = [kind.batch(values) for _ in range(batches)]
        return lambda server: _send(kind, raws, server, behind)

    return prepare


def _send(kind: Kind, raws: list[bytes], server: Server, behind: Server) -> int:
    """Send batches and wait until all their records are at the sink: a server may answer before it has sent."""
    before = _arrived(behind)
    send(server, kind.signal.method, raws, at_once=AT_ONCE)
    _arrived(behind, before + RECORDS * len(raws))
    return RECORDS * len(raws)


def _arrived(behind: Server, least: int = 0) -> int:
    """How many records the sink has, once they are as many."""
    return int.from_bytes(call(behind, COUNT, least.to_bytes(8, "big")), "big")
