"""`version`: which gateway this is."""

from __future__ import annotations

import platform

import click

from gateway import __version__
from gateway.cli.options import example, output
from gateway.cli.output import print_json


@click.command(epilog=example("version"))
@output
def version(form: str) -> None:
    """Print the version."""
    if form == "json":
        print_json({"name": "privacy-gateway", "version": __version__, "python": platform.python_version()})
    else:
        click.echo(f"privacy-gateway {__version__}")
