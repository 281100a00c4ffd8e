"""The filter's assembly: from lines to where they go, until there are no more."""

from __future__ import annotations

from gateway.pipe.lines import Lines
from gateway.pipe.printed import Sink
from gateway.pipe.sieve import Sieve
from gateway.pipe.tally import Loss


def run(lines: Lines, sieve: Sieve, sink: Sink) -> None:
    """Let lines through, until the writer has gone and all are through, or time is up."""
    try:
        while batch := lines.batch():
            sink.put(sieve.sift(batch))
    finally:
        sink.close()
    lines.drain(sink.shut or Loss.LATE)
