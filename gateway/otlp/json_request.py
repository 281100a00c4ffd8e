"""OTLP's JSON as serialised protobuf: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.

Each value is written as it is read, by the descriptors. Not `google.protobuf.json_format`: it takes any text for an
empty message, and on the way out of a deep one copies the offending value into an error's text at each level. Nor a
decoder and protobuf's constructors: one call of either holds the interpreter as long as a sender likes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.errors import ItemReason, Refused
from gateway.otlp.hints import Hint, MalformedBody, UnexpectedJson, hint_of_field, hint_of_text
from gateway.otlp.json_text import JsonText
from gateway.otlp.json_values import absent, delimited, encoder, tag
from gateway.otlp.messages import REQUESTS
from gateway.otlp.signals import Signal

MAX_MESSAGE_DEPTH: Final = 100
"""Messages in one another, at most: as many as protobuf's own parser takes."""

WriteField = Callable[[JsonText, int], bytes]
"""Reads a field's value, `null` apart, and returns the field as protobuf has it.

The number tells how deep messages may nest.
"""


class MessageFields(msgspec.Struct):
    """A message's fields: their names by the keys that stand for them, and how they are written, by name."""

    names: dict[str, str] = {}
    writers: dict[str, WriteField] = {}


def parse(signal: Signal, raw: bytes) -> bytes:
    """Return the serialised request that `raw` is in JSON.

    Raises Refused TOO_DEEP, and MalformedBody for what is malformed.
    """
    try:
        return _request(_REQUEST_FIELDS[signal], raw)
    except RecursionError:
        raise Refused(ItemReason.TOO_DEEP) from None
    except UnicodeDecodeError:
        raise MalformedBody(hint_of_text(raw)) from None
    except UnexpectedJson as error:
        raise MalformedBody(error.hint) from None
    except (ValueError, IndexError):
        raise MalformedBody(Hint.NOT_JSON) from None


def _request(fields: MessageFields, raw: bytes) -> bytes:
    if not raw:
        raise UnexpectedJson(Hint.EMPTY)
    text = JsonText(raw)
    if text.begins("\ufeff"):
        raise UnexpectedJson(Hint.NOT_UTF_8)
    whole = text.begins("{")
    try:
        request = _message(fields, text, MAX_MESSAGE_DEPTH)
    except UnexpectedJson as error:
        raise error if whole else UnexpectedJson(Hint.NOT_A_REQUEST) from None
    text.end()
    if not request and _is_another(fields, JsonText(raw)):
        raise UnexpectedJson(Hint.UNKNOWN_KEYS)
    return bytes(request)


def _is_another(fields: MessageFields, text: JsonText) -> bool:
    """Return whether an object has keys, and none of them known.

    To ignore them all would acknowledge what nobody has read.
    """
    names = set()
    for name in text.members(fields.names):
        names.add(name)
        text.skip()
    return bool(names) and names.isdisjoint(fields.writers)


def _message(fields: MessageFields, text: JsonText, depth: int) -> bytearray:
    """Return a message: unknown keys are ignored, `null` is as good as nothing.

    See https://protobuf.dev/programming-guides/json/.
    """
    if depth == 0:
        raise Refused(ItemReason.TOO_DEEP)
    out, writers = bytearray(), fields.writers
    for name in text.members(fields.names):
        if name not in writers:
            text.skip()
        elif not text.is_null():
            out += writers[name](text, depth)
    return out


class _ScalarField:
    """A field that holds one value; a default is written only where it says more than no field does."""

    def __init__(self, field: FieldDescriptor) -> None:
        self._encode, self._tag = encoder(field), tag(field)
        self._absent, self._hint = absent(field), hint_of_field(field)

    def write(self, text: JsonText, depth: int) -> bytes:  # noqa: ARG002 - a WriteField
        scalar = text.scalar()
        try:
            value = self._encode(scalar)
        except (ValueError, OverflowError):
            raise UnexpectedJson(self._hint) from None
        return b"" if value == self._absent else self._tag + value


class _PackedField:
    """A list of numbers."""

    def __init__(self, field: FieldDescriptor) -> None:
        self._encode, self._tag, self._hint = encoder(field), tag(field), hint_of_field(field)

    def write(self, text: JsonText, depth: int) -> bytes:  # noqa: ARG002 - a WriteField
        values = bytearray()
        for _ in text.elements():
            scalar = text.scalar()
            try:
                values += self._encode(scalar)
            except (ValueError, OverflowError):
                raise UnexpectedJson(self._hint) from None
        return self._tag + delimited(values) if values else b""


class _MessageField:
    """A message."""

    def __init__(self, field: FieldDescriptor, fields: MessageFields) -> None:
        self._tag, self._fields = tag(field), fields

    def write(self, text: JsonText, depth: int) -> bytes:
        return self._tag + delimited(_message(self._fields, text, depth - 1))


class _RepeatedField:
    """A list of messages or strings."""

    def __init__(self, one: WriteField) -> None:
        self._write = one

    def write(self, text: JsonText, depth: int) -> bytes:
        out = bytearray()
        for _ in text.elements():
            out += self._write(text, depth)
        return bytes(out)


def _fields(message: Descriptor, known: dict[str, MessageFields]) -> MessageFields:
    """Return the fields of a type, by its descriptor, and add to `known` those of all types that it nests."""
    if message.full_name not in known:
        fields = known[message.full_name] = MessageFields()
        for field in message.fields:
            fields.names[field.json_name] = field.name
            fields.writers[field.name] = _writer(field, known)
    return known[message.full_name]


def _writer(field: FieldDescriptor, known: dict[str, MessageFields]) -> WriteField:
    if field.is_repeated and field.is_packed:
        return _PackedField(field).write
    message = field.message_type
    one = (_ScalarField(field) if message is None else _MessageField(field, _fields(message, known))).write
    return _RepeatedField(one).write if field.is_repeated else one


_REQUEST_FIELDS: Final = {signal: _fields(request.DESCRIPTOR, {}) for signal, request in REQUESTS.items()}
