"""`TrackEvents`: the gateway as users start it, against a bare grpc.aio handler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import Final

from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent, TrackEventsRequest, TrackEventsResponse

from tests.bench import servers
from tests.bench.client import AT_ONCE, send
from tests.bench.gateway import gateway
from tests.bench.instructions import Counter
from tests.bench.measure import Key, Measure, Size, in_turn
from tests.bench.process import Server, Start, program, scratch
from tests.bench.samples import events
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import FRESH, SEEN
from tests.support.kannelle_policy import KANNELLE_POLICY

METHOD: Final = "/kannelle.privacy.v1.AnalyticsService/TrackEvents"
CALLS: Final = {1: 2000, 500: 20}
"""In each round, by events a call."""

BARE: Final = "a bare grpc.aio handler"
NULL: Final = "the gateway with the `null` exporter, for which nothing is stored"
FILE: Final = "the gateway with the `jsonl` exporter, whose file is flushed to the volume before the answer"
BOTH: Final = (SEEN, FRESH)

AIMS: Final = {(NULL, 1): 1.25, (NULL, 500): 8.0, (FILE, 500): 16.0}
"""With values that were seen before, by events a call."""


def layout(size: int) -> Layout:
    """The table of calls of so many events."""
    return Layout(
        f"track-{size}",
        f"`TrackEvents`, {'one event' if size == 1 else f'{size} events'} a call, {AT_ONCE} calls at once; CPU of the "
        "server's process",
        "an event",
        (
            *(Case(BARE, values) for values in BOTH),
            *(
                Case(name, values, BARE, aim=AIMS.get((name, size)) if values == SEEN else None)
                for name in (NULL, FILE)
                for values in BOTH
            ),
        ),
        no_aim="fresh values are judged for the first time"
        + (", and of one event a call, a flushed file costs what the volume costs" if size == 1 else ""),
    )


LAYOUTS: Final = tuple(map(layout, CALLS))


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Measure one table for calls of one event and one for calls of many."""
    with scratch() as folder, ExitStack() as stack:
        running = {case: stack.enter_context(start(())) for case, start in starts(folder / "measured").items()}
        samples = [in_turn(_cases(running, events, size), size.rounds) for events in CALLS]
        counts = servers.instructions(counter, starts(folder / "counted"), _counted_loads(size), size)
    for table, each, taken in zip(LAYOUTS, CALLS, samples, strict=True):
        counted = {
            (name, values): count
            for name, found in counts.items()
            for (of, values), count in found.items()
            if of == each
        }
        yield table, Measured(taken, counted, counter=counter.name if counter else "")


def starts(folder: Path) -> Mapping[str, Start]:
    """How each server is started, with a folder of its own. The one with a file has Kannelle's policy as it is."""
    return {
        BARE: lambda under: program("handler", under=under),
        NULL: lambda under: gateway(folder / "null", policy=to_null(), under=under),
        FILE: lambda under: gateway(folder / "jsonl", under=under),
    }


def to_null() -> str:
    """Kannelle's policy, but that events go nowhere."""
    return analytics('exporter: {kind: "null"}')


def analytics(more: str) -> str:
    """Kannelle's policy, whose destination of events has one key more."""
    head = "\n  analytics:\n"
    before, found, after = KANNELLE_POLICY.partition(head)
    if not found:
        raise RuntimeError("Kannelle's policy has no destination `analytics`")
    return f"{before}{head}    {more}\n{after}"


def _cases(running: Mapping[str, Server], events: int, size: Size) -> Mapping[Key, Measure]:
    loads = {values: load(values, events, size.of(CALLS[events], 2)) for values in BOTH}
    return {
        (name, values): servers.of_server(server, loads[values]) for name, server in running.items() for values in BOTH
    }


def _counted_loads(size: Size) -> Mapping[tuple[int, str], servers.Load]:
    share = size.share * servers.COUNTED_SHARE
    return {
        (events, values): load(values, events, max(1, round(calls * share)))
        for events, calls in CALLS.items()
        for values in BOTH
    }


_ids: Final = count()


def requests(values: str, size: int, calls: int) -> list[bytes]:
    """Requests of `size` events each, every one with an ID of its own."""
    items = map(AnalyticsEvent.FromString, events(values))
    made = (TrackEventsRequest(request_id=f"bench {next(_ids)}", events=islice(items, size)) for _ in range(calls))
    return [request.SerializeToString() for request in made]


def load(values: str, size: int, calls: int) -> servers.Load:
    """Calls of `size` events each."""

    def prepare() -> servers.Send:
        asked = requests(values, size, calls)
        return lambda server: _send(server, asked, size * calls)

    return prepare


def _send(server: Server, asked: list[bytes], events: int) -> int:
    accepted = sum(TrackEventsResponse.FromString(answer).result.accepted for answer in send(server, METHOD, asked))
    if accepted != events:
        raise RuntimeError(f"only {accepted} of {events} events were accepted")
    return events
