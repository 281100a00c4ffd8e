"""OTLP by way of an agent and its hub: CPU time of both processes together.

The agent receives and minimises, and hands over by mutual TLS; the hub decides again, and sends on to the sink.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench import servers
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Size, in_turn
from tests.bench.otlp import AT_ONCE, BATCHES, FORWARDER, check, load, policy
from tests.bench.otlp_in_process import NOUNS
from tests.bench.process import Server, program, scratch
from tests.bench.records import KINDS, RECORDS, Kind
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import FRESH, SEEN
from tests.support.ports import reserved
from tests.support.proxy_certificates import certificate_for, dns, write_tls

BOTH: Final = (SEEN, FRESH)
AGENT_AND_HUB: Final = "an agent and its hub"


def layout(kind: Kind) -> Layout:
    """The table of a signal."""
    name = kind.signal.name
    return Layout(
        f"handover-{name}",
        f"OTLP batches of {RECORDS} {NOUNS[name]} with 10 attributes, {AT_ONCE} at once, to an agent, its hub and a sink; "
        "CPU of agent and hub together",
        "a record",
        tuple(
            Case(name, values, "" if name == FORWARDER else FORWARDER)
            for name in (FORWARDER, AGENT_AND_HUB)
            for values in BOTH
        ),
        counted=False,
    )


LAYOUTS: Final = tuple(map(layout, KINDS))


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure a table of each signal."""
    for table, kind in zip(LAYOUTS, KINDS, strict=True):
        with scratch() as folder, program("sink") as behind, ExitStack() as stack:
            running = {
                FORWARDER: stack.enter_context(program("relay", behind.address)),
                AGENT_AND_HUB: stack.enter_context(agent_and_hub(folder, policy(kind, behind.address))),
            }
            for name, server in running.items():
                check(name, kind, server, behind)
            loads = {values: load(kind, values, size.of(BATCHES), behind) for values in BOTH}
            cases = {
                (name, values): servers.of_server(server, loads[values])
                for name, server in running.items()
                for values in BOTH
            }
            yield table, Measured(in_turn(cases, size.rounds))


@contextmanager
def agent_and_hub(folder: Path, policy: str) -> Iterator[Server]:
    """An agent that hands over to a hub, both by one policy, called on the agent's listener."""
    with reserved() as port:
        delivery = {"address": f"127.0.0.1:{port}", "agents": ["agent.example"]}
        with (
            _role("hub", folder, policy, listeners={"delivery": delivery}) as hub,
            _role("agent", folder, policy, config={"hub": {"address": f"localhost:{port}"}}) as agent,
        ):
            yield Server(agent.address, agent.pid, (hub.pid,))


@contextmanager
def _role(
    name: str,
    parent: Path,
    policy: str,
    *,
    config: dict[str, Any] | None = None,
    listeners: dict[str, Any] | None = None,
) -> Iterator[Server]:
    folder = parent / name
    folder.mkdir()
    tls = write_tls(folder, certificate_for(dns("localhost"), dns(f"{name}.example")))
    files = {"certificate": str(tls.certificate), "key": str(tls.key), "ca": str(tls.ca)}
    more = {"role": name, "tls": files, **(config or {})}
    with gateway(folder, policy=policy, config=more, listeners=listeners, options=("--insecure-loopback",)) as server:
        yield server
