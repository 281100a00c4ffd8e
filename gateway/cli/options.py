"""What many commands take: contracts, a policy, a form of output. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PATH: Final = click.Path(exists=True, path_type=Path)
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def example(arguments: str) -> str:
    """What help ends with: a call of the command that works."""
    return f"\b\nExample:\n  privacy-gateway {arguments}"


def sources(command: F) -> F:
    """`--contracts` and `--policy`."""
    contracts = "A descriptor set, or a folder of .proto files; may be given several times. [default: Kannelle's]"
    with_policy = click.option("--policy", type=FILE, metavar="FILE", help="The policy. [default: Kannelle's]")(command)
    return click.option("--contracts", type=PATH, multiple=True, metavar="PATH", help=contracts)(with_policy)


def output(command: F) -> F:
    """`--format`."""
    chosen = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print.")
    return chosen(command)
