"""The play: a gateway on loopback, stand-ins for what is around it, the service in its thread; and what there is to see afterwards."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from google.protobuf.message import Message

from gateway.app import Gateway
from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.demo import service
from gateway.demo.calls import calls
from gateway.demo.collector import Collector
from gateway.demo.item import Item
from gateway.demo.logs import BATCH, RECORDS
from gateway.demo.observe import files, logged
from gateway.policy.document import OtlpExporter
from gateway.policy.load import PolicyFile

LOG: Final = "application-log"
"""The destination whose recipient is the stand-in for a log backend."""


class Sent(msgspec.Struct, frozen=True):
    """An item, and the message it was on its way to the gateway."""

    item: Item
    message: Message


class Seen(msgspec.Struct, frozen=True):
    """What was sent; what the gateway answered, by call; and what each destination got: its messages and its bytes."""

    sent: tuple[Sent, ...]
    calls: Mapping[str, tuple[Item, ...]]
    answers: Mapping[str, service.Answer]
    arrived: Mapping[str, tuple[Message, ...]]
    raw: Mapping[str, bytes]


async def play(config: Config, file: PolicyFile, contract: Contract) -> Seen:
    """Start everything, let the service say all it has to say, stop everything. Raises BadSetup."""
    # The second one hears the SDK without a gateway in between: this is how the demo knows what was sent.
    async with Collector() as backend, Collector() as direct:
        gateway = Gateway(config, source=lambda config: (pointed(file, backend.endpoint), contract))
        _clear(config.state)
        address = (await gateway.start())["local"]
        try:
            items = calls(datetime.now(UTC))
            await asyncio.to_thread(service.log, f"http://{address}", direct.endpoint)
            said = await asyncio.to_thread(service.call, address, items, contract.message_class)
            await gateway.delivery.drained()
        finally:
            await gateway.stop()
    written, raw = files(config.state, contract)
    sent = [Sent(item, message) for item, message in zip((BATCH, *RECORDS), logged(direct.requests), strict=False)]
    sent += [Sent(item, message) for name, made in items.items() for item, message in zip(made, said.messages[name], strict=True)]
    arrived = {**written, LOG: tuple(logged(backend.requests))}
    return Seen(tuple(sent), items, said.answers, arrived, {**raw, LOG: b"".join(backend.received)})


def pointed(file: PolicyFile, endpoint: str) -> PolicyFile:
    """The policy with the application log's exporter pointed at the stand-in."""
    given = file.policy.destinations
    log = msgspec.structs.replace(given[LOG], exporter=OtlpExporter(endpoint=endpoint))
    return dataclasses.replace(file, policy=msgspec.structs.replace(file.policy, destinations={**given, LOG: log}))


def _clear(state: Path) -> None:
    """Remove the files that an earlier demo left. The gateway has locked their names: no other demo is writing to them now."""
    for path in (*state.glob("*.jsonl"), *state.glob("*.jsonl.[0-9]*")):
        path.unlink()
