"""What many commands take: contracts, a policy, a form of output. Nothing heavy is imported here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import click

from gateway.files import Unreadable, is_folder, is_link, read_error_text, stat_path

F = TypeVar("F", bound=Callable[..., object])


class ExistingPath(click.Path[Path]):
    """A path that leads to something; where that can't be told, the reason is.

    Click takes every one for "does not exist".
    """

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path. Raises BadParameter."""
        try:
            stat_path(Path(value))
        except FileNotFoundError:
            pass
        except (OSError, Unreadable) as failure:
            self.fail(f"{self.name.title()} {click.format_filename(value)!r} {read_error_text(failure)}.", param, ctx)
        return super().convert(value, param, ctx)


PATH: Final = ExistingPath(exists=True, path_type=Path)
FILE: Final = ExistingPath(exists=True, dir_okay=False, path_type=Path)
FOLDER: Final = ExistingPath(file_okay=False, path_type=Path)
"""A folder, which may be still to make."""


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
        "--policy",
        type=FILE,
        metavar="FILE",
        callback=lambda _ctx, _parameter, given: given or found_policy(),
        help=policy,
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
    if not is_folder(CONTRACTS):
        return (CONTRACTS,) if is_link(CONTRACTS) else ()  # what is wrong with the link is told by who reads it
    return (CONTRACTS,) if next(CONTRACTS.rglob("*.proto"), None) else ()


def found_policy() -> Path | None:
    """The policy in the working folder, if it has something of that name.

    No other stands in for one that can't be read.
    """
    return POLICY if os.path.lexists(POLICY) else None


def output(command: F) -> F:
    """`--format`."""
    chosen = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What to print.",
    )
    return chosen(command)
