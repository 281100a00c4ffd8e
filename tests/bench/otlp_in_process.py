"""OTLP batches by themselves, in this process.

Taken apart, decided on and put together, against parsing and serialising them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from gateway.model import Facts, Release
from gateway.otlp.join import join
from gateway.otlp.split import split
from gateway.pipeline.flows import Flows
from tests.bench.event import compiler
from tests.bench.measure import InProcess, Key, Size
from tests.bench.records import RECORDS, Kind
from tests.bench.table import Case, Layout
from tests.bench.values import FRESH, MIXED, SEEN

PLAIN: Final = "protobuf's own parse and serialise"
SPLIT: Final = "split and join"
MINIMISED: Final = "split, decide, join"

Convert = Callable[[bytes], bytes]

BATCHES: Final = 4
"""In each round."""


def layout(kind: Kind) -> Layout:
    """The table of a signal."""
    return Layout(
        f"otlp-{kind.signal.name}-alone",
        f"an OTLP batch of {RECORDS} {NOUNS[kind.signal.name]} with 10 attributes, in process, without a server",
        "a record",
        (
            *(Case(PLAIN, values) for values in (SEEN, MIXED, FRESH)),
            *(Case(SPLIT, values, PLAIN) for values in (SEEN, FRESH)),
            Case(MINIMISED, SEEN, PLAIN, aim=4.0),
            Case(MINIMISED, MIXED, PLAIN, aim=4.0),
            Case(MINIMISED, FRESH, PLAIN),
        ),
        no_aim="what isn't decided on is part of other rows, and fresh values are judged for the first time, whatever "
        "that takes",
    )


NOUNS: Final[Mapping[str, str]] = {"logs": "log records", "traces": "spans"}


def cases(kind: Kind, size: Size) -> Mapping[Key, InProcess]:
    """Each case's work."""
    works = {PLAIN: plain, SPLIT: splitting, MINIMISED: minimising}
    batches = size.of(BATCHES)
    return {case.key: _in_process(works[case.name](kind), kind, case.values, batches) for case in layout(kind).cases}


def _in_process(convert: Convert, kind: Kind, values: str, batches: int) -> InProcess:
    def prepare() -> Callable[[], None]:
        raws = [kind.batch(values) for _ in range(batches)]

        def work() -> None:
            for raw in raws:
                convert(raw)

        return work

    return InProcess(prepare, batches * RECORDS)


def plain(kind: Kind) -> Convert:
    """Parse a whole request, and serialise it."""
    return lambda raw: bytes(kind.request.FromString(raw).SerializeToString())


def splitting(kind: Kind) -> Convert:
    """Take a request apart and put it together, deciding nothing."""
    return lambda raw: join([*split(raw)])


def minimising(kind: Kind) -> Convert:
    """Take a request apart, decide on each record, and put together what is left, having seen what is called seen."""
    flow, facts = Flows(compiler()).of(kind.signal.flow), Facts(time.time_ns())

    def convert(raw: bytes) -> bytes:
        verdicts = [flow.decide(item, facts)[0] for item in split(raw)]
        return join([verdict.payload for verdict in verdicts if isinstance(verdict, Release)])

    convert(kind.batch(SEEN))
    return convert
