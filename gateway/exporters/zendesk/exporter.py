"""Zendesk's ticketing API: one ticket a request.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#create-ticket and
https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.entry_batch import EntryBatch, entries
from gateway.errors import ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, MessageClass, Outcome
from gateway.exporters.credentials import basic_auth
from gateway.exporters.http_client import HttpClient, HttpResponse
from gateway.exporters.http_responses import WallClock, decode_body
from gateway.exporters.template.field_renderers import rfc3339
from gateway.exporters.template_renderer import TemplateRenderer
from gateway.exporters.vendor_client import VendorClient
from gateway.exporters.zendesk.settings import ZendeskSettings
from gateway.model import OutboxEntry

MAX_TICKETS_IN_FLIGHT: Final = 4
"""Tickets under way. At a few a second each, that is about the 700 a minute that Zendesk takes."""

MAX_TICKET_BYTES: Final = 64 * 1024
"""How large a ticket may be: a comment has 65,535 characters at most, and this one holds a reference."""


class _Ticket(msgspec.Struct, frozen=True):
    id: int


class _CreateResponse(msgspec.Struct, frozen=True):
    ticket: _Ticket


class _ErrorResponse(msgspec.Struct, frozen=True):
    error: str


class ZendeskExporter:
    """Creates a ticket of each item; the entry's key is its `Idempotency-Key`.

    Guarantee: `delivered` means that Zendesk has made the ticket. At least once; effectively once for two hours, in
    which Zendesk answers the same key with the ticket that it made of it. A key that it knows with another body, since
    the policy has changed between two tries, is a ticket too: that of the first try.
    """

    def __init__(
        self,
        http: HttpClient,
        settings: ZendeskSettings,
        message_class: MessageClass,
        key: str,
        clock: WallClock = time.time,
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.limits = BatchLimits(max_items=MAX_TICKETS_IN_FLIGHT, max_bytes=1024 * 1024, max_in_flight=1)
        self._client = VendorClient(http, settings, "/api/v2/tickets", key, clock)
        self._renderer = TemplateRenderer(settings.items, message_class, rfc3339, settings.BODY)

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Create tickets: delivered is what is one, rejected what Zendesk never takes, or what makes none."""
        self._client.raise_if_closed()
        slots = asyncio.Semaphore(MAX_TICKETS_IN_FLIGHT)
        return await asyncio.gather(*(self._send_entry(entry, slots) for entry in entries(batches)))

    async def close(self) -> None:
        """Send no more."""
        self._client.close()

    def _ticket(self, entry: OutboxEntry) -> bytes | Rejected:
        body = self._renderer.render(entry.type, entry.payload)
        if isinstance(body, Rejected):
            return body
        if not body.get("comment"):
            return Rejected(ItemReason.REQUIRED_FIELD)
        # Zendesk knows people by their address, and wants a name for a new one. Without an address, the ticket is the
        # agent's.
        requester = body.pop("requester", None)
        if isinstance(requester, dict) and "email" in requester:
            body["requester"] = {"name": requester["email"], **requester}
        ticket = msgspec.json.encode({"ticket": body})
        return ticket if len(ticket) <= MAX_TICKET_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _send_entry(self, entry: OutboxEntry, slots: asyncio.Semaphore) -> Outcome:
        ticket = self._ticket(entry)
        if isinstance(ticket, Rejected):
            return ticket
        async with slots:
            try:
                await self._create(ticket, entry.key.hex())
            except (Retryable, Rejected) as error:
                return error.with_traceback(None)
        return DELIVERED

    async def _create(self, ticket: bytes, key: str) -> None:
        """Create a ticket, unless there is one under this key. Raises Retryable and Rejected."""
        response = await self._client.post(ticket, {"Authorization": self._authorization(), "Idempotency-Key": key})
        try:
            self._client.raise_for_status(response)
        except Rejected:
            if _is_duplicate(response):
                return
            raise
        if decode_body(response, _CreateResponse) is None:
            raise Retryable

    def _authorization(self) -> str:
        if "oauth" in self._client.credentials:
            return f"Bearer {self._client.credential('oauth')}"
        return basic_auth(f"{self._client.credential('email')}/token", self._client.credential("token"))


def _is_duplicate(response: HttpResponse) -> bool:
    """Return whether a ticket was made under this key before, of another body."""
    decoded = decode_body(response, _ErrorResponse)
    return decoded is not None and decoded.error == "IdempotentRequestError"
