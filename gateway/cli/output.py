"""How commands print: plain JSON, or text for a terminal. Names come from files: none of them is read as markup."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console

COLOURS: Final[Mapping[str, str]] = {
    "error": "bold red", "warning": "yellow", "note": "dim",
    "released": "bold red", "withheld": "green", "noted": "dim",
    "kept": "green", "stripped": "red",
}  # fmt: skip

UNBROKEN_COLUMNS: Final = 10_000
"""Columns where there is no terminal, so that no line is broken."""


def console(*, lines: bool = True) -> Console:
    """A console on standard output.

    Colours only on a terminal that wants them; elsewhere no line is broken, nor are `lines` anywhere.
    """
    from rich.console import Console  # noqa: PLC0415 a tenth of a second that JSON needn't wait for

    return Console(
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=lines,
        width=None if sys.stdout.isatty() else UNBROKEN_COLUMNS,
    )


def print_json(value: object, *, err: bool = False) -> None:
    """Print one JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2), err=err)


def plural(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
