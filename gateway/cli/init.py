"""`init`: a first policy for the contracts in a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote
from typing import Final

import click

from gateway.cli.options import CONTRACTS, PATH, POLICY, SET_OR_FOLDER, example, found_contracts
from gateway.cli.show import count

NEXT: Final = """\
Next:
  privacy-gateway lint
  privacy-gateway explain {item}
  {serve}"""


@click.command(epilog=example("init --controller 'Example S.A.'"))
@click.option("--contracts", type=PATH, multiple=True, metavar="PATH", help=f"{SET_OR_FOLDER} [default: {CONTRACTS}/]")
@click.option("--output", type=click.Path(path_type=Path), default=POLICY, show_default=True, metavar="FILE", help="Where to write it.")
@click.option("--controller", default="", metavar="NAME", help="The organisation that answers for the data.")
def init(contracts: tuple[Path, ...], output: Path, controller: str) -> None:
    """Write a first policy.

    It is small, says what each part is for, and loads: messages and telemetry go to logs in the EU, minimised. Fields that nobody
    has classified are listed in it, with what to write into the .proto file. A file that is there already stays as it is.
    """
    from gateway.contracts.load import load  # noqa: PLC0415 help doesn't wait for protobuf
    from gateway.policy.first import first_policy  # noqa: PLC0415

    given = contracts or found_contracts()
    if not given:
        raise click.UsageError(f"There are no .proto files in {CONTRACTS}/. Put yours there, or say where they are: --contracts PATH.")
    if os.path.lexists(output):
        raise click.UsageError(f"{output} is there already, and stays as it is. Write another file with --output FILE, or remove it.")
    first = first_policy(load(given), controller)
    _write(output, first.text)
    click.echo(f"{output}: a policy for {count(len(first.types), 'message type')} of {', '.join(map(str, given))}.")
    if first.unclassified:
        click.echo(f"{count(len(first.unclassified), 'field')} without annotation won't leave: the file lists them, with what to write.")
    item = next(iter((*first.led, *first.types, "otlp/logs")))
    click.echo(NEXT.format(item=item, serve=_serve(given, output)))


def _write(path: Path, text: str) -> None:
    """Write a file that isn't there. Raises UsageError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.UsageError(f"{path} can't be written: {error.strerror}") from None


def _serve(contracts: tuple[Path, ...], policy: Path) -> str:
    """The command that runs a gateway with this policy, and without a configuration."""
    paths = json.dumps([*map(str, contracts)])
    return f"PRIVACY_GATEWAY__POLICY={quote(str(policy))} PRIVACY_GATEWAY__CONTRACTS={quote(paths)} privacy-gateway serve"
