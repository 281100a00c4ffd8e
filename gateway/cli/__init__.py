"""The command line: what each command takes, prints and exits with. Nothing is decided here."""

from gateway.cli.root import main

__all__ = ["main"]
