"""`init`: a first policy for the contracts in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.options import CONTRACTS, PATH, POLICY, SET_OR_FOLDER, example, found_contracts
from gateway.cli.output import plural

if TYPE_CHECKING:
    from gateway.policy.scaffold.first_policy import FirstPolicy

STDOUT: Final = Path("-")


@click.command(epilog=example("init --controller 'Example S.A.'"))
@click.option("--contracts", type=PATH, multiple=True, metavar="PATH", help=f"{SET_OR_FOLDER} [default: {CONTRACTS}/]")
@click.option(
    "--output",
    default=str(POLICY),
    show_default=True,
    metavar="FILE",
    help=f"Where to write it; {STDOUT} is the standard output.",
)
@click.option("--controller", default="", metavar="NAME", help="The organisation that answers for the data.")
def init(contracts: tuple[Path, ...], output: str, controller: str) -> None:
    """Write a first policy.

    It is small, says what each part is for, and loads: messages and telemetry go to logs in the EU, minimised. Fields
    that nobody has classified are listed in it, with what to write into the .proto file. A file that is there already
    stays as it is.
    """
    from gateway.contracts.load import load  # noqa: PLC0415 help doesn't wait for protobuf
    from gateway.policy.scaffold.first_policy import first_policy  # noqa: PLC0415

    if not output:
        raise click.UsageError(f"--output is empty. Name a file, or leave it out: {POLICY}.")
    given, path = contracts or found_contracts(), Path(output)
    if not given:
        raise click.UsageError(
            f"There are no .proto files in {CONTRACTS}/. Put yours there, or say where they are: --contracts PATH."
        )
    if path != STDOUT and os.path.lexists(path):
        raise click.UsageError(
            f"{path} is there already, and stays as it is. Write another file with --output FILE, or remove it."
        )
    first = first_policy(load(given), controller)
    if path == STDOUT:
        click.echo(first.text, nl=False)
    else:
        _write(path, first.text)
    for line in _next_steps(first, given, path):
        click.echo(line, err=path == STDOUT)


def _write(path: Path, text: str) -> None:
    """Write a file that isn't there. Raises UsageError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}") from None


def _next_steps(first: FirstPolicy, contracts: tuple[Path, ...], policy: Path) -> Iterable[str]:
    """Yield what was written and what is missing; and what to do next, if there is a file to do it with."""
    yield f"{policy}: a policy for {plural(len(first.types), 'message type')} of {', '.join(map(str, contracts))}."
    if bare := len(first.unclassified):
        yield (
            f"{plural(bare, 'field')} without annotation won't leave: the file lists {'it' if bare == 1 else 'them'}, "
            "with what to write."
        )
    if policy != STDOUT:
        item = next(iter((*first.flow_types, *first.types, "otlp/logs")))
        sources = _sources(contracts, policy)
        yield "Next:"
        yield from (f"  {join(['privacy-gateway', *words, *sources])}" for words in (["lint"], ["explain", item]))
        yield f"  {_serve(contracts, policy)}"


def _sources(contracts: tuple[Path, ...], policy: Path) -> list[str]:
    """The options that other commands need to find these contracts and this policy."""
    named = (
        [] if contracts == found_contracts() else [word for path in contracts for word in ("--contracts", str(path))]
    )
    return named if policy == POLICY else [*named, "--policy", str(policy)]


def _serve(contracts: tuple[Path, ...], policy: Path) -> str:
    """The command that runs a gateway with this policy, and without a configuration."""
    paths = json.dumps([*map(str, contracts)])
    return (
        f"PRIVACY_GATEWAY__POLICY={quote(str(policy))} PRIVACY_GATEWAY__CONTRACTS={quote(paths)} privacy-gateway serve"
    )
