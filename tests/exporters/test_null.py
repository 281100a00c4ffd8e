from __future__ import annotations

from gateway.exporters.base import DELIVERED, ImmediateExporter
from gateway.exporters.null.exporter import NullExporter
from tests.exporters.items import items


async def test_everything_is_settled_at_once_and_counted() -> None:
    null = NullExporter()
    batch = items("a", "b", "c")
    assert await null.send(batch) == [DELIVERED] * 3
    null.consume(batch)
    assert null.delivered == 6
    await null.close()


def test_it_needs_no_task() -> None:
    assert isinstance(NullExporter(), ImmediateExporter)
