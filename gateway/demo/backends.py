"""Who receives in the demo, and isn't a file.

Stand-ins in this process, a log backend and two vendors, behind the real exporters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from gateway.contracts.contract import Contract
from gateway.demo import proposed_exporters as proposed
from gateway.demo import service_call
from gateway.demo import vendor_bodies as posted
from gateway.demo.received import log_items
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.exporters.registry import ExporterSettings
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import Secret
from gateway.exporters.zendesk.settings import ZendeskSettings
from gateway.policy.load import PolicyFile
from gateway.standins import SegmentStandIn, VendorStandIn, ZendeskStandIn
from gateway.standins.collector import Collector

LOG: Final = "application-log"
ANALYTICS: Final = "analytics"
SUPPORT: Final = "support"

DESCRIPTIONS: Final[Mapping[str, str]] = {
    LOG: "an OTLP collector in this process, standing in for the log backend",
    ANALYTICS: "a strict stand-in for Segment in this process, by the segment exporter",
    SUPPORT: "a strict stand-in for Zendesk in this process, by the zendesk exporter",
    service_call.SERVICE: "the service called in this process, through both gateways",
    service_call.ANSWER: "the service that called, back through both",
}
"""Where a recipient's data goes that isn't written to a file."""

EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"
MESSAGE: Final = "kannelle.privacy.v1.SupportMessage"


class ReceivedData(msgspec.Struct, frozen=True):
    """What destinations have, by name: their messages, the bytes that came, and what their stand-ins found wrong."""

    messages: Mapping[str, tuple[Message, ...]]
    raw: Mapping[str, bytes]
    faults: Mapping[str, tuple[str, ...]]


class Backends:
    """All of them. Used as `async with Backends() as backends`."""

    def __init__(self) -> None:
        self._log = Collector()
        self._segment = SegmentStandIn()
        self._zendesk = ZendeskStandIn()
        self._started = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for backend in (self._log, self._segment, self._zendesk):
            await self._started.enter_async_context(backend)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._started.aclose()

    def redirect(self, file: PolicyFile, state: Path) -> PolicyFile:
        """The policy with these behind its exporters: as it proposes them, but for where they lead.

        Credentials are files in `state`.
        """
        given = file.policy.destinations
        exporters: dict[str, ExporterSettings] = {LOG: OtlpSettings(endpoint=self._log.endpoint)}
        for name, exporter in proposed.proposed_exporters().items():
            if isinstance(exporter, SegmentSettings):
                key = _secret(state / "segment-write-key", self._segment.write_key)
                exporters[name] = msgspec.structs.replace(exporter, endpoint=self._segment.url, write_key=key)
            elif isinstance(exporter, ZendeskSettings):
                email = _secret(state / "zendesk-email", self._zendesk.email)
                token = _secret(state / "zendesk-token", self._zendesk.token)
                exporters[name] = msgspec.structs.replace(
                    exporter, endpoint=self._zendesk.url, email=email, token=token
                )
        changed = {
            name: msgspec.structs.replace(given[name], exporter=exporter) for name, exporter in exporters.items()
        }
        return dataclasses.replace(file, policy=msgspec.structs.replace(file.policy, destinations={**given, **changed}))

    def received(self, contract: Contract) -> ReceivedData:
        """What they have."""
        vendors = (
            (ANALYTICS, EVENT, self._segment, posted.parse_event),
            (SUPPORT, MESSAGE, self._zendesk, posted.parse_ticket),
        )
        arrived: dict[str, tuple[Message, ...]] = {LOG: tuple(log_items(self._log.logs()))}
        raw, faults = {LOG: b"".join(self._log.received)}, {}
        for name, type_, vendor, read in vendors:
            bodies = [read(body) for body in vendor.accepted.values()]
            arrived[name] = tuple(_message(one, type_, contract) for one in bodies)
            raw[name] = b"\n".join(vendor.received)
            faults[name] = tuple(_faults(vendor, bodies))
        return ReceivedData(arrived, raw, faults)


def _secret(path: Path, value: str) -> Secret:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(value, encoding="ascii")
    return Secret(file=str(path))


def _message(one: posted.ParsedBody, type: str, contract: Contract) -> Message:
    return ParseDict(dict(one.fields), contract.message_class(type)(), descriptor_pool=contract.pool)


def _faults(vendor: VendorStandIn, bodies: list[posted.ParsedBody]) -> Iterator[str]:
    """What a vendor doesn't document, got twice, or got in a place where nothing should be."""
    yield from vendor.violations
    yield from (f"{vendor.vendor}: got the same twice" for _ in vendor.duplicates)
    yield from (f"{vendor.vendor}: {at} is not as it should be" for one in bodies for at in one.unexpected)
