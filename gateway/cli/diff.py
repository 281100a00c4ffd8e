"""`diff`: what a change releases that was withheld, and the reverse."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Final

import click

from gateway.cli.options import (
    CONTRACTS,
    FILE,
    PATH,
    POLICY,
    SET_OR_FOLDER,
    example,
    found_contracts,
    found_policy,
    output,
)
from gateway.cli.output import COLOURS, console, plural, print_json
from gateway.cli.sources import load_compiler
from gateway.policy.review.changes import Change, Difference, Effect
from gateway.policy.review.diff import diff as compare

SIGNS: Final = {Effect.RELEASED: "+", Effect.WITHHELD: "-", Effect.NOTED: "·"}
HEADINGS: Final = {
    Effect.RELEASED: "Released: leaves now, and didn't",
    Effect.WITHHELD: "Withheld: left, and doesn't now",
    Effect.NOTED: "Worth knowing",
}
POLICY_SUFFIXES: Final = (".yaml", ".yml")


@click.command(epilog=example("diff old.yaml policy.yaml"))
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@click.option(
    "--contracts",
    type=PATH,
    multiple=True,
    metavar="PATH",
    help=f"{SET_OR_FOLDER} [default, between policies: {CONTRACTS}/, or Kannelle's]",
)
@click.option(
    "--policy", type=FILE, metavar="FILE", help=f"The policy, between contracts. [default: {POLICY}, or Kannelle's]"
)
@output
def diff(old: Path, new: Path, contracts: tuple[Path, ...], policy: Path | None, form: str) -> int:
    """Show what a change releases, and what it withholds.

    OLD and NEW are two policies (.yaml), or two contracts: descriptor sets or folders of .proto files. What stays the
    same comes from --contracts or --policy. Exits with 1 if anything leaves that didn't.
    """
    policies = [path.is_file() and path.suffix in POLICY_SUFFIXES for path in (old, new)]
    if len(set(policies)) > 1:
        raise click.UsageError("OLD and NEW must be two policies (.yaml) or two contracts.")
    if all(policies) and policy is not None:
        raise click.UsageError("OLD and NEW are policies; --policy has no place beside them.")
    if all(policies):
        was, now = (load_compiler(contracts or found_contracts(), path) for path in (old, new))
    else:
        was, now = (load_compiler((path, *contracts), policy or found_policy()) for path in (old, new))
    difference = compare(was[0], now[0])
    if form == "json":
        print_json({"releases": difference.releases_more, "changes": difference.changes})
    else:
        _print(difference)
    return int(difference.releases_more)


def _print(difference: Difference) -> None:
    from rich.text import Text  # noqa: PLC0415 JSON doesn't wait for it

    out = console()
    for effect, changes in groupby(difference.changes, key=lambda change: change.effect):
        out.print(HEADINGS[effect], style=COLOURS[effect])
        for place, held in groupby(changes, key=_place):
            out.print(f"  {place}")
            for change in held:
                out.print(Text.assemble((f"    {SIGNS[effect]} {change.field}", COLOURS[effect]), f"  {change.text}"))
    totals = [
        plural(len(found), "thing") + f" {effect.value}"
        for effect in Effect
        if (found := difference.with_effect(effect))
    ]
    out.print(", ".join(totals) or "No difference in what leaves.")


def _place(change: Change) -> str:
    return " · ".join(filter(None, (change.destination, change.type))) or "the policy"
