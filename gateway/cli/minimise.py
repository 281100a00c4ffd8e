"""`minimise`: one message in, the minimised one out, along the same path as in a running gateway."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import click
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from gateway.cli.options import example, found_sources
from gateway.cli.output import print_json
from gateway.cli.sources import find_destination, find_type, load_compiler
from gateway.directory import NoDirectory
from gateway.errors import ItemReason, Refused
from gateway.model import MAX_ITEM_BYTES, Release, Verdict
from gateway.pipeline.decide import Decider
from gateway.pipeline.flows import Flow, single
from gateway.pipeline.offload import Offload
from gateway.pipeline.receipt import FieldLine, receipt

ENCODING = click.Choice(["binary", "json"])
"""How a message is written: as protobuf's bytes, or as its JSON: https://protobuf.dev/programming-guides/json/."""


@click.command(
    epilog=example("minimise --type kannelle.crm.v1.Contact --destination crm < contact.bin > minimised.bin")
)
@found_sources
@click.option(
    "--type", "type_", required=True, metavar="TYPE", help="The message's type, such as kannelle.crm.v1.Contact."
)
@click.option("--destination", required=True, metavar="NAME", help="Whom it is for, as the policy names it.")
@click.option(
    "--input",
    "given",
    type=ENCODING,
    default="binary",
    show_default=True,
    help="How the message on standard input is written.",
)
@click.option(
    "--output", "wanted", type=ENCODING, default="binary", show_default=True, help="How to write the minimised one."
)
def minimise(  # noqa: PLR0913, PLR0917 - as the options are
    contracts: tuple[Path, ...], policy: Path | None, type_: str, destination: str, given: str, wanted: str
) -> int:
    """Minimise one message, stdin to stdout: protobuf's bytes, or its JSON.

    The receipt goes to standard error, as JSON. Standard output stays empty unless it exits with 0. A message that the
    destination doesn't get at all, refused or withheld, exits with 1, so that nobody takes the empty output for a
    message. So does JSON that isn't a message of the type: it is MALFORMED, also with a field that the type doesn't
    have.
    """
    made, file = load_compiler(contracts, policy)
    item, to = find_type(made, type_), find_destination(made, file, destination)
    flow = single(made, item, to)
    if sys.stdin.isatty():
        raise click.UsageError("The message comes from standard input; there is a terminal.")
    raw = sys.stdin.buffer.read(MAX_ITEM_BYTES + 1)
    head = {"destination": to, "type": item}
    message = made.contract.message_class(item)()
    try:
        raw = _parse_json(message, raw, made.contract.pool) if given == "json" else raw
        verdict = _decide(flow, raw)
        lines = receipt(made.projector(item, to), raw, verdict)
        out = (
            b""
            if not isinstance(verdict, Release)
            else verdict.payload
            if wanted == "binary"
            else _to_json(message, verdict.payload, made.contract.pool)
        )
    except Refused as error:
        print_json({**head, "outcome": "refused", "reason": error.reason}, err=True)
        return 1
    return _write_result(verdict, lines, head, out)


def _parse_json(message: Message, text: bytes, pool: DescriptorPool) -> bytes:
    """The bytes of a message that is given as JSON, read into `message`; `pool` has the types of what an `Any` holds.

    Raises Refused; what the reader says of it may hold values.
    """
    if len(text) > MAX_ITEM_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    if not text.lstrip().startswith(b"{"):  # an empty list would be taken for an empty message
        raise Refused(ItemReason.MALFORMED)
    try:
        json_format.Parse(text, message, descriptor_pool=pool)
        return message.SerializePartialToString()
    except (json_format.ParseError, ValueError, ArithmeticError, RecursionError, TypeError, KeyError, AttributeError):
        raise Refused(ItemReason.MALFORMED) from None


def _to_json(message: Message, payload: bytes, pool: DescriptorPool) -> bytes:
    """A minimised message as JSON. Raises Refused if it has none, such as a time beyond the year 9999."""
    message.Clear()
    message.ParseFromString(payload)
    try:
        return f"{json_format.MessageToJson(message, descriptor_pool=pool)}\n".encode()
    except (json_format.SerializeToJsonError, ValueError, ArithmeticError, RecursionError):
        raise Refused(ItemReason.MALFORMED) from None


def _decide(flow: Flow, raw: bytes) -> Verdict:
    """The verdict on an item received now, without a directory. Raises Refused."""
    if len(raw) > MAX_ITEM_BYTES:
        raise Refused(ItemReason.TOO_LARGE)
    _, (verdict,) = asyncio.run(Decider(NoDirectory(), Offload()).decide(flow, raw, time.time_ns()))
    return verdict


def _write_result(verdict: Verdict, lines: tuple[FieldLine, ...], head: dict[str, str], out: bytes) -> int:
    """The receipt goes first: once a byte of the message is out, nothing can fail but the writing."""
    if not isinstance(verdict, Release):
        print_json({**head, "outcome": "withheld"}, err=True)
        return 1
    print_json({**head, "outcome": "released", "plan": verdict.plan, "fields": lines}, err=True)
    sys.stdout.buffer.write(out)
    sys.stdout.buffer.flush()
    return 0
