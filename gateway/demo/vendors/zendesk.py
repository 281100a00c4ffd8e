"""A stand-in for Zendesk's ticketing API. For demo and tests; not Zendesk.

https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/ and, for errors and limits,
https://developer.zendesk.com/api-reference/introduction/requests/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.demo.vendors.stand_in import Reply, Rule, StandIn, of_basic, parsed, wrong

MEMORY: Final = 2 * 3600.0
"""For how long an `Idempotency-Key` is known, in seconds."""

KEY_LENGTH: Final = 255

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 65535


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_one_of(*words: str) -> Rule:
    return lambda value: value in words


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_COMMENT: Final[Mapping[str, Rule]] = {
    "body": _is_text,
    "html_body": _is_text,
    "public": lambda value: isinstance(value, bool),
}
_REQUESTER: Final[Mapping[str, Rule]] = {
    "name": _is_text,
    "email": lambda value: isinstance(value, str) and _ADDRESS.fullmatch(value) is not None,
    "locale_id": _is_number,
}
_TICKET: Final[Mapping[str, Rule]] = {
    "subject": _is_text,
    "comment": lambda value: not wrong(value, _COMMENT) and ("body" in value or "html_body" in value),
    # Zendesk makes a user of an address that it doesn't know, and wants a name for it then.
    "requester": lambda value: not wrong(value, _REQUESTER, "email name"),
    "external_id": _is_text,
    "tags": lambda value: (
        _is_list(value) and all(isinstance(tag, str) and tag and not re.search(r"\s", tag) for tag in value)
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


class ZendeskStandIn(StandIn):
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
        if not 0 < len(key) <= KEY_LENGTH:
            return self._refused(400, "InvalidIdempotencyKey", "no idempotency key, or one over 255 characters")
        given = parsed(body)
        fault = wrong(given, {"ticket": lambda value: isinstance(value, dict)}, "ticket")
        if fault:
            return self._refused(400, "InvalidJSON", f"a request: {fault}")
        return self._create(key, given["ticket"])

    def busy(self) -> Any:
        """As Zendesk words it."""
        return {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}

    def _is_agent(self, request: web.BaseRequest) -> bool:
        if request.headers.get("Authorization") == f"Bearer {self.oauth}":
            return True
        return of_basic(request) == (f"{self.email}/token", self.token)

    def _refused(self, status: int, error: str, why: str) -> Reply:
        self.violated(why)
        return Reply(status, {"error": error, "description": why})

    def _create(self, key: str, ticket: dict[str, Any]) -> Reply:
        fault = wrong(ticket, _TICKET, "comment")
        if fault:
            self.violated(f"a ticket: {fault}")
            details = {"base": [{"description": fault}]}
            return Reply(422, {"error": "RecordInvalid", "description": "Record validation errors", "details": details})
        known = self.is_known(key, MEMORY)
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
        made = {"id": number, "url": f"{self.url}/api/v2/tickets/{number}.json", **ticket}
        return Reply(
            201,
            {"ticket": made},
            {"X-Idempotency-Lookup": "hit" if known else "miss", "X-Rate-Limit": str(self.rate[0])},
        )
