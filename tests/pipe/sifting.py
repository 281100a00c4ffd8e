"""A sieve for tests, by a policy under which everything that may leave is known: keys, values, texts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from gateway.contracts.load import default_path, load
from gateway.pipe.render import line
from gateway.pipe.sieve import Sieve
from gateway.pipe.tally import Tally
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
CLOSED: Final = "eu-indirect"
FREE: Final = "eu-log"
VENDOR: Final = "us-vendor"


@cache
def compiler() -> Compiler:
    return Compiler(load((default_path(),)), policy(POLICY))


def sieve(destination: str = CLOSED) -> tuple[Sieve, Tally]:
    tally = Tally()
    return Sieve(compiler(), destination, tally), tally


def sifted(*lines: bytes, destination: str = CLOSED) -> list[bytes]:
    """The lines that come out."""
    made, _ = sieve(destination)
    return [line(kept.record, kept.form) for kept in made.sift(lines)]


def dropped(given: bytes, destination: str = CLOSED) -> list[str]:
    """Why a line doesn't come out."""
    made, tally = sieve(destination)
    assert not made.sift([given])
    return list(tally.told()["dropped"])


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
