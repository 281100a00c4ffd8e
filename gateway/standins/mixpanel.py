"""A stand-in for Mixpanel's import API. For demo and tests; not Mixpanel.

https://docs.mixpanel.com/reference/import-events
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from gateway.json_types import JsonObject, JsonValue
from gateway.standins.vendor import Reply, Rule, VendorStandIn, basic_credentials, find_error, object_of, parse_json

MAX_REQUEST_BYTES: Final = 10 * 1000 * 1000
MAX_EVENT_BYTES: Final = 1000 * 1000
MAX_EVENTS: Final = 2000
MAX_PROPERTIES: Final = 255

_PLACEHOLDER_IDS: Final = frozenset(
    "00000000-0000-0000-0000-000000000000 anon anonymous nil none null n/a na undefined unknown "
    "false true -1 0 [] {}".split()
)
"""Values that Mixpanel takes for a mistake, not for a user."""

_SENDER_PROPERTIES: Final = frozenset({"distinct_id", "time", "$insert_id", "ip"})
"""The properties that Mixpanel reserves and a sender says.

See https://docs.mixpanel.com/docs/data-structure/property-reference/reserved-properties.
"""

_EVENT_RULES: Final[Mapping[str, Rule]] = {
    "event": lambda value: isinstance(value, str) and value != "",
    "properties": lambda value: isinstance(value, dict),
}

FieldError = tuple[str, str]
"""A field, and what is wrong with it."""


class MixpanelStandIn(VendorStandIn):
    """Imports events, as Mixpanel documents it; `accepted` holds them by `$insert_id`."""

    vendor = "Mixpanel"
    # 30,000 events a second, taken over a minute.
    rate = (1_800_000, 60.0)
    username = "a-service-account"
    password = "a-secret"  # noqa: S105 - what a sender must know
    project_id = 4711

    def answer(self, request: web.BaseRequest, body: bytes) -> Reply:
        """200; 400 with those of the events that were not imported; 401 and 413 as documented."""
        if (request.method, request.path) != ("POST", "/import"):
            return self._refused(404, "Not Found", "no such path")
        if basic_credentials(request) != (self.username, self.password):
            return self._refused(401, "Unauthorized", "no credentials")
        if dict(request.query) != {"strict": "1", "project_id": str(self.project_id)}:
            return self._refused(400, "Bad Request", "parameters other than strict=1 and the project")
        if request.content_type != "application/json":
            return self._refused(400, "Bad Request", "a content type that isn't JSON")
        events = parse_json(body)
        if not isinstance(events, list) or not events:
            return self._refused(400, "Bad Request", "no list of events")
        if (
            len(body) > MAX_REQUEST_BYTES
            or len(events) > MAX_EVENTS
            or any(len(msgspec.json.encode(event)) > MAX_EVENT_BYTES for event in events)
        ):
            return self._refused(413, "Request Entity Too Large", "a request or an event over the limit")
        return self._import(events)

    def weight(self, body: bytes) -> int:
        """Its events."""
        events = parse_json(body)
        return len(events) if isinstance(events, list) else 1

    def rate_limited_body(self) -> JsonObject:
        """As Mixpanel words it."""
        return {"code": 429, "error": "Project exceeded rate limits", "status": "Too Many Requests"}

    def _refused(self, status: int, said: str, why: str) -> Reply:
        self.add_violation(why)
        return Reply(status, {"code": status, "error": why, "status": said})

    def _import(self, events: list[JsonValue]) -> Reply:
        faults = {index: fault for index, event in enumerate(events) if (fault := self._find_error(event)) is not None}
        for index, event in enumerate(events):
            if index not in faults:
                self._note(object_of(event))
        imported = len(events) - len(faults)
        if not faults:
            return Reply(200, {"code": 200, "num_records_imported": imported, "status": "OK"})
        failed: list[JsonValue] = [_failed(index, events[index], fault) for index, fault in faults.items()]
        for field, message in faults.values():
            self.add_violation(f"an event: {field} {message}")
        answer: JsonObject = {
            "code": 400,
            "error": "some data points in the request failed validation",
            "status": "Bad Request",
        }
        return Reply(400, {**answer, "num_records_imported": imported, "failed_records": failed})

    def _find_error(self, event: JsonValue) -> FieldError | None:
        fault = find_error(event, _EVENT_RULES, "event properties")
        if fault:
            return "event", fault
        given = object_of(object_of(event)["properties"])
        if len(given) >= MAX_PROPERTIES:
            return "properties", "has too many"
        when, who, insert_id = given.get("time"), given.get("distinct_id"), given.get("$insert_id")
        if type(when) is not int or not 31536000000 <= when <= (self._clock() + 3600) * 1000:
            return "properties.time", "must be milliseconds since 1970, after 1971 and not in the future"
        if not isinstance(who, str) or who.lower() in _PLACEHOLDER_IDS or len(who) > 255:
            return "properties.distinct_id", "is no user"
        if not isinstance(insert_id, str) or not re.fullmatch(r"[A-Za-z0-9-]{1,36}", insert_id):
            return "properties.$insert_id", "must be 1 to 36 letters, digits and hyphens"
        if type(given.get("ip")) is not int or given["ip"] != 0:
            return "properties.ip", "must be 0, or the sender is located"
        own = sorted(
            name for name in given.keys() - _SENDER_PROPERTIES if name == "token" or name.startswith(("$", "mp_"))
        )
        return (f"properties.{own[0]}", "is Mixpanel's own") if own else None

    def _note(self, event: JsonObject) -> None:
        given = object_of(event["properties"])
        insert_id = str(given["$insert_id"])
        identity = "\0".join((str(event["event"]), str(given["distinct_id"]), str(given["time"]), insert_id))
        if not self.is_known(identity, float("inf"), insert_id):
            self.accepted[insert_id] = event


def _failed(index: int, event: JsonValue, fault: FieldError) -> JsonObject:
    insert_id = object_of(object_of(event).get("properties")).get("$insert_id")
    return {
        "index": index,
        "insert_id": insert_id,
        "field": fault[0],
        "message": f"'{fault[0]}' is invalid: {fault[1]}",
    }
