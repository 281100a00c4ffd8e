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


SET_OR_FOLDER: Final = "A descriptor set, or a folder of .proto files; may be given several times."

CONTRACTS: Final = Path("protos")
POLICY: Final = Path("policy.yaml")
"""Where a repository has its contracts and its policy, if nothing else is said."""


def sources(command: F) -> F:
    """`--contracts` and `--policy`."""
    with_policy = click.option("--policy", type=FILE, metavar="FILE", help="The policy. [default: Kannelle's]")(command)
    contracts = f"{SET_OR_FOLDER} [default: Kannelle's]"
    return click.option("--contracts", type=PATH, multiple=True, metavar="PATH", help=contracts)(with_policy)


def found_sources(command: F) -> F:
    """`--contracts` and `--policy`, found in the working folder where they aren't given."""
    contracts = f"{SET_OR_FOLDER} [default: {CONTRACTS}/ if it is there, else Kannelle's]"
    policy = f"The policy. [default: {POLICY} if it is there, else Kannelle's]"
    with_policy = click.option(
        "--policy", type=FILE, metavar="FILE", callback=lambda _ctx, _parameter, given: given or found_policy(), help=policy
    )(command)
    return click.option(
        "--contracts",
        type=PATH,
        multiple=True,
        metavar="PATH",
        callback=lambda _ctx, _parameter, given: given or found_contracts(),
        help=contracts,
    )(with_policy)


def found_contracts() -> tuple[Path, ...]:
    """The contracts in the working folder, if it has some."""
    return (CONTRACTS,) if CONTRACTS.is_dir() and next(CONTRACTS.rglob("*.proto"), None) else ()


def found_policy() -> Path | None:
    """The policy in the working folder, if it has one."""
    return POLICY if POLICY.is_file() else None


def output(command: F) -> F:
    """`--format`."""
    chosen = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What to print.")
    return chosen(command)
