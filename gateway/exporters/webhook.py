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
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from gateway.errors import BadConfig, ItemReason, Reason
from gateway.exporters.answers import Wall
from gateway.exporters.base import DELIVERED, Bounds, MessageClass, Outcome, Rejected, Retry
from gateway.exporters.post import Post
from gateway.exporters.requests import sent
from gateway.exporters.web import Web
from gateway.model import OutboxEntry
from gateway.policy.http_exporters import WebhookExporter

ITEMS: Final = 100
REQUEST_BYTES: Final = 1_000_000

_PREFIX: Final = "whsec_"

# What the libraries raise on a message that has no JSON form.
_FORMLESS: Final = (DecodeError, json_format.Error, OverflowError, RecursionError, TypeError, ValueError)


class Webhook:
    """Posts `{"items": [{"key", "type", "plan", "message"}, …]}`, where `message` is proto-JSON and `key` the entry's, in hexadecimal.

    Guarantee: `delivered` means that the receiver answered 2xx. At least once: an item that comes again has the key that it had, and a
    request of the same items the same `webhook-id`, so that the receiver can tell for as long as it remembers.
    """

    def __init__(
        self, web: Web, given: WebhookExporter, message_class: MessageClass, key: str, wall: Wall = time.time
    ) -> None:
        """`key` is where the policy speaks of it. Raises BadConfig."""
        self.bounds = Bounds(items=ITEMS, bytes=REQUEST_BYTES // 4, linger=0.2)
        self._post = Post(web, given, "", key, wall)
        self._message_class = message_class
        if _secret(self._post.credential("secret")) is None:
            raise BadConfig(f"{key}.secret: must be whsec_ and base64 of 24 to 64 bytes")

    async def send(self, batch: Sequence[OutboxEntry]) -> Sequence[Outcome]:
        """Delivered what the receiver took; Retry what it can't take now.

        Rejected what it never will, or what has no JSON form.
        """
        self._post.check()
        return await sent([self._item(entry) for entry in batch], self._ask, ITEMS, REQUEST_BYTES)

    async def close(self) -> None:
        """Send no more."""
        self._post.close()

    def _item(self, entry: OutboxEntry) -> bytes | Rejected:
        release = entry.release
        try:
            message = self._message_class(release.type).FromString(release.payload)
            drawn = json_format.MessageToDict(message, descriptor_pool=message.DESCRIPTOR.file.pool)  # type: ignore[arg-type]  # types-protobuf: upb's pool
        except KeyError:
            return Rejected(ItemReason.UNKNOWN_TYPE)
        except _FORMLESS:
            return Rejected(ItemReason.MALFORMED)
        item = msgspec.json.encode(
            {"key": entry.key.hex(), "type": release.type, "plan": release.plan, "message": drawn}
        )
        return item if len(item) <= REQUEST_BYTES else Rejected(ItemReason.TOO_LARGE)

    async def _ask(self, items: Sequence[bytes]) -> Sequence[Outcome] | Reason:
        secret = _secret(self._post.credential("secret"))
        body = b'{"items":[' + b",".join(items) + b"]}"
        answer = (
            Retry() if secret is None else await self._post.send(body, _signed(body, secret, int(self._post.wall())))
        )
        fate = answer if isinstance(answer, Retry) else self._post.blame(answer) or DELIVERED
        return fate if isinstance(fate, Reason) else [fate] * len(items)


def _secret(text: str) -> bytes | None:
    """The key in a secret; None if it is none."""
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except ValueError:
        return None
    return key if text.startswith(_PREFIX) and 24 <= len(key) <= 64 else None


def _signed(body: bytes, secret: bytes, now: int) -> dict[str, str]:
    """The headers that say what a request is, when it was sent, and that it is ours."""
    name = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
    signature = hmac.digest(secret, f"{name}.{now}.".encode() + body, "sha256")
    return {
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
