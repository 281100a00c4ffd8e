"""Mixpanel's import API: events in batches, with an answer for each.

https://docs.mixpanel.com/reference/import-events
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.entry_batch import EntryBatch, entries
from gateway.errors import DeliveryReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, MessageClass, Outcome
from gateway.exporters.batching import send_in_requests
from gateway.exporters.credentials import basic_auth
from gateway.exporters.http_client import HttpClient, HttpResponse
from gateway.exporters.http_responses import WallClock, decode_body
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.template.field_renderers import JsonValue, milliseconds
from gateway.exporters.template_renderer import TemplateRenderer
from gateway.exporters.vendor_client import VendorClient
from gateway.model import OutboxEntry

MAX_REQUEST_EVENTS: Final = 1000
"""Events a request, of 2,000."""

MAX_REQUEST_BYTES: Final = 2_000_000
"""Before compression. The reference says 10 MB, and its sample of an error 2 MiB."""

MAX_EVENT_BYTES: Final = 900_000
"""Of 1 MB."""


class _FailedRecord(msgspec.Struct, frozen=True):
    index: int


class _ImportResponse(msgspec.Struct, frozen=True):
    num_records_imported: int
    failed_records: tuple[_FailedRecord, ...] = ()


class MixpanelExporter:
    """Imports each item as an event; the entry's key is its `$insert_id`.

    Guarantee: `delivered` means that Mixpanel has validated and imported the event; one that it finds fault with is
    `rejected`. At least once; effectively once, for as long as Mixpanel keeps events, among those equal in event,
    `distinct_id`, time and `$insert_id`: where the policy changes one of the first three between two tries, there are
    two.
    """

    def __init__(
        self,
        http: HttpClient,
        settings: MixpanelSettings,
        message_class: MessageClass,
        key: str,
        clock: WallClock = time.time,
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.limits = BatchLimits(max_items=MAX_REQUEST_EVENTS, max_bytes=MAX_REQUEST_BYTES // 2, linger_seconds=0.2)
        self._client = VendorClient(http, settings, f"/import?strict=1&project_id={settings.project_id}", key, clock)
        self._renderer = TemplateRenderer(settings.items, message_class, milliseconds, settings.BODY)

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Send events: delivered is what Mixpanel imported, rejected what it never takes, or what makes no event."""
        self._client.raise_if_closed()
        return await send_in_requests(
            [self._event(entry) for entry in entries(batches)], self._send_events, MAX_REQUEST_EVENTS, MAX_REQUEST_BYTES
        )

    async def close(self) -> None:
        """Send no more."""
        self._client.close()

    def _event(self, entry: OutboxEntry) -> bytes | Rejected:
        body = self._renderer.render(entry.type, entry.payload)
        if isinstance(body, Rejected):
            return body
        if not body.get("event"):
            return Rejected(ItemReason.REQUIRED_FIELD)
        ours: dict[str, JsonValue] = {
            "distinct_id": body.get("distinct_id", ""),
            "time": body.get("time", entry.received_ns // 1_000_000),
            "$insert_id": entry.key.hex(),
            # Without it, the sender's address is looked up, and the event has a place:
            # https://docs.mixpanel.com/docs/tracking-best-practices/geolocation.
            "ip": 0,
        }
        properties = body.get("properties")
        if isinstance(properties, dict):
            ours = {**properties, **ours}
        event = msgspec.json.encode({"event": body["event"], "properties": ours})
        return event if len(event) <= MAX_EVENT_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _send_events(self, events: Sequence[bytes]) -> Sequence[Outcome]:
        body = gzip.compress(b"[" + b",".join(events) + b"]", compresslevel=5, mtime=0)
        authorization = basic_auth(self._client.credential("username"), self._client.credential("password"))
        response = await self._client.post(body, {"Authorization": authorization, "Content-Encoding": "gzip"})
        outcomes = _outcomes(response, len(events)) if response.status in (200, 400) else None
        if outcomes is None:
            self._client.raise_for_status(response)
            raise Retryable
        return outcomes


def _outcomes(response: HttpResponse, events: int) -> Sequence[Outcome] | None:
    """Return the outcome of each event; None where the response doesn't say it.

    A 400 is partial success, and what it doesn't list was imported.
    """
    decoded = decode_body(response, _ImportResponse)
    if decoded is None:
        return None
    failed = {record.index for record in decoded.failed_records}
    if not failed <= set(range(events)) or decoded.num_records_imported + len(failed) != events:
        return None
    return [Rejected(DeliveryReason.REJECTED) if index in failed else DELIVERED for index in range(events)]
