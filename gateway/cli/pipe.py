"""`pipe`: a filter for what a process writes to its standard output.

Whatever goes wrong, the process is never blocked nor killed by it.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
import msgspec
from click.exceptions import Exit

from gateway.cli.options import example, output, sources
from gateway.errors import BadSetup
from gateway.pipe.file_descriptor import write_line
from gateway.pipe.line_counts import LineCounts
from gateway.pipe.line_reader import LineReader
from gateway.pipe.posix_signals import STDIN_FD, ignore_signals
from gateway.pipe.report import CountsReporter

if TYPE_CHECKING:
    from gateway.pipe.stdout_sink import Sink

DEFAULT_LOCAL_ADDRESS: Final = "127.0.0.1:4317"
STDOUT_FD: Final = 1
REPORT_INTERVAL_SECONDS: Final = 60.0


class PipeOptions(NamedTuple):
    """The options of a call that say what leaves, and where to."""

    contracts: tuple[Path, ...]
    policy: Path | None
    destination: str
    local: str | None


class Duration(click.ParamType[float]):
    """A duration such as 60s, in seconds; 0 is never."""

    name = "duration"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds. Fails with what is to be written."""
        if isinstance(value, float):
            return value
        from gateway.yamlfile import durations  # noqa: PLC0415 reading begins before anything is loaded

        try:
            seconds = durations.parse_seconds(0 if value == "0" else value, value, "s")
        except ValueError as error:
            self.fail(f"must be {error}", param, ctx)
        if seconds < 0:
            self.fail("must not be negative", param, ctx)
        return float(seconds)


class FilterCommand(click.Command):
    """A command whose standard input is read to its end even when it is called wrongly."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: object
    ) -> click.Context:
        """The context of a call; where the call is wrong, only after all was read."""
        form = _requested_format(args)  # which reading them takes away
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            if os.isatty(STDIN_FD):
                raise
            _isolate_process()
            lines, report = _start(REPORT_INTERVAL_SECONDS, form, LineCounts())
            error.show()
            lines.drain()
            report.end()
            raise Exit(error.exit_code) from None


@click.command(cls=FilterCommand, epilog=example("pipe --destination application-log < app.log"))
@sources
@click.option("--destination", required=True, metavar="NAME", help="Whose lines these will be, as the policy names it.")
@click.option(
    "--local",
    is_flag=False,
    flag_value=DEFAULT_LOCAL_ADDRESS,
    metavar="[ADDRESS]",
    help=f"Send them to the gateway on this machine instead, as log records. [{DEFAULT_LOCAL_ADDRESS}]",
)
@click.option(
    "--report-every",
    "every",
    type=Duration(),
    default=REPORT_INTERVAL_SECONDS,
    metavar="DURATION",
    show_default="60s",
    help="When to say the counts. 0: at the end.",
)
@output
def pipe(  # noqa: PLR0913, PLR0917 - as the options are
    contracts: tuple[Path, ...], policy: Path | None, destination: str, local: str | None, every: float, form: str
) -> int:
    """Minimise what a process writes, line by line.

    Level, time and IDs are found in what common loggers print, the policy's `pipe.keys` name others. A text leaves if
    it is one of `log_templates`, fields by the policy's attribute rules. Reads until the writer has gone, whatever
    happens and whatever signal comes. Says on standard error how many lines passed: from time to time, on SIGUSR1, and
    at the end. Exits with 1 if lines were lost for want of room, of time or of a reader.
    """
    if os.isatty(STDIN_FD):
        raise click.UsageError("Lines come from standard input; there is a terminal.")
    _isolate_process()
    counts = LineCounts()
    lines, report = _start(every, form, counts)
    try:
        _filter(lines, counts, PipeOptions(contracts, policy, destination, local))
    except (BadSetup, click.ClickException) as error:
        _print_error(error)
        lines.drain()
        report.end()
        return 2
    except BaseException:
        lines.drain()
        report.end()
        raise
    report.end()
    return int(counts.has_lost_lines)


def _start(every: float, form: str, counts: LineCounts) -> tuple[LineReader, CountsReporter]:
    """Begin to read and to report counts."""
    lines = LineReader(STDIN_FD, counts)
    lines.start()
    report = CountsReporter(counts, every, _json_line if form == "json" else LineCounts.summary)
    report.start()
    return lines, report


def _requested_format(args: Sequence[str]) -> str:
    """The form of counts that the arguments of a wrong call ask for, as far as can be told."""
    return "json" if "--format=json" in args or ("--format", "json") in pairwise(args) else "text"


def _json_line(counts: LineCounts) -> str:
    return msgspec.json.encode(counts.as_dict()).decode()


def _isolate_process() -> None:
    """Outlive the writer, leave no core, and silence libraries' loggers: what they log may hold values."""
    ignore_signals()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.raiseExceptions = False
    logging.getLogger().addHandler(logging.NullHandler())
    threading.excepthook = lambda _: None
    # The thread that reads shall not wait long for the one that decides.
    sys.setswitchinterval(0.001)


def _filter(lines: LineReader, counts: LineCounts, given: PipeOptions) -> None:
    """Let lines through. Raises BadSetup, BadParameter."""
    from gateway.cli.sources import find_destination, load_compiler  # noqa: PLC0415 reading begins first
    from gateway.pipe.filter import LineFilter  # noqa: PLC0415
    from gateway.pipe.resource import resource_prefix as resource_of  # noqa: PLC0415
    from gateway.pipe.run import run  # noqa: PLC0415

    made, file = load_compiler(given.contracts, given.policy)
    line_filter = LineFilter(
        made, find_destination(made, file, given.destination), counts, resource_of(os.environ) if given.local else b""
    )
    run(lines, line_filter, _sink(lines, counts, given.local))


def _sink(lines: LineReader, counts: LineCounts, local: str | None) -> Sink:
    if local is None:
        from gateway.pipe.stdout_sink import StdoutSink  # noqa: PLC0415 as above

        return StdoutSink(STDOUT_FD, lines.remaining, counts)
    from gateway.pipe.otlp_sink import OtlpSink  # noqa: PLC0415

    return OtlpSink(local, counts, remaining=None if lines.is_file else lines.remaining)


def _print_error(error: BadSetup | click.ClickException) -> None:
    write_line(f"Error: {error.format_message()}" if isinstance(error, click.ClickException) else str(error))
