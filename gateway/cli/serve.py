"""`serve`: the gateway itself."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.options import FILE, example
from gateway.cli.system_roots import no_system_roots
from gateway.errors import BadSetup

if TYPE_CHECKING:
    from gateway.config import Config

log = logging.getLogger(__name__)

ROLE_VARIABLE: Final = "PRIVACY_GATEWAY__ROLE"
INSECURE_LOOPBACK_VARIABLE: Final = "PRIVACY_GATEWAY__INSECURE_LOOPBACK"
LOG_FORMAT_VARIABLE: Final = "PRIVACY_GATEWAY__TELEMETRY__LOG__FORMAT"
LOG_LEVEL_VARIABLE: Final = "PRIVACY_GATEWAY__TELEMETRY__LOG__LEVEL"


@click.command(epilog=example("serve --config gateway.yaml"))
@click.option(
    "--config", "path", type=FILE, metavar="FILE", help="The configuration. [default: an embedded gateway on loopback]"
)
@click.option("--role", type=click.Choice(["all", "agent", "hub"]), help="Overrides the configuration's.")
@click.option("--insecure-loopback", is_flag=True, help="Let exporters send to http:// on this machine, for trials.")
@click.option("--log-format", type=click.Choice(["text", "json"]), help="Of the log on standard error. [default: text]")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="The least that is logged. [default: info]",
)
def serve(
    path: Path | None, role: str | None, insecure_loopback: bool, log_format: str | None, log_level: str | None
) -> int:
    """Run the gateway, until SIGTERM or Ctrl-C.

    Without a configuration: role all on loopback, Kannelle's policy, files under .privacy-gateway/. Any key can be
    overridden by the environment: PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS=127.0.0.1:5317.
    """
    # What a start makes stays: the collector would look at all of it again and again. `app.serve` enables it.
    gc.disable()
    from gateway.config import read  # noqa: PLC0415 help doesn't wait for gRPC
    from gateway.telemetry.log import configure_logging  # noqa: PLC0415 nor for OpenTelemetry

    options = {
        ROLE_VARIABLE: role,
        INSECURE_LOOPBACK_VARIABLE: "true" if insecure_loopback else None,
        LOG_FORMAT_VARIABLE: log_format,
        LOG_LEVEL_VARIABLE: log_level,
    }
    config, origin = read(path, {**os.environ, **{name: given for name, given in options.items() if given}})
    configure_logging(config.telemetry.log.format, config.telemetry.log.level, sys.stderr)
    if path is None:
        _announce(config, _embedded_notice(config))
    with no_system_roots():
        from gateway import app  # noqa: PLC0415

    # Modules hold hardly any garbage, and two thirds of all objects: to look for it there would take longest.
    gc.freeze()
    try:
        return app.serve(config, origin)
    except BadSetup as error:
        if config.telemetry.log.format == "text":
            raise
        for line in str(error).splitlines():
            log.error("%s", line)
        return 2


def _announce(config: Config, text: str) -> None:
    """Tell whoever starts the gateway something.

    On standard error where people read it, else as a line of the log.
    """
    if config.telemetry.log.format == "text":
        click.echo(text, err=True)
    else:
        log.info("%s", text)


def _embedded_notice(config: Config) -> str:
    policy = "Kannelle's policy" if config.policy is None else f"the policy {config.policy}"
    listeners = config.listeners
    addresses = " and ".join(one.address for one in (listeners.local, listeners.local_http) if one is not None)
    kept = f"files under {config.state}/" if config.keeps_state else "no files"
    return f"No configuration file: role {config.role} on {addresses}, {policy}, {kept}"
