"""A webhook of the operator's: items as JSON, signed as Standard Webhooks has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.entry_batch import EntryBatch, entries
from gateway.errors import BadConfig, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, MessageClass, Outcome
from gateway.exporters.batching import send_in_requests
from gateway.exporters.http_client import HttpClient
from gateway.exporters.http_responses import WallClock
from gateway.exporters.proto_json import SERIALIZATION_ERRORS, MessageJson
from gateway.exporters.vendor_client import VendorClient
from gateway.exporters.webhook.settings import WebhookSettings
from gateway.model import OutboxEntry

MAX_REQUEST_ITEMS: Final = 100
MAX_REQUEST_BYTES: Final = 1_000_000

_KEY_PREFIX: Final = "whsec_"


class WebhookExporter:
    """Posts `{"items": [{"key", "type", "plan", "message"}, …]}`.

    `message` is proto-JSON, `key` the entry's, in hexadecimal.

    Guarantee: `delivered` means that the receiver answered 2xx. At least once: an item that comes again has the key
    that it had, and a request of the same items the same `webhook-id`, so that the receiver can tell for as long as it
    remembers.
    """

    def __init__(
        self,
        http: HttpClient,
        settings: WebhookSettings,
        message_class: MessageClass,
        key: str,
        clock: WallClock = time.time,
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.limits = BatchLimits(max_items=MAX_REQUEST_ITEMS, max_bytes=MAX_REQUEST_BYTES // 4, linger_seconds=0.2)
        self._client = VendorClient(http, settings, "", key, clock)
        self._proto_json = MessageJson(message_class)
        if _decode_secret(self._client.credential("secret")) is None:
            raise BadConfig(f"{key}.secret: must be whsec_ and base64 of 24 to 64 bytes")

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        """Post items: delivered is what the receiver took, rejected what it never takes, or what has no JSON form."""
        self._client.raise_if_closed()
        return await send_in_requests(
            [self._item(entry) for entry in entries(batches)], self._send_items, MAX_REQUEST_ITEMS, MAX_REQUEST_BYTES
        )

    async def close(self) -> None:
        """Send no more."""
        self._client.close()

    def _item(self, entry: OutboxEntry) -> bytes | Rejected:
        try:
            body = self._proto_json.of(entry.type, entry.payload)
        except KeyError:
            return Rejected(ItemReason.UNKNOWN_TYPE)
        except SERIALIZATION_ERRORS:
            return Rejected(ItemReason.MALFORMED)
        item = msgspec.json.encode({"key": entry.key.hex(), "type": entry.type, "plan": entry.plan, "message": body})
        return item if len(item) <= MAX_REQUEST_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _send_items(self, items: Sequence[bytes]) -> Sequence[Outcome]:
        secret = _decode_secret(self._client.credential("secret"))
        if secret is None:
            raise Retryable
        body = b'{"items":[' + b",".join(items) + b"]}"
        response = await self._client.post(body, _signature_headers(body, secret, int(self._client.clock())))
        self._client.raise_for_status(response)
        return [DELIVERED] * len(items)


def _decode_secret(text: str) -> bytes | None:
    """The key in a secret; None if it is none."""
    try:
        key = base64.b64decode(text.removeprefix(_KEY_PREFIX), validate=True)
    except ValueError:
        return None
    return key if text.startswith(_KEY_PREFIX) and 24 <= len(key) <= 64 else None


def _signature_headers(body: bytes, secret: bytes, now: int) -> dict[str, str]:
    """The headers that say what a request is, when it was sent, and that it is ours."""
    name = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
    signature = hmac.digest(secret, f"{name}.{now}.".encode() + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
