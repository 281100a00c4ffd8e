"""One session: a gateway on loopback, stand-ins for what is around it, the service in its thread.

And what each of them has afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime

import msgspec
from google.protobuf.message import Message

from gateway.app import Gateway
from gateway.config import Config, Outbox
from gateway.contracts.contract import Contract
from gateway.delivery.outbox import file as outbox
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.demo import service
from gateway.demo.backends import Backends
from gateway.demo.calls import calls
from gateway.demo.item import Item
from gateway.demo.logs import BATCH, RECORDS
from gateway.demo.received import log_items, read_files
from gateway.policy.load import PolicyFile
from gateway.standins.collector import Collector


class SentItem(msgspec.Struct, frozen=True):
    """An item, and the message it was on its way to the gateway."""

    item: Item
    message: Message


class DemoResult(msgspec.Struct, frozen=True):
    """What was sent; what the gateway answered, by call.

    And what each destination got: its messages, its bytes, and its faults.
    """

    sent: tuple[SentItem, ...]
    calls: Mapping[str, tuple[Item, ...]]
    answers: Mapping[str, service.CallAnswer]
    received: Mapping[str, tuple[Message, ...]]
    raw: Mapping[str, bytes]
    faults: Mapping[str, tuple[str, ...]]


async def run_session(config: Config, file: PolicyFile, contract: Contract) -> DemoResult:
    """Start everything, let the service make all its calls, stop everything. Raises BadSetup."""
    # The second one hears the SDK without a gateway in between: this is how the demo knows what was sent.
    async with Backends() as backends, Collector() as direct:
        gateway = Gateway(config, source=lambda config: (backends.redirect(file, config.state), contract))
        _clear(config)
        address = (await gateway.start())["local"]
        try:
            items = calls(datetime.now(UTC))
            await asyncio.to_thread(service.send_logs, f"http://{address}", direct.endpoint)
            said = await asyncio.to_thread(service.make_calls, address, items, contract.message_class)
            await gateway.delivery.drained()
        finally:
            await gateway.stop()
    written, raw = read_files(config.state, contract)
    sent = [SentItem(item, message) for item, message in zip((BATCH, *RECORDS), log_items(direct.logs()), strict=False)]
    sent += [
        SentItem(item, message)
        for name, made in items.items()
        for item, message in zip(made, said.messages[name], strict=True)
    ]
    got = backends.received(contract)
    return DemoResult(tuple(sent), items, said.answers, {**written, **got.messages}, {**raw, **got.raw}, got.faults)


def _clear(config: Config) -> None:
    """Remove what an earlier demo left.

    The gateway has locked all of it, and sends nothing yet: no other demo is at it now.
    """
    for path in (*config.state.glob("*.jsonl"), *config.state.glob("*.jsonl.[0-9]*")):
        path.unlink()
    with closing(OutboxAdmin.open(config.state / outbox.NAME, Outbox())) as admin:
        list(admin.purge(EntryFilter()))
        list(admin.purge_dead(EntryFilter()))
