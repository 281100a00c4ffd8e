"""One session: a gateway on loopback, stand-ins for what is around it, the service in its thread.

Another service with a gateway of its own, which the first one calls. And what each of them has afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from google.protobuf.message import Message

from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.demo import service, service_call
from gateway.demo.backends import Backends
from gateway.demo.called_service import CalledService
from gateway.demo.calls import calls
from gateway.demo.certificates import Authority
from gateway.demo.gateways import callee_config, caller_config, running
from gateway.demo.item import Item
from gateway.demo.logs import BATCH, RECORDS
from gateway.demo.received import log_items, read_files
from gateway.demo.service_call import to_gateway, to_service
from gateway.policy.load import PolicyFile
from gateway.standins.collector import Collector


class SentItem(msgspec.Struct, frozen=True):
    """An item, and the message it was on its way to the gateway."""

    item: Item
    message: Message


class DemoResult(msgspec.Struct, frozen=True):
    """What was sent; what the gateway answered, by call.

    And what each destination got: its messages, its bytes, and its faults. `metadata` are the keys of what came with
    the call to the other service.
    """

    sent: tuple[SentItem, ...]
    calls: Mapping[str, tuple[Item, ...]]
    answers: Mapping[str, service.CallAnswer]
    received: Mapping[str, tuple[Message, ...]]
    raw: Mapping[str, bytes]
    faults: Mapping[str, tuple[str, ...]]
    metadata: tuple[str, ...]


async def run_session(config: Config, file: PolicyFile, contract: Contract) -> DemoResult:
    """Start everything, let the service make all its calls, stop everything. Raises BadSetup."""
    make, items = contract.message_class, calls(datetime.now(UTC))
    request, response = (service.message(item, make) for item in (service_call.REQUEST, service_call.RESPONSE))
    # The collector hears the SDK without a gateway in between: this is how the demo knows what was sent.
    async with Backends() as backends, Collector() as direct, CalledService(response) as called:
        with TemporaryDirectory() as folder:
            authority = Authority(Path(folder))
            callee, caller = callee_config(config, authority), caller_config(config, authority)
            async with running(callee, lambda _: (to_service(file, called.address), contract)) as there:
                policy = to_gateway(file, there["inbound"])
                async with running(caller, lambda one: (backends.redirect(policy, one.state), contract)) as here:
                    await asyncio.to_thread(service.send_logs, f"http://{here['local']}", direct.endpoint)
                    said = await asyncio.to_thread(service.make_calls, here["local"], items, make)
                    reply = await asyncio.to_thread(service.call_service, here["outbound"], request)
    written, raw = read_files((caller.state, callee.state), contract)
    got, between = backends.received(contract), called.received(reply, contract)
    sent = [SentItem(item, message) for item, message in zip((BATCH, *RECORDS), log_items(direct.logs()), strict=False)]
    sent += _sent(items, said.messages)
    sent += [SentItem(service_call.REQUEST, request), SentItem(service_call.RESPONSE, response)]
    sent += [SentItem(entry, service.message(entry, make)) for entry in service_call.ENTRIES]
    return DemoResult(
        tuple(sent),
        {**items, service_call.NAME: (service_call.REQUEST,)},
        {**said.answers, service_call.NAME: reply.answer},
        {**written, **got.messages, **between.messages},
        {**raw, **got.raw, **between.raw},
        got.faults,
        called.metadata_keys(),
    )


def _sent(items: Mapping[str, tuple[Item, ...]], messages: Mapping[str, tuple[Message, ...]]) -> Iterator[SentItem]:
    for name, made in items.items():
        yield from (SentItem(item, message) for item, message in zip(made, messages[name], strict=True))
