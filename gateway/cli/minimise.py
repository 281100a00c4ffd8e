"""`minimise`: one message in, the minimised one out, by the same way that it would go through a running gateway."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.load import compiler, destination_named, type_named
from gateway.cli.options import example, found_sources
from gateway.cli.show import as_json
from gateway.directory import Unknown
from gateway.errors import Reason, Refused
from gateway.minimise.engine import MAX_BYTES
from gateway.minimise.flows import Flow, single
from gateway.minimise.receipt import FieldLine, receipt
from gateway.model import Release, Verdict
from gateway.pipeline.decide import Decider
from gateway.pipeline.offload import Offload


@click.command(epilog=example("minimise --type kannelle.crm.v1.Contact --destination crm < contact.bin > minimised.bin"))
@found_sources
@click.option("--type", "type_", required=True, metavar="TYPE", help="The message's type, such as kannelle.crm.v1.Contact.")
@click.option("--destination", required=True, metavar="NAME", help="Whom it is for, as the policy names it.")
def minimise(contracts: tuple[Path, ...], policy: Path | None, type_: str, destination: str) -> int:
    """Minimise one serialised message, stdin to stdout.

    The receipt goes to standard error, as JSON. Standard output stays empty unless it exits with 0. A message that the destination
    doesn't get at all, refused or withheld, exits with 1, so that nobody takes the empty output for a message.
    """
    made, file = compiler(contracts, policy)
    item, to = type_named(made, type_), destination_named(made, file, destination)
    flow = single(made, item, to)
    if sys.stdin.isatty():
        raise click.UsageError("The message comes from standard input, as bytes; there is a terminal.")
    raw = sys.stdin.buffer.read(MAX_BYTES + 1)
    head = {"destination": to, "type": item}
    try:
        verdict = _decide(flow, raw)
        lines = receipt(made.projector(to), raw, verdict)
    except Refused as error:
        as_json({**head, "outcome": "refused", "reason": error.reason}, err=True)
        return 1
    return _put(verdict, lines, head)


def _decide(flow: Flow, raw: bytes) -> Verdict:
    """The verdict on an item received now, without a directory. Raises Refused."""
    if len(raw) > MAX_BYTES:
        raise Refused(Reason.TOO_LARGE)
    _, (verdict,) = asyncio.run(Decider(Unknown(), Offload()).decide(flow, raw, time.time_ns()))
    return verdict


def _put(verdict: Verdict, lines: tuple[FieldLine, ...], head: dict[str, Any]) -> int:
    """The receipt goes first: once a byte of the message is out, nothing can fail but the writing."""
    if not isinstance(verdict, Release):
        as_json({**head, "outcome": "withheld"}, err=True)
        return 1
    as_json({**head, "outcome": "released", "plan": verdict.plan, "fields": lines}, err=True)
    sys.stdout.buffer.write(verdict.payload)
    sys.stdout.buffer.flush()
    return 0
