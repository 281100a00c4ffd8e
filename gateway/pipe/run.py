"""The filter's assembly: from lines to where they go, until there are no more."""

from __future__ import annotations

from gateway.pipe.filter import LineFilter
from gateway.pipe.line_counts import DropReason
from gateway.pipe.line_reader import LineReader
from gateway.pipe.stdout_sink import Sink


def run(lines: LineReader, line_filter: LineFilter, sink: Sink) -> None:
    """Let lines through, until the writer has gone and all are through, or time is up."""
    try:
        while batch := lines.batch():
            sink.put(line_filter.filter(batch))
    finally:
        sink.close()
    lines.drain(sink.closed_by or DropReason.LATE)
