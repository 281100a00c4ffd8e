"""The demo's two gateways: how each is configured, runs, and begins with nothing that an earlier demo left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing

import msgspec

from gateway.app import Gateway
from gateway.config import Config, Inbound, Outbound, Outbox
from gateway.delivery.outbox import file as outbox
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.demo.certificates import Authority
from gateway.demo.service_call import AUTHORITY, CALLEE, CALLER, CALLER_AUTHORITY
from gateway.loading import PolicySource


def caller_config(config: Config, authority: Authority) -> Config:
    """The gateway that everything goes through, with a certificate of its service's to call others by."""
    listeners = msgspec.structs.replace(config.listeners, outbound=Outbound(address="127.0.0.1:0"))
    tls = authority.issue(CALLER, CALLER_AUTHORITY)
    return msgspec.structs.replace(config, service=CALLER, listeners=listeners, tls=tls)


def callee_config(config: Config, authority: Authority) -> Config:
    """The gateway beside the service that is called, with a state folder of its own below the other's."""
    listeners = msgspec.structs.replace(config.listeners, inbound=Inbound(address="127.0.0.1:0"))
    tls, state = authority.issue(CALLEE, AUTHORITY), config.state / "callee"
    return msgspec.structs.replace(config, service=CALLEE, listeners=listeners, tls=tls, state=state)


@asynccontextmanager
async def running(config: Config, source: PolicySource) -> AsyncIterator[Mapping[str, str]]:
    """A gateway that runs, by the addresses of its listeners; in the end all that it took is delivered.

    Raises BadSetup.
    """
    gateway = Gateway(config, source=source)
    _clear(config)
    addresses = await gateway.start()
    try:
        yield addresses
        await gateway.delivery.drained()
    finally:
        await gateway.stop()


def _clear(config: Config) -> None:
    """Remove what an earlier demo left.

    The gateway has locked all of it, and sends nothing yet: no other demo is at it now.
    """
    for path in (*config.state.glob("*.jsonl"), *config.state.glob("*.jsonl.[0-9]*")):
        path.unlink()
    with closing(OutboxAdmin.open(config.state / outbox.NAME, Outbox())) as admin:
        list(admin.purge(EntryFilter()))
        list(admin.purge_dead(EntryFilter()))
