"""Segment's HTTP API, which RudderStack speaks too: track calls in batches.

https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.entry_batch import EntryBatch, entries
from gateway.errors import ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, MessageClass, Outcome
from gateway.exporters.batching import send_in_requests
from gateway.exporters.credentials import basic_auth
from gateway.exporters.http_client import HttpClient, HttpResponse
from gateway.exporters.http_responses import WallClock, decode_body
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.template.field_renderers import rfc3339
from gateway.exporters.template_renderer import TemplateRenderer
from gateway.exporters.vendor_client import VendorClient
from gateway.model import OutboxEntry

MAX_REQUEST_EVENTS: Final = 1000
"""Events a request; Segment drops those beyond 2,500 without a word."""

MAX_REQUEST_BYTES: Final = 480_000
"""Of 500 KB, with room for what is around the events."""

MAX_EVENT_BYTES: Final = 32_000
"""Of 32 KB."""


class _BatchResponse(msgspec.Struct, frozen=True):
    success: bool


class SegmentExporter:
    """Sends each item as a track call; the entry's key is its `messageId`.

    Guarantee: `delivered` means that Segment answered 200, which says that it has the request, not that it accepts each
    event: one that it finds fault with later shows in its debugger only. At least once; effectively once for about 24
    hours, in which Segment drops what has a `messageId` that it has seen. RudderStack drops by the same ID for as long
    as it is set up to.
    """

    def __init__(
        self,
        http: HttpClient,
        settings: SegmentSettings,
        message_class: MessageClass,
        key: str,
        clock: WallClock = time.time,
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.limits = BatchLimits(max_items=512, max_bytes=240_000, linger_seconds=0.2)
        self._client = VendorClient(http, settings, "/v1/batch", key, clock)
        self._renderer = TemplateRenderer(settings.items, message_class, rfc3339, settings.BODY)

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Send events: delivered is what Segment has, rejected what it never takes, or what makes no event."""
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
        key = entry.key.hex()
        # Segment wants somebody to have done it. Nobody, where we may not say who: the key links to nothing.
        who = {} if "userId" in body or "anonymousId" in body else {"anonymousId": key}
        event = msgspec.json.encode({**who, **body, "type": "track", "messageId": key})
        return event if len(event) <= MAX_EVENT_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _send_events(self, events: Sequence[bytes]) -> Sequence[Outcome]:
        response = await self._client.post(
            b'{"batch":[' + b",".join(events) + b"]}",
            {"Authorization": basic_auth(self._client.credential("write_key"), "")},
        )
        self._client.raise_for_status(response)
        if not _is_success(response):
            raise Retryable
        return [DELIVERED] * len(events)


def _is_success(response: HttpResponse) -> bool:
    """Return whether a body says so: Segment's is `{"success": true}`, RudderStack's `OK`."""
    decoded = decode_body(response, _BatchResponse)
    return (decoded is not None and decoded.success) or (response.body or b"").strip() == b"OK"
