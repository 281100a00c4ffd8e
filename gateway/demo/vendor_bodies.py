"""What vendors were sent, read back as our messages, by nothing that had a part in writing it.

The places are named here once more.

What stands anywhere else, or isn't as it should be, is odd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from gateway.json_types import JsonObject, JsonValue

FlatBody = dict[str, JsonValue]
"""A body's values by their places, such as `context.traits.email` and `tags.1`."""

_EVENT: Final[Mapping[str, str]] = {
    "event": "name",
    "timestamp": "time",
    "userId": "user.user_id",
    "context.app.version": "user.device.app_version",
    "context.traits.email": "user.work_email",
}
_TICKET: Final[Mapping[str, str]] = {
    "external_id": "reference",
    "requester.name": "user.user_id",
    "requester.email": "user.work_email",
    "tags.1": "topic",
}


class ParsedBody(msgspec.Struct, frozen=True):
    """A message in protobuf's JSON, and what was odd about the body."""

    fields: Mapping[str, JsonValue]
    unexpected: tuple[str, ...]


BodyParser = Callable[[JsonObject], ParsedBody]


def parse_event(body: JsonObject) -> ParsedBody:
    """A track call of Segment's as an `AnalyticsEvent`."""
    flat = _flat(body)
    _drop_constants(flat, {"type": "track", "messageId": flat.get("messageId"), "anonymousId": flat.get("messageId")})
    properties = {at.removeprefix("properties."): flat.pop(at) for at in [*flat] if at.startswith("properties.")}
    fields = _take_fields(flat, _EVENT)
    if properties:
        fields["properties"] = {name: _property(value) for name, value in properties.items()}
    return ParsedBody(fields, tuple(flat))


def parse_ticket(body: JsonObject) -> ParsedBody:
    """A ticket of Zendesk's as a `SupportMessage`. Its texts hold what is elsewhere too, and nothing more."""
    flat = _flat(body)
    reference, user, topic = (flat.get(at) for at in ("external_id", "requester.name", "tags.1"))
    said = f"The discussion is in the archive under {reference}. User: {user}."
    _drop_constants(
        flat, {"subject": f"{topic}, {reference}", "comment.body": said, "comment.public": False, "tags.0": "kannelle"}
    )
    return ParsedBody(_take_fields(flat, _TICKET), tuple(flat))


def _flat(body: JsonObject) -> FlatBody:
    return dict(_values(body, ""))


def _values(held: JsonValue, at: str) -> Iterator[tuple[str, JsonValue]]:
    entries: Iterable[tuple[str | int, JsonValue]]
    match held:
        case dict():
            entries = held.items()
        case list():
            entries = enumerate(held)
        case _:
            yield at, held
            return
    for key, value in entries:
        yield from _values(value, f"{at}.{key}" if at else str(key))


def _drop_constants(flat: FlatBody, constant: Mapping[str, JsonValue]) -> None:
    """Take out what holds nothing of an item, if it is just that."""
    for at, value in constant.items():
        if at in flat and flat[at] == value:
            del flat[at]


def _take_fields(flat: FlatBody, places: Mapping[str, str]) -> JsonObject:
    fields: JsonObject = {}
    for at, path in places.items():
        if at in flat:
            *way, name = path.split(".")
            _object_at(fields, way)[name] = flat.pop(at)
    return fields


def _object_at(fields: JsonObject, way: Iterable[str]) -> JsonObject:
    """The object at the end of a way, with those on it made where they aren't there."""
    for step in way:
        inner = fields.setdefault(step, {})
        assert isinstance(inner, dict), "no field is both a value and an object"
        fields = inner
    return fields


def _property(value: JsonValue) -> JsonObject:
    kinds: Mapping[type, str] = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    return {kinds[type(value)]: value}
