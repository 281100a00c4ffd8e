"""Releases into vendors' bodies, by the policy's templates.

What a template may say is `policy/mapping.py`'s; nothing is sent from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.contracts.contract import message_of
from gateway.errors import ItemReason, Rejected
from gateway.exporters.base import MessageClass
from gateway.model import Release
from gateway.policy.template.markup import ESCAPES, Escape, Markup, holds_liquid
from gateway.policy.template.placeholders import FieldKind, FieldPath, TemplatePart, field_of, kind_of, template_parts
from gateway.policy.template.placement import placeholder_markups
from gateway.policy.vendors import NO_RESERVED_KEYS, UNCHECKED_BODY, BodySchema, ReservedKeys

ABSENT: Final = object()
"""What is left out."""

Render = Callable[[Any], Any]
"""Something of a message, as JSON has it, or ABSENT."""

TimestampFormat = Callable[[Any], str | int]
"""A timestamp in the form that a vendor reads. Raises ValueError or OverflowError for one that is out of range."""


class _Position(msgspec.Struct, frozen=True):
    """Where in a vendor's body a part of a template stands.

    Its shape, what is read in texts there, and which keys are the vendor's own.
    """

    moment: TimestampFormat
    shape: BodySchema
    markup: Markup = Markup.NONE
    reserved: ReservedKeys = NO_RESERVED_KEYS

    def within(self, field: str) -> _Position:
        """In a field of this one. What the vendor doesn't look into is read as what is around it."""
        if field not in self.shape.fields:
            return _Position(self.moment, UNCHECKED_BODY, self.markup)
        inner, reserved = self.shape.nested.get(field, UNCHECKED_BODY), self.shape.reserved.get(field, NO_RESERVED_KEYS)
        return _Position(self.moment, inner, self.shape.markup_of(field), reserved)


class _ValueFormat(msgspec.Struct, frozen=True):
    """How what is in a field is drawn: times, texts, and which keys of a map aren't."""

    moment: TimestampFormat
    escape: Escape = str
    reserved: ReservedKeys = NO_RESERVED_KEYS


def rfc3339(time: Timestamp) -> str:
    """A time as RFC 3339 has it, in UTC: `2026-01-02T03:04:05.678Z`."""
    return time.ToJsonString()


def milliseconds(time: Timestamp) -> int:
    """A time in milliseconds since 1970."""
    return time.ToMilliseconds()


class TemplateRenderer:
    """Fills the templates of one exporter, each compiled when its type first comes."""

    def __init__(
        self,
        items: Mapping[str, Any],
        message_class: MessageClass,
        moment: TimestampFormat,
        shape: BodySchema = UNCHECKED_BODY,
    ) -> None:
        """`items` are templates by message type, each of a body of that shape."""
        self._items = items
        self._message_class = message_class
        self._spot = _Position(moment, shape)
        self._drawn: dict[type[Message], Render] = {}

    def render(self, release: Release) -> dict[str, Any] | Rejected:
        """A release's body, without what is absent.

        Rejected where there is no template or no such type, or the message can't be drawn.
        """
        try:
            cls = self._message_class(release.type)
            draw = self._drawn.get(cls) or self._compiled(release.type, cls)
            body: dict[str, Any] = draw(cls.FromString(release.payload))
        except LookupError:
            return Rejected(ItemReason.UNKNOWN_TYPE)
        except (DecodeError, ValueError, OverflowError):
            return Rejected(ItemReason.MALFORMED)
        return {} if body is ABSENT else body

    def _compiled(self, name: str, cls: type[Message]) -> Render:
        # A class of a contract that is no longer in force has no more use for its templates.
        self._drawn = {known: draw for known, draw in self._drawn.items() if known.DESCRIPTOR.full_name != name}
        self._drawn[cls] = _tree(self._items[name], cast(Descriptor, cls.DESCRIPTOR), self._spot)
        return self._drawn[cls]


def _tree(tree: Any, message: Descriptor, spot: _Position) -> Render:
    match tree:
        case Mapping():
            fields = [(key, _tree(entry, message, spot.within(key))) for key, entry in tree.items()]
            return lambda found: _whole(
                tree, {key: value for key, draw in fields if (value := draw(found)) is not ABSENT}
            )
        case tuple() | list():
            entries = [_tree(entry, message, spot) for entry in tree]
            return lambda found: _whole(tree, [value for draw in entries if (value := draw(found)) is not ABSENT])
        case str():
            draw = _text(template_parts(tree), message, spot)
            return _identity(draw) if spot.markup is Markup.IDENTITY else draw
    return lambda _: tree


def _whole(template: Any, drawn: Any) -> Any:
    """What all is left out of is left out too."""
    return drawn if drawn or not template else ABSENT


def _text(found: tuple[TemplatePart, ...], message: Descriptor, spot: _Position) -> Render:
    styles = iter(_styles(found, spot))
    draws = [_placeholder(part, message, next(styles)) if isinstance(part, tuple) else part for part in found]
    if len(draws) == 1 and callable(draws[0]):
        return draws[0]
    if not any(map(callable, draws)):
        plain = "".join(map(str, found))
        return lambda _: plain
    return lambda item: _joined([draw if isinstance(draw, str) else draw(item) for draw in draws], draws)


def _styles(found: tuple[TemplatePart, ...], spot: _Position) -> Iterator[_ValueFormat]:
    """How each placeholder of a text is drawn."""
    return (
        _ValueFormat(spot.moment, ESCAPES[markup], spot.reserved) for markup in placeholder_markups(found, spot.markup)
    )


def _identity(draw: Render) -> Render:
    """A text that would say something else if it were altered, and so isn't there if it would have to be."""

    def drawn(item: Any) -> Any:
        text = draw(item)
        return ABSENT if isinstance(text, str) and holds_liquid(text) else text

    return drawn


def _joined(values: list[Any], draws: list[str | Render]) -> Any:
    """A text, unless there is nothing to put into it."""
    if all(value is ABSENT for value, draw in zip(values, draws, strict=True) if callable(draw)):
        return ABSENT
    return "".join("" if value is ABSENT else _spelt(value) for value in values)


def _spelt(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _placeholder(place: FieldPath, message: Descriptor, style: _ValueFormat) -> Render:
    field = field_of(place, message)
    way, draw = place[:-1], _field(field, style)

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


def _field(field: FieldDescriptor, style: _ValueFormat) -> Render:
    match kind_of(field):
        case FieldKind.ENTRIES:
            return _entries(field.name, _entry(message_of(field).fields_by_name["value"], style), style.reserved)
        case FieldKind.LIST:
            return _list(field.name, _one(field, style))
    one = _one(field, style)
    return lambda item: one(getattr(item, field.name))


def _entries(name: str, one: Render, reserved: ReservedKeys) -> Render:
    """A map, without the keys that the vendor gives a meaning of its own: those of a map are data, and may be any."""

    def drawn(item: Any) -> Any:
        kept = ((key, value) for key, value in getattr(item, name).items() if not reserved.contains(key))
        found = {key: drawn for key, value in kept if (drawn := one(value)) is not ABSENT}
        return found or ABSENT

    return drawn


def _list(name: str, one: Render) -> Render:
    def drawn(item: Any) -> Any:
        return [drawn for value in getattr(item, name) if (drawn := one(value)) is not ABSENT] or ABSENT

    return drawn


def _entry(value: FieldDescriptor, style: _ValueFormat) -> Render:
    """The value of a map's entry: one of several, such as an event's property, or itself."""
    choices = () if value.message_type is None else value.message_type.oneofs
    if not choices:
        return _one(value, style)
    choice = choices[0]
    draws = {field.name: _field(field, style) for field in choice.fields}

    def drawn(item: Any) -> Any:
        chosen = item.WhichOneof(choice.name)
        return ABSENT if chosen is None else draws[chosen](item)

    return drawn


def _one(field: FieldDescriptor, style: _ValueFormat) -> Render:
    if field.message_type is not None:
        return style.moment
    if field.enum_type is not None:
        return _names(field.enum_type)
    return style.escape if field.type == FieldDescriptor.TYPE_STRING else _finite


def _names(enum: EnumDescriptor) -> Render:
    names = {number: value.name for number, value in enum.values_by_number.items()}
    return lambda number: names.get(number, ABSENT)


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return ABSENT if isinstance(value, float) and not math.isfinite(value) else value
