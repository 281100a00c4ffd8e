"""What `outbox` and `deadletters` take: whose outbox, and which entries. Nothing heavy is imported here."""

from __future__ import annotations

from typing import Final, TypedDict

import click

from gateway.cli.options import FILE, F

DEFAULT_LISTED_ENTRIES: Final = 50
MAX_LISTED_ENTRIES: Final = 100_000

ENTRY_ID: Final = click.IntRange(1, 2**63 - 2)
"""What SQLite can number (https://www.sqlite.org/autoinc.html), and one more, which a search ends before."""


class Criteria(TypedDict, total=False):
    """What entries have in common, as options name it; "" for any."""

    destination: str
    type_: str
    reason: str


class Choice(Criteria):
    """What to act on: these IDs, or what meets the criteria, or everything."""

    ids: tuple[int, ...]
    everything: bool


def configured(command: F) -> F:
    """Add `--config`, for whose state folder counts."""
    help_ = "The gateway's configuration. [default: the embedded one]"
    return click.option("--config", "path", type=FILE, metavar="FILE", help=help_)(command)


def matching(command: F) -> F:
    """Add `--destination` and `--type`."""
    typed = click.option("--type", "type_", default="", metavar="TYPE", help="Only of this message type.")(command)
    return click.option("--destination", default="", metavar="NAME", help="Only for this destination.")(typed)


def reasoned(command: F) -> F:
    """Add `--reason`."""
    return click.option(
        "--reason", default="", metavar="REASON", help="Only those dead for this reason, such as REJECTED."
    )(command)


def chosen(command: F) -> F:
    """Add IDs, or else what matches, or all."""
    every = click.option("--all", "everything", is_flag=True, help="All there are.")(matching(command))
    return click.argument("ids", metavar="[ID]...", type=ENTRY_ID, nargs=-1)(every)


def limited(command: F) -> F:
    """Add `--limit`."""
    return click.option(
        "--limit",
        type=click.IntRange(1, MAX_LISTED_ENTRIES),
        default=DEFAULT_LISTED_ENTRIES,
        show_default=True,
        help="How many to list.",
    )(command)
