"""Releases into vendors' bodies, by the policy's templates. What a template may say is `policy/mapping.py`'s; nothing is sent from here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.contract import message_of
from gateway.errors import Reason
from gateway.exporters.base import MessageClass, Rejected
from gateway.model import Release
from gateway.policy.mapping import Kind, Part, Place, field_of, kind_of, parts

ABSENT: Final = object()
"""What is left out."""

Draw = Callable[[Any], Any]
"""Something of a message, as JSON has it, or ABSENT."""

Moment = Callable[[Any], str | int]
"""A timestamp in the form that a vendor reads. Raises ValueError or OverflowError for one that is out of range."""


def rfc3339(time: Timestamp) -> str:
    """A time as RFC 3339 has it, in UTC: `2026-01-02T03:04:05.678Z`."""
    return time.ToJsonString()


def milliseconds(time: Timestamp) -> int:
    """A time in milliseconds since 1970."""
    return time.ToMilliseconds()


class Filler:
    """Fills the templates of one exporter, each compiled when its type first comes."""

    def __init__(self, items: Mapping[str, Any], message_class: MessageClass, moment: Moment) -> None:
        """`items` are templates by message type."""
        self._items = items
        self._message_class = message_class
        self._moment = moment
        self._drawn: dict[type[Message], Draw] = {}

    def body(self, release: Release) -> dict[str, Any] | Rejected:
        """A release's body, without what is absent. Rejected where there is no template or no such type, or the message can't be drawn."""
        try:
            cls = self._message_class(release.type)
            draw = self._drawn.get(cls) or self._compiled(release.type, cls)
            body: dict[str, Any] = draw(cls.FromString(release.payload))
        except LookupError:
            return Rejected(Reason.UNKNOWN_TYPE)
        except (DecodeError, ValueError, OverflowError):
            return Rejected(Reason.MALFORMED)
        return {} if body is ABSENT else body

    def _compiled(self, name: str, cls: type[Message]) -> Draw:
        # A class of a contract that is no longer in force has no more use for its templates.
        self._drawn = {known: draw for known, draw in self._drawn.items() if known.DESCRIPTOR.full_name != name}
        self._drawn[cls] = _tree(self._items[name], cast(Descriptor, cls.DESCRIPTOR), self._moment)
        return self._drawn[cls]


def _tree(tree: Any, message: Descriptor, moment: Moment) -> Draw:
    match tree:
        case Mapping():
            fields = [(key, _tree(entry, message, moment)) for key, entry in tree.items()]
            return lambda found: _whole(tree, {key: value for key, draw in fields if (value := draw(found)) is not ABSENT})
        case tuple() | list():
            entries = [_tree(entry, message, moment) for entry in tree]
            return lambda found: _whole(tree, [value for draw in entries if (value := draw(found)) is not ABSENT])
        case str():
            return _text(parts(tree), message, moment)
    return lambda _: tree


def _whole(template: Any, drawn: Any) -> Any:
    """What all is left out of is left out too."""
    return drawn if drawn or not template else ABSENT


def _text(found: tuple[Part, ...], message: Descriptor, moment: Moment) -> Draw:
    if len(found) == 1 and isinstance(found[0], tuple):
        return _placeholder(found[0], message, moment)
    draws = [_placeholder(part, message, moment) if isinstance(part, tuple) else part for part in found]
    if not any(map(callable, draws)):
        plain = "".join(map(str, found))
        return lambda _: plain
    return lambda item: _joined([draw if isinstance(draw, str) else draw(item) for draw in draws], draws)


def _joined(values: list[Any], draws: list[str | Draw]) -> Any:
    """A text, unless there is nothing to put into it."""
    if all(value is ABSENT for value, draw in zip(values, draws, strict=True) if callable(draw)):
        return ABSENT
    return "".join("" if value is ABSENT else _spelt(value) for value in values)


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _placeholder(place: Place, message: Descriptor, moment: Moment) -> Draw:
    field = field_of(place, message)
    way, draw = place[:-1], _field(field, moment)

    def drawn(item: Any) -> Any:
        for name in way:
            if not item.HasField(name):
                return ABSENT
            item = getattr(item, name)
        return draw(item) if _has(item, field) else ABSENT

    return drawn


def _has(item: Any, field: FieldDescriptor) -> bool:
    """Whether a field is there. One that doesn't tell absence from its default is there when it is something else."""
    if field.has_presence:
        return bool(item.HasField(field.name))
    return bool(getattr(item, field.name))


def _field(field: FieldDescriptor, moment: Moment) -> Draw:
    match kind_of(field):
        case Kind.ENTRIES:
            return _entries(field.name, _entry(message_of(field).fields_by_name["value"], moment))
        case Kind.LIST:
            return _list(field.name, _one(field, moment))
    one = _one(field, moment)
    return lambda item: one(getattr(item, field.name))


def _entries(name: str, one: Draw) -> Draw:
    def drawn(item: Any) -> Any:
        found = {key: drawn for key, value in getattr(item, name).items() if (drawn := one(value)) is not ABSENT}
        return found or ABSENT

    return drawn


def _list(name: str, one: Draw) -> Draw:
    def drawn(item: Any) -> Any:
        return [drawn for value in getattr(item, name) if (drawn := one(value)) is not ABSENT] or ABSENT

    return drawn


def _entry(value: FieldDescriptor, moment: Moment) -> Draw:
    """The value of a map's entry: one of several, such as an event's property, or itself."""
    choices = () if value.message_type is None else value.message_type.oneofs
    if not choices:
        return _one(value, moment)
    choice = choices[0]
    draws = {field.name: _field(field, moment) for field in choice.fields}

    def drawn(item: Any) -> Any:
        chosen = item.WhichOneof(choice.name)
        return ABSENT if chosen is None else draws[chosen](item)

    return drawn


def _one(field: FieldDescriptor, moment: Moment) -> Draw:
    if field.message_type is not None:
        return moment
    if field.enum_type is not None:
        return _names(field.enum_type)
    return _finite


def _names(enum: EnumDescriptor) -> Draw:
    names = {number: value.name for number, value in enum.values_by_number.items()}
    return lambda number: names.get(number, ABSENT)


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return ABSENT if isinstance(value, float) and not math.isfinite(value) else value
