from __future__ import annotations

from gateway.exporters.base import DELIVERED, Immediate
from gateway.exporters.null import Null
from gateway.model import Release


async def test_everything_is_settled_at_once_and_counted() -> None:
    null = Null()
    batch = [Release("nowhere", "x.Y", "digest", b"")] * 3
    assert await null.send(batch) == null.settle(batch) == [DELIVERED] * 3
    assert null.delivered == 6
    await null.close()


def test_it_needs_no_task() -> None:
    assert isinstance(Null(), Immediate)
