"""Zendesk's ticketing API: one ticket a request.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/#create-ticket and
https://developer.zendesk.com/api-reference/ticketing/introduction/#idempotency
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.errors import ItemReason, Reason
from gateway.exporters.answers import Wall, read
from gateway.exporters.base import DELIVERED, Bounds, MessageClass, Outcome, Rejected, Retry
from gateway.exporters.credentials import basic
from gateway.exporters.fill import Filler, rfc3339
from gateway.exporters.post import Post
from gateway.exporters.web import Answer, Web
from gateway.model import OutboxEntry
from gateway.policy.http_exporters import ZendeskExporter
from gateway.policy.vendors import SHAPES

AT_ONCE: Final = 4
"""Tickets under way. At a few a second each, that is about the 700 a minute that Zendesk takes."""

TICKET_BYTES: Final = 64 * 1024
"""How large a ticket may be: a comment has 65,535 characters at most, and this one holds a reference."""


class _Id(msgspec.Struct, frozen=True):
    id: int


class _Created(msgspec.Struct, frozen=True):
    ticket: _Id


class _Error(msgspec.Struct, frozen=True):
    error: str


class Zendesk:
    """Creates a ticket of each item; the entry's key is its `Idempotency-Key`.

    Guarantee: `delivered` means that Zendesk has made the ticket. At least once; effectively once for two hours, in
    which Zendesk answers the same key with the ticket that it made of it. A key that it knows with another body, since
    the policy has changed between two tries, is a ticket too: that of the first try.
    """

    def __init__(
        self, web: Web, given: ZendeskExporter, message_class: MessageClass, key: str, wall: Wall = time.time
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.bounds = Bounds(items=AT_ONCE, bytes=1024 * 1024, at_once=1)
        self._post = Post(web, given, "/api/v2/tickets", key, wall)
        self._filler = Filler(given.items, message_class, rfc3339, SHAPES["zendesk"])

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Delivered what is a ticket; Retry what Zendesk can't take now.

        Rejected what it never will, or what makes no ticket.
        """
        self._post.check()
        some = asyncio.Semaphore(AT_ONCE)

        async def create(entry: OutboxEntry) -> Outcome:
            ticket = self._ticket(entry)
            if isinstance(ticket, Rejected):
                return ticket
            async with some:
                return await self._create(ticket, entry.key.hex())

        return await asyncio.gather(*map(create, batch))

    async def close(self) -> None:
        """Send no more."""
        self._post.close()

    def _ticket(self, entry: OutboxEntry) -> bytes | Rejected:
        body = self._filler.body(entry.release)
        if isinstance(body, Rejected):
            return body
        if not body.get("comment"):
            return Rejected(ItemReason.REQUIRED_FIELD)
        # Zendesk knows people by their address, and wants a name for a new one. Without an address, the ticket is the
        # agent's.
        requester = body.pop("requester", {})
        if "email" in requester:
            body["requester"] = {"name": requester["email"], **requester}
        ticket = msgspec.json.encode({"ticket": body})
        return ticket if len(ticket) <= TICKET_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _create(self, ticket: bytes, key: str) -> Outcome:
        answer = await self._post.send(ticket, {"Authorization": self._authorization(), "Idempotency-Key": key})
        if isinstance(answer, Retry):
            return answer
        fate = self._post.blame(answer)
        if isinstance(fate, Reason):
            return DELIVERED if _is_known(answer) else Rejected(fate)
        return fate or _made(answer)

    def _authorization(self) -> str:
        if "oauth" in self._post.credentials:
            return f"Bearer {self._post.credential('oauth')}"
        return basic(f"{self._post.credential('email')}/token", self._post.credential("token"))


def _made(answer: Answer) -> Outcome:
    created: Any = read(answer, _Created)
    return Retry() if created is None else DELIVERED


def _is_known(answer: Answer) -> bool:
    """Whether a ticket was made under this key before, of another body."""
    error: Any = read(answer, _Error)
    return error is not None and error.error == "IdempotentRequestError"
