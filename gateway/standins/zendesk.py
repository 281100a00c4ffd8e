"""A stand-in for Zendesk's ticketing API. For demo and tests; not Zendesk.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/ and, for errors and limits,
https://developer.zendesk.com/api-reference/introduction/requests/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

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

DEDUP_SECONDS: Final = 2 * 3600.0
"""For how long an `Idempotency-Key` is known, in seconds."""

MAX_KEY_CHARS: Final = 255

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _is_text(value: JsonValue) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 65535


def _is_number(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_one_of(*words: str) -> Rule:
    return lambda value: value in words


def _is_list(value: JsonValue) -> bool:
    return isinstance(value, list)


_COMMENT_RULES: Final[Mapping[str, Rule]] = {
    "body": _is_text,
    "html_body": _is_text,
    "public": lambda value: isinstance(value, bool),
}
_REQUESTER_RULES: Final[Mapping[str, Rule]] = {
    "name": _is_text,
    "email": lambda value: isinstance(value, str) and _ADDRESS.fullmatch(value) is not None,
    "locale_id": _is_number,
}
_TICKET_RULES: Final[Mapping[str, Rule]] = {
    "subject": _is_text,
    "comment": lambda value: (
        not find_error(value, _COMMENT_RULES) and bool({"body", "html_body"} & object_of(value).keys())
    ),
    # Zendesk makes a user of an address that it doesn't know, and wants a name for it then.
    "requester": lambda value: not find_error(value, _REQUESTER_RULES, "email name"),
    "external_id": _is_text,
    "tags": lambda value: (
        _is_list(value) and all(isinstance(tag, str) and tag and not re.search(r"\s", tag) for tag in list_of(value))
    ),
    "priority": _is_one_of("urgent", "high", "normal", "low"),
    "type": _is_one_of("problem", "incident", "question", "task"),
    "status": _is_one_of("new", "open", "pending", "hold", "solved", "closed"),
    "due_at": _is_text,
    "custom_fields": _is_list,
    "assignee_id": _is_number,
    "brand_id": _is_number,
    "group_id": _is_number,
    "ticket_form_id": _is_number,
}


class ZendeskStandIn(VendorStandIn):
    """Makes tickets, as Zendesk documents it; `accepted` holds them by `Idempotency-Key`."""

    vendor = "Zendesk"
    rate = (700, 60.0)
    email = "agent@kannelle.example"
    token = "an-api-token"  # noqa: S105 - what a sender must know
    oauth = "an-oauth-token"

    def answer(self, request: web.BaseRequest, body: bytes) -> Reply:
        """201 and the ticket, or the error that Zendesk documents."""
        if (request.method, request.path) not in (("POST", "/api/v2/tickets"), ("POST", "/api/v2/tickets.json")):
            return self._refused(404, "InvalidEndpoint", "no such path")
        if not self._is_agent(request):
            return self._refused(401, "Couldn't authenticate you", "no credentials")
        if request.content_type != "application/json" or request.headers.get("Accept") != "application/json":
            return self._refused(415, "UnsupportedMediaType", "a content type that isn't JSON")
        key = request.headers.get("Idempotency-Key", "")
        if not 0 < len(key) <= MAX_KEY_CHARS:
            return self._refused(400, "InvalidIdempotencyKey", "no idempotency key, or one over 255 characters")
        given = parse_json(body)
        fault = find_error(given, {"ticket": lambda value: isinstance(value, dict)}, "ticket")
        if fault:
            return self._refused(400, "InvalidJSON", f"a request: {fault}")
        return self._create(key, object_of(object_of(given)["ticket"]))

    def rate_limited_body(self) -> JsonObject:
        """As Zendesk words it."""
        return {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}

    def _is_agent(self, request: web.BaseRequest) -> bool:
        if request.headers.get("Authorization") == f"Bearer {self.oauth}":
            return True
        return basic_credentials(request) == (f"{self.email}/token", self.token)

    def _refused(self, status: int, error: str, why: str) -> Reply:
        self.add_violation(why)
        return Reply(status, {"error": error, "description": why})

    def _create(self, key: str, ticket: JsonObject) -> Reply:
        fault = find_error(ticket, _TICKET_RULES, "comment")
        if fault:
            self.add_violation(f"a ticket: {fault}")
            details: JsonObject = {"base": [{"description": fault}]}
            return Reply(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": details})
        known = self.is_known(key, DEDUP_SECONDS)
        if known and self.accepted[key] != ticket:
            return Reply(
                400,
                {
                    "error": "IdempotentRequestError",
                    "description": "Request parameters are different from the first ones",
                },
            )
        self.accepted.setdefault(key, ticket)
        number = list(self.accepted).index(key) + 1
        made: JsonObject = {"id": number, "url": f"{self.url}/api/v2/tickets/{number}.json", **ticket}
        return Reply(
            201,
            {"ticket": made},
            {"X-Idempotency-Lookup": "hit" if known else "miss", "X-Rate-Limit": str(self.rate[0])},
        )
