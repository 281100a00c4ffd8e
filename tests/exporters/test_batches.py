"""Entries that come together are sent as those that come each alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.entry_batch import EntryBatch
from gateway.errors import ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, Outcome, all_delivered, count_entries, send_batches
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.otlp.signals import LOGS, SIGNALS
from gateway.standins import MixpanelStandIn, SegmentStandIn, ZendeskStandIn
from gateway.standins.collector import Collector
from tests.exporters.items import collected, entry, item
from tests.exporters.jsonl.test_exporter import known
from tests.exporters.otlp.test_exporter import sending_to
from tests.exporters.sending import event, message, mixpanel, segment, zendesk
from tests.support.joined_batches import joined

MIXED: Final = [
    *(item("a"), item("b"), entry(LOGS.item, b"\xff"), item("c"), item("c", SIGNALS[1]), entry("no.such.Type", b"x")),
    *(entry("no.such.Type", b"y"), item("d")),
]


async def test_the_records_of_a_batch_reach_a_collector_as_each_alone_would() -> None:
    alone, together = Collector(), Collector()
    async with sending_to(alone) as otlp:
        outcomes = await otlp.send(MIXED)
    async with sending_to(together) as otlp:
        assert await otlp.send(joined(MIXED)) == outcomes
    assert len(joined(MIXED)) == 4
    assert outcomes.count(DELIVERED) == 5
    for signal in SIGNALS:
        assert collected(together, signal) == collected(alone, signal)


async def test_the_lines_of_a_batch_are_those_of_each_alone(tmp_path: Path) -> None:
    given_entries = [item("a"), entry(LOGS.item, b"\xff"), item("b"), event(1), event(2), entry("no.such.Type", b"")]
    outcomes: list[Sequence[Outcome]] = []
    for name, batches in (("alone", given_entries), ("together", joined(given_entries))):
        jsonl = JsonlExporter.open(str(tmp_path / name), known)
        outcomes.append(await jsonl.send(batches))
        await jsonl.close()
    assert (tmp_path / "alone").read_bytes() == (tmp_path / "together").read_bytes()
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].count(DELIVERED) == 4


async def test_the_events_of_a_batch_reach_a_vendor_as_each_alone_would(http: HttpClient) -> None:
    events = [event(1), event(2, name=""), event(3, user_id="")]
    seen: list[object] = []
    for batches in (events, joined(events)):
        async with SegmentStandIn() as track, MixpanelStandIn() as imported, ZendeskStandIn() as tickets:
            messages = [message(1), message(2)]
            seen.append(
                (
                    await segment(http, track.url).send(batches),
                    track.accepted,
                    await mixpanel(http, imported.url).send(batches),
                    imported.accepted,
                    await zendesk(http, tickets.url).send(messages if batches is events else joined(messages)),
                )
            )
    assert seen[0] == seen[1]


class Telling:
    """An exporter that tells these outcomes."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = outcomes

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        return self.outcomes


@settings(max_examples=50)
@given(st.lists(st.sampled_from([DELIVERED, Retryable(), Rejected(ItemReason.TOO_LARGE)]), min_size=1, max_size=5))
@pytest.mark.parametrize("size", [1, 3])
async def test_an_outcome_is_told_for_each_entry_or_none_is_believed(size: int, outcomes: Sequence[Outcome]) -> None:
    batches = joined([item(str(number)) for number in range(size)])
    told = await send_batches(Telling(outcomes), batches)  # type: ignore[arg-type]
    assert len(told) == count_entries(batches) == size
    assert (told == outcomes) == (len(outcomes) == size)
    assert all_delivered(told) == (len(outcomes) == size and set(map(type, outcomes)) == {type(DELIVERED)})
