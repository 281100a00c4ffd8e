"""A filter for tests, by a policy under which everything that may leave is known: keys, values, texts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from gateway.contracts.load import default_path, load
from gateway.pipe.filter import LineFilter
from gateway.pipe.line_counts import LineCounts
from gateway.pipe.render import render_line
from gateway.policy.compile import Compiler
from tests.support.contracts import policy

TEMPLATES: Final = ("server started", "video exported", "{} of {} done", "Überprüfung: “%s”")
CODECS: Final = ("h264", "hevc")
POLICY: Final = """\
otlp:
  attributes:
    kannelle.video.codec: {category: OPERATIONAL, one_of: [h264, hevc]}
    kannelle.video.duration_s: {category: OPERATIONAL, min: 0, max: 86400}
    codec: {category: OPERATIONAL, one_of: [h264, hevc]}
  log_templates: [server started, video exported, "{} of {} done", "Überprüfung: “%s”"]
"""
CLOSED_LOG: Final = "eu-indirect"
FREE_TEXT_STORE: Final = "eu-store"


@cache
def compiler() -> Compiler:
    return Compiler(load((default_path(),)), policy(POLICY))


def line_filter(destination: str = CLOSED_LOG) -> tuple[LineFilter, LineCounts]:
    counts = LineCounts()
    return LineFilter(compiler(), destination, counts), counts


def filtered(*lines: bytes, destination: str = CLOSED_LOG) -> list[bytes]:
    """The lines that come out."""
    made, _ = line_filter(destination)
    return [render_line(kept.record, kept.form) for kept in made.filter(lines)]


def dropped(given: bytes, destination: str = CLOSED_LOG) -> list[str]:
    """Why a line doesn't come out."""
    made, counts = line_filter(destination)
    assert not made.filter([given])
    return list(counts.as_dict()["dropped"])


def strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value, keys among them."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from strings(one)
        case dict():
            for key, one in value.items():
                yield key
                yield from strings(one)
