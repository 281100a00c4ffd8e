"""Releases into vendors' bodies, by the policy's templates.

What a template may say: `template/placeholders.py`. How a field is rendered: `template/field_renderers.py`. Nothing is
sent from here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from gateway.errors import ItemReason, Rejected
from gateway.exporters.base import MessageClass
from gateway.exporters.template.body_schema import NO_RESERVED_KEYS, UNCHECKED_BODY, BodySchema, ReservedKeys
from gateway.exporters.template.field_renderers import (
    JsonValue,
    Renderer,
    TimestampFormat,
    ValueFormat,
    field_renderer,
)
from gateway.exporters.template.markup import ESCAPES, Markup, holds_liquid
from gateway.exporters.template.placeholders import FieldPath, TemplatePart, TemplateValue, field_of, template_parts
from gateway.exporters.template.placement import placeholder_markups
from gateway.protobuf.descriptors import descriptor_of


class _Position(msgspec.Struct, frozen=True):
    """Where in a vendor's body a part of a template stands.

    Its schema, what is read in texts there, and which keys are the vendor's own.
    """

    timestamp: TimestampFormat
    schema: BodySchema
    markup: Markup = Markup.NONE
    reserved: ReservedKeys = NO_RESERVED_KEYS

    def within(self, field: str) -> _Position:
        """In a field of this one. What the vendor doesn't look into is read as what is around it."""
        schema = self.schema
        if field not in schema.fields:
            return _Position(self.timestamp, UNCHECKED_BODY, self.markup)
        nested, reserved = schema.nested.get(field, UNCHECKED_BODY), schema.reserved.get(field, NO_RESERVED_KEYS)
        return _Position(self.timestamp, nested, schema.markup_of(field), reserved)


class TemplateRenderer:
    """Fills the templates of one exporter, each compiled when its type first comes.

    With the template `{"userId": "{user.user_id}", "properties": {"plan": "{plan}", "team": "{team}"}}`:

        user { user_id: "usr_1" } plan: "pro"   → {"userId": "usr_1", "properties": {"plan": "pro"}}
        user { user_id: "usr_1" }               → {"userId": "usr_1"}    what all is left out of is left out too
        nothing                                 → {}
    """

    def __init__(
        self,
        items: Mapping[str, Mapping[str, TemplateValue]],
        message_class: MessageClass,
        timestamp: TimestampFormat,
        schema: BodySchema = UNCHECKED_BODY,
    ) -> None:
        """`items` are templates by message type, each of a body of that schema."""
        self._items = items
        self._message_class = message_class
        self._position = _Position(timestamp, schema)
        self._bodies: dict[type[Message], _Object] = {}

    def render(self, name: str, payload: bytes) -> dict[str, JsonValue] | Rejected:
        """The body of a message of the type with this name, without what is absent.

        Rejected where there is no template or no such type, or the message can't be rendered.
        """
        try:
            cls = self._message_class(name)
            body = self._bodies.get(cls) or self._compiled(name, cls)
            return body.render(cls.FromString(payload)) or {}
        except LookupError:
            return Rejected(ItemReason.UNKNOWN_TYPE)
        except (DecodeError, ValueError, OverflowError):
            return Rejected(ItemReason.MALFORMED)

    def _compiled(self, name: str, cls: type[Message]) -> _Object:
        # A class of a contract that is no longer in force has no more use for its templates.
        self._bodies = {known: body for known, body in self._bodies.items() if known.DESCRIPTOR.full_name != name}
        self._bodies[cls] = _Object(self._items[name], descriptor_of(cls), self._position)
        return self._bodies[cls]


def _part(template: TemplateValue, message: Descriptor, position: _Position) -> Renderer:
    match template:
        case Mapping():
            return _Object(template, message, position)
        case tuple() | list():
            return _List(template, message, position)
        case str():
            text = _text(template_parts(template), message, position)
            return _Identity(text) if position.markup is Markup.IDENTITY else text
    return _Constant(template)


class _Constant:
    __slots__ = ("_value",)

    def __init__(self, value: JsonValue) -> None:
        self._value = value

    def render(self, message: Message) -> JsonValue | None:  # noqa: ARG002 - as all renderers have it
        return self._value


class _Object:
    """An object; one of which all fields are left out is left out too."""

    __slots__ = ("_fields", "_if_empty")

    def __init__(self, template: Mapping[str, TemplateValue], message: Descriptor, position: _Position) -> None:
        self._fields = [(key, _part(value, message, position.within(key))) for key, value in template.items()]
        self._if_empty: dict[str, JsonValue] | None = None if template else {}

    def render(self, message: Message) -> dict[str, JsonValue] | None:
        rendered = ((key, field.render(message)) for key, field in self._fields)
        return {key: value for key, value in rendered if value is not None} or self._if_empty


class _List:
    """A list; one of which all entries are left out is left out too."""

    __slots__ = ("_entries", "_if_empty")

    def __init__(self, template: Sequence[TemplateValue], message: Descriptor, position: _Position) -> None:
        self._entries = [_part(entry, message, position) for entry in template]
        self._if_empty: list[JsonValue] | None = None if template else []

    def render(self, message: Message) -> JsonValue | None:
        rendered = (entry.render(message) for entry in self._entries)
        return [value for value in rendered if value is not None] or self._if_empty


def _text(parts: Sequence[TemplatePart], message: Descriptor, position: _Position) -> Renderer:
    formats = _formats(parts, position)
    texts = [_Placeholder(part, message, next(formats)) if isinstance(part, tuple) else part for part in parts]
    placeholders = [part for part in texts if isinstance(part, _Placeholder)]
    if not placeholders:
        return _Constant("".join(part for part in parts if isinstance(part, str)))
    return placeholders[0] if len(texts) == 1 else _Text(texts)


def _formats(parts: Sequence[TemplatePart], position: _Position) -> Iterator[ValueFormat]:
    """How each placeholder of a text is rendered."""
    for markup in placeholder_markups(parts, position.markup):
        yield ValueFormat(position.timestamp, ESCAPES[markup], position.reserved)


class _Identity:
    """A text that would say something else if it were altered, and so isn't there if it would have to be."""

    __slots__ = ("_text",)

    def __init__(self, text: Renderer) -> None:
        self._text = text

    def render(self, message: Message) -> JsonValue | None:
        text = self._text.render(message)
        return None if isinstance(text, str) and holds_liquid(text) else text


class _Text:
    """A text with placeholders in it, unless there is nothing to put into any."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[str | _Placeholder]) -> None:
        self._parts = parts

    def render(self, message: Message) -> JsonValue | None:
        found = False
        texts = []
        for part in self._parts:
            if isinstance(part, str):
                texts.append(part)
            elif (value := part.render(message)) is not None:
                found = True
                texts.append(str(value).lower() if isinstance(value, bool) else str(value))
        return "".join(texts) if found else None


class _Placeholder:
    """The field at a place of the message, if it is there."""

    __slots__ = ("_field", "_path", "_renderer")

    def __init__(self, path: FieldPath, message: Descriptor, format: ValueFormat) -> None:
        self._path = path[:-1]
        self._field = field_of(path, message)
        self._renderer = field_renderer(self._field, format)

    def render(self, message: Message) -> JsonValue | None:
        for name in self._path:
            if not message.HasField(name):
                return None
            message = getattr(message, name)
        return self._renderer.render(message) if _is_set(message, self._field) else None


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    """Whether a field is there. One that doesn't tell absence from its default is there when it is something else."""
    return message.HasField(field.name) if field.has_presence else bool(getattr(message, field.name))
