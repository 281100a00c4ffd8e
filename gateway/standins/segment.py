"""A stand-in for Segment's batch endpoint. For demo and tests; not Segment.

https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from gateway.json_types import JsonObject, JsonValue
from gateway.standins.vendor import (
    Reply,
    Rule,
    VendorStandIn,
    basic_credentials,
    find_error,
    list_of,
    object_of,
    parse_json,
)

MAX_REQUEST_BYTES: Final = 500 * 1000
MAX_EVENT_BYTES: Final = 32 * 1000
MAX_EVENTS: Final = 2500

DEDUP_SECONDS: Final = 24 * 3600.0
"""For how long a `messageId` is known, in seconds."""

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")

_CONTEXT_KEYS: Final = frozenset(
    "active app campaign channel device groupId ip library locale network os page referrer screen timezone traits "
    "userAgent".split()
)

_EVENT_RULES: Final[Mapping[str, Rule]] = {
    "type": lambda value: value == "track",
    "event": lambda value: isinstance(value, str) and value != "",
    "messageId": lambda value: isinstance(value, str) and 0 < len(value) < 100,
    "userId": lambda value: isinstance(value, str) and value != "",
    "anonymousId": lambda value: isinstance(value, str) and value != "",
    "properties": lambda value: isinstance(value, dict),
    "context": lambda value: isinstance(value, dict) and value.keys() <= _CONTEXT_KEYS - {"ip"},
    "integrations": lambda value: isinstance(value, dict),
    "timestamp": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
}


class SegmentStandIn(VendorStandIn):
    """Takes track calls in batches, as Segment documents them; `accepted` holds events by `messageId`.

    Like Segment it answers 200 where it finds fault with an event, and drops the event: that is a violation here.
    """

    vendor = "Segment"
    rate = (1000, 1.0)
    write_key = "a-write-key"

    def answer(self, request: web.BaseRequest, body: bytes) -> Reply:
        """200, and each sound event noted; 400 and 401 as documented."""
        if (request.method, request.path) != ("POST", "/v1/batch"):
            return self._refused(404, "no such path")
        if basic_credentials(request) != (self.write_key, ""):
            return self._refused(401, "no write key")
        if request.content_type != "application/json" or len(body) > MAX_REQUEST_BYTES:
            return self._refused(
                400, "a content type that isn't JSON" if len(body) <= MAX_REQUEST_BYTES else "a request over 500 KB"
            )
        batch = parse_json(body)
        fault = find_error(batch, {"batch": lambda value: isinstance(value, list) and value != []}, "batch")
        if fault:
            return self._refused(400, f"a request whose {fault}")
        events = list_of(object_of(batch)["batch"])
        if any(len(msgspec.json.encode(event)) > MAX_EVENT_BYTES for event in events):
            return self._refused(400, "an event over 32 KB")
        self._take(events)
        return Reply(200, {"success": True})

    def rate_limited_body(self) -> JsonObject:
        """As all of Segment's errors."""
        return {"success": False, "message": "too many requests"}

    def _refused(self, status: int, why: str) -> Reply:
        self.add_violation(why)
        return Reply(status, {"success": False, "message": why})

    def _take(self, events: list[JsonValue]) -> None:
        if len(events) > MAX_EVENTS:
            self.add_violation("more than 2,500 events in a request")
            return
        for event in events:
            fault = find_error(event, _EVENT_RULES, "type event messageId")
            if not fault and not object_of(event).keys() & {"userId", "anonymousId"}:
                fault = "no_user_anon_id"
            if fault:
                self.add_violation(f"an event: {fault}")
            else:
                self._note(object_of(event))

    def _note(self, event: JsonObject) -> None:
        message_id = str(event["messageId"])
        if not self.is_known(message_id, DEDUP_SECONDS):
            self.accepted[message_id] = event
