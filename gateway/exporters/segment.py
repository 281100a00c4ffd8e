"""Segment's HTTP API, which RudderStack speaks too: track calls in batches.

https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api
"""

from __future__ import annotations

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
from gateway.exporters.requests import sent
from gateway.exporters.web import Answer, Web
from gateway.model import OutboxEntry
from gateway.policy.http_exporters import SegmentExporter
from gateway.policy.vendors import SHAPES

EVENTS: Final = 1000
"""Events a request; Segment drops those beyond 2,500 without a word."""

REQUEST_BYTES: Final = 480_000
"""Of 500 KB, with room for what is around the events."""

EVENT_BYTES: Final = 32_000
"""Of 32 KB."""


class _Success(msgspec.Struct, frozen=True):
    success: bool


class Segment:
    """Sends each item as a track call; the entry's key is its `messageId`.

    Guarantee: `delivered` means that Segment answered 200, which says that it has the request, not that it accepts each
    event: one that it finds fault with later shows in its debugger only. At least once; effectively once for about 24
    hours, in which Segment drops what has a `messageId` that it has seen. RudderStack drops by the same ID for as long
    as it is set up to.
    """

    def __init__(
        self, web: Web, given: SegmentExporter, message_class: MessageClass, key: str, wall: Wall = time.time
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.bounds = Bounds(items=500, bytes=240_000, linger=0.2)
        self._post = Post(web, given, "/v1/batch", key, wall)
        self._filler = Filler(given.items, message_class, rfc3339, SHAPES["segment"])

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Delivered what Segment has; Retry what it can't take now.

        Rejected what it never will, or what makes no event.
        """
        self._post.check()
        return await sent([self._event(entry) for entry in batch], self._ask, EVENTS, REQUEST_BYTES)

    async def close(self) -> None:
        """Send no more."""
        self._post.close()

    def _event(self, entry: OutboxEntry) -> bytes | Rejected:
        body = self._filler.body(entry.release)
        if isinstance(body, Rejected):
            return body
        if not body.get("event"):
            return Rejected(ItemReason.REQUIRED_FIELD)
        key = entry.key.hex()
        # Segment wants somebody to have done it. Nobody, where we may not say who: the key links to nothing.
        who = {} if "userId" in body or "anonymousId" in body else {"anonymousId": key}
        event = msgspec.json.encode({**who, **body, "type": "track", "messageId": key})
        return event if len(event) <= EVENT_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _ask(self, events: Sequence[bytes]) -> Sequence[Outcome] | Reason:
        answer = await self._post.send(
            b'{"batch":[' + b",".join(events) + b"]}", {"Authorization": basic(self._post.credential("write_key"), "")}
        )
        fate = answer if isinstance(answer, Retry) else self._post.blame(answer) or _taken(answer)
        return fate if isinstance(fate, Reason) else [fate] * len(events)


def _taken(answer: Answer) -> Outcome:
    """Segment says `{"success": true}`, RudderStack `OK`."""
    body: Any = read(answer, _Success)
    return DELIVERED if (body is not None and body.success) or (answer.body or b"").strip() == b"OK" else Retry()
