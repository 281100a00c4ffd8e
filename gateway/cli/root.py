"""The program: its commands, each loaded when it is called, and the one place where errors become exit codes.

0: done. 1: findings, or input refused. 2: usage, configuration or an unknown name.
"""

from __future__ import annotations

import errno
import importlib
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn

import click
from click.exceptions import Exit, NoSuchCommand

from gateway import __version__
from gateway.errors import BadSetup

COMMANDS: Final = (
    "serve",
    "demo",
    "minimise",
    "init",
    "lint",
    "explain",
    "diff",
    "report",
    "approve",
    "templates",
    "pipe",
    "inject",
    "certificates",
    "outbox",
    "deadletters",
    "config",
    "version",
)
"""In the order of their use; each is in the file of its name."""

EXTRA_BY_MODULE: Final[Mapping[str, str]] = {"opentelemetry.exporter.otlp": "demo"}
"""The extra that brings a module, and those below it."""

INTERNAL_ERROR_TEXT: Final = "Internal error ({name} at {place}). Nothing more was printed or sent; please report it."


class Root(click.Group):
    """Loads a command when it is asked for, so that `version` needn't wait for gRPC."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 click's signature
        """The commands, in the order of their use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 click's signature
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"gateway.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; another that looks like it is proposed."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what it returns is the exit code."""
        try:
            code = super().invoke(ctx)
        except BadSetup as error:
            _exit_with(ctx, str(error))
        except (click.ClickException, click.Abort, Exit, BrokenPipeError):
            raise
        except Exception as error:  # noqa: BLE001 no text of an unforeseen exception is printed: it may hold a value
            _exit_with(ctx, _error_text(error))
        if isinstance(code, int):
            ctx.exit(code)


def _error_text(error: Exception) -> str:
    """What is said of an exception that no command foresaw, without its text."""
    match error:
        case ModuleNotFoundError() if found := _missing_extra(error):
            return found
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO):
            return f"the output could not be written: {error.strerror}"
    *_, frame = traceback.extract_tb(error.__traceback__)
    return INTERNAL_ERROR_TEXT.format(name=type(error).__name__, place=f"{Path(frame.filename).name}:{frame.lineno}")


def _missing_extra(error: ModuleNotFoundError) -> str:
    """What to install for a module that only an extra brings; empty for others."""
    found = next((extra for module, extra in EXTRA_BY_MODULE.items() if (error.name or "").startswith(module)), "")
    return (
        found
        and f"needs {error.name}, which is not installed: pip install 'kannelle-privacy-gateway[{found}]' brings it"
    )


def _exit_with(ctx: click.Context, text: str) -> NoReturn:
    click.echo(text, err=True)
    ctx.exit(2)


EXAMPLES: Final = """\
\b
See it work:        privacy-gateway demo
Run it:             privacy-gateway serve
Before you push:    privacy-gateway lint --contracts protos/
Before you agree:   privacy-gateway diff policy.yaml new-policy.yaml
"""


@click.group(
    cls=Root, name="privacy-gateway", epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="%(prog)s %(version)s", help="Print the version and exit.")
def main() -> None:
    """Minimises what a service says to logs, vendors and other services."""
