"""`serve` and `demo`: the gateway itself, and a look at it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.options import FILE, example, output
from gateway.cli.show import console

if TYPE_CHECKING:
    from gateway.config import Config

ROLE: Final = "PRIVACY_GATEWAY__ROLE"
INSECURE: Final = "PRIVACY_GATEWAY__INSECURE_LOOPBACK"


@click.command(epilog=example("serve --config gateway.yaml"))
@click.option("--config", "path", type=FILE, metavar="FILE", help="The configuration. [default: an embedded gateway on loopback]")
@click.option("--role", type=click.Choice(["all", "agent", "hub"]), help="Overrides the configuration's.")
@click.option("--insecure-loopback", is_flag=True, help="Let exporters send to http:// on this machine, for trials.")
def serve(path: Path | None, role: str | None, insecure_loopback: bool) -> int:
    """Run the gateway, until SIGTERM or Ctrl-C.

    Without a configuration: role all on loopback, Kannelle's policy, files under .privacy-gateway/. Any key can be overridden by the
    environment: PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS=127.0.0.1:5317.
    """
    from gateway.config import load  # noqa: PLC0415 help doesn't wait for gRPC

    given = {**({ROLE: role} if role else {}), **({INSECURE: "true"} if insecure_loopback else {})}
    config = load(path, {**os.environ, **given})
    if path is None:
        click.echo(_embedded(config), err=True)
    _log()
    from gateway import app  # noqa: PLC0415

    return app.serve(config)


def _embedded(config: Config) -> str:
    policy = "Kannelle's policy" if config.policy is None else f"the policy {config.policy}"
    listeners = config.listeners
    addresses = " and ".join(one.address for one in (listeners.local, listeners.local_http) if one is not None)
    return f"No configuration file: role {config.role} on {addresses}, {policy}, files under {config.state}/"


def _log() -> None:
    """The gateway's own log goes to standard error. Libraries are not heard: what they log may hold values."""
    logging.raiseExceptions = False
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("gateway")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)


@click.command(epilog=example("demo"))
@output
def demo(form: str) -> int:
    """Send traffic through a gateway and show what arrives.

    It listens on loopback, and leaves the destinations' files under .privacy-gateway/demo/. Exits with 1 if anything left that may not.
    """
    from gateway.demo.run import run  # noqa: PLC0415 help doesn't wait for gRPC

    return run(console(lines=False), form)
