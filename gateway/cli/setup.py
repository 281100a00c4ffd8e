"""`version`, and `config check`."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway import __version__
from gateway.cli.options import FILE, example, output
from gateway.cli.show import as_json, count

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.policy.table import Table


@click.command(epilog=example("version"))
@output
def version(form: str) -> None:
    """Print the version."""
    if form == "json":
        as_json({"name": "privacy-gateway", "version": __version__, "python": platform.python_version()})
    else:
        click.echo(f"privacy-gateway {__version__}")


@click.group()
def config() -> None:
    """Look after the configuration."""


@config.command(epilog=example("config check --config gateway.yaml"))
@click.option("--config", "path", type=FILE, metavar="FILE", help="The configuration. [default: the embedded one]")
@output
def check(path: Path | None, form: str) -> None:
    """Load everything that `serve` would, start nothing.

    Reads the configuration with its overrides from the environment, the policy and the contracts, and compiles every flow and every route.
    """
    from gateway.config import load  # noqa: PLC0415 `version` doesn't wait for it

    told = _told(load(path, os.environ), path)
    if form == "json":
        as_json(told)
    else:
        made = ", ".join(count(len(told[f"{what}s"]), what) for what in ("plan", "route") if told[f"{what}s"] or what == "plan")
        click.echo(
            f"{told['config']}: role {told['role']} on {told['address']}\n{told['policy']}: {made} for {', '.join(told['contracts'])}"
        )


def _told(given: Config, path: Path | None) -> dict[str, Any]:
    """What a configuration leads to. Raises BadSetup."""
    from gateway.cli.load import compiler  # noqa: PLC0415 `version` doesn't wait for it
    from gateway.contracts.load import default_path  # noqa: PLC0415

    made, file = compiler(given.contracts, given.policy)
    plans = made.plans()
    for item in sorted({item for item, _ in plans}):
        made.subject(item)
    return {
        "config": "no configuration file" if path is None else str(path),
        "role": given.role,
        "address": given.listeners.local.address,
        "state": str(given.state),
        "policy": str(file.path),
        "contracts": [str(contract) for contract in given.contracts or (default_path(),)],
        "plans": [{"type": item, "destination": to, "digest": plan.digest} for (item, to), plan in sorted(plans.items())],
        "routes": [_route(index, made.table) for index in range(len(made.table.routes))],
    }


def _route(index: int, table: Table) -> dict[str, Any]:
    """A route, with all that it carries."""
    route = table.routes[index]
    return {
        "listener": route.listener.value,
        "authority": route.authority,
        "destination": route.destination,
        "mode": route.mode.value,
        "callers": sorted(route.callers),
        "methods": [method.path for carrying, method in table.carried() if carrying == index],
    }
