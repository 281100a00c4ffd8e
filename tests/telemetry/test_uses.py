"""What is bounded tells how much of it is in use: at first nothing, then what has come, and nothing again."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

from gateway.delivery.keys import MAX_SUBJECT_HASHES, Keys
from gateway.model import Category
from gateway.pipeline.caller import CALLER
from gateway.pipeline.offload import BULKY_BYTES, COSTLY_BYTES, Offload
from gateway.receivers.call_slots import CallSlot, CallSlots
from gateway.telemetry import ResourceUsage
from gateway.telemetry.metrics import RESOURCES
from tests.support.channels import TIMEOUT_SECONDS

SIZES: Final = {"offload_costly": COSTLY_BYTES, "offload_bulky": BULKY_BYTES}


def test_slots_tell_how_many_are_taken() -> None:
    slots = CallSlots(4)
    calls = [CallSlot("a"), CallSlot("b")]
    assert slots.use == ResourceUsage(0, 4)
    for count, call in enumerate(calls, 1):
        assert slots.enter(call.caller)
        assert slots.use == ResourceUsage(count, 4)
    for count, call in enumerate(calls, 1):
        slots.leave(call)
        slots.leave(call)
        assert slots.use == ResourceUsage(2 - count, 4)


def test_keys_tell_how_many_hashes_they_remember() -> None:
    keys = Keys(bytes(32))
    assert keys.use() == ResourceUsage(0, MAX_SUBJECT_HASHES)
    for name in ("usr_1", "usr_2", "usr_1"):
        keys.subject(Category.USER_ID, name)
    assert keys.use() == ResourceUsage(2, MAX_SUBJECT_HASHES)


async def test_lanes_tell_how_much_waits_for_them() -> None:
    offload, may = Offload(), threading.Event()
    assert offload.uses().keys() <= RESOURCES.keys()
    for lane, size in SIZES.items():
        may.clear()
        begun = threading.Event()

        def work(begun: threading.Event = begun) -> bool:
            begun.set()
            return may.wait(TIMEOUT_SECONDS)

        first = asyncio.create_task(offload.run(size, work))
        assert await asyncio.to_thread(begun.wait, TIMEOUT_SECONDS)
        rest = []
        for caller in ("a", "a", "b"):
            CALLER.set(caller)
            rest.append(asyncio.create_task(offload.run(size, work)))
        await asyncio.sleep(0)
        assert {name: use().used for name, use in offload.uses().items()} == {
            name: 3 if name == lane else 0 for name in offload.uses()
        }
        may.set()
        assert all(await asyncio.wait_for(asyncio.gather(first, *rest), TIMEOUT_SECONDS))
        assert {use() for use in offload.uses().values()} == {ResourceUsage(0, None)}
    offload.close()
