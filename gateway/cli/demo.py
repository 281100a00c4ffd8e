"""`demo`: a look at what a gateway lets through."""

from __future__ import annotations

import click

from gateway.cli.options import example, output
from gateway.cli.output import console


@click.command(epilog=example("demo"))
@output
def demo(form: str) -> int:
    """Send traffic through a gateway and show what arrives.

    It listens on loopback, and leaves the destinations' files under .privacy-gateway/demo/. Exits with 1 if anything
    left that may not.
    """
    from gateway.demo.run import run  # noqa: PLC0415 help doesn't wait for gRPC

    return run(console(lines=False), form)
