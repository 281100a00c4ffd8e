"""What JSON has of values of message types, prepared: https://protobuf.dev/programming-guides/json/.

What a field takes is looked up when it first comes. The library, which asks each field's descriptor each time, makes
the forms that aren't plain: of well-known types but timestamps, of 32-bit floats, of enums whose values have options.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final

import msgspec
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message


class JsonDialect(msgspec.Struct, frozen=True):
    """How JSON differs from proto-JSON: enums as their numbers, and fields of bytes in hexadecimal, by JSON name."""

    enum_numbers: bool = False
    hex_fields: frozenset[str] = frozenset()


PROTO_JSON: Final = JsonDialect()

Form = Callable[[Any], object]
"""Makes of a value what JSON has of it."""


def message_form(message: Descriptor, dialect: JsonDialect) -> Form:
    """Return what makes JSON of messages of a type."""
    by_library = partial(
        json_format.MessageToDict, use_integers_for_enums=dialect.enum_numbers, descriptor_pool=message.file.pool
    )
    return _Forms(by_library, dialect).of_message(message)


class _NotPlainError(Exception):
    """A value that has no plain form."""


class _Forms:
    """Prepares the forms of message types, each once."""

    def __init__(self, by_library: Form, dialect: JsonDialect) -> None:
        """`by_library` makes JSON of any message."""
        self.by_library = by_library
        self._dialect = dialect
        self._messages: dict[str, _MessageForm | _OneofForm] = {}

    def of_message(self, message: Descriptor) -> Form:
        """Return the form of messages of a type."""
        name = message.full_name
        if name == "google.protobuf.Timestamp":
            return _timestamp
        if name.startswith("google.protobuf."):
            return self.by_library
        if name not in self._messages:
            self._messages[name] = _OneofForm(message, self) if _is_oneof(message) else _MessageForm(self)
        return self._messages[name].of

    def of_field(self, field: FieldDescriptor) -> Form | None:
        """Return the form of a field, of all that is in it if it is repeated."""
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
            return _MapForm(_bool_key if key.cpp_type == key.CPPTYPE_BOOL else str, self._of_value(value)).of
        form = self._of_value(field)
        return _ListForm(form).of if field.is_repeated else form

    def _of_value(self, field: FieldDescriptor) -> Form | None:
        if field.message_type is not None:
            return self.of_message(field.message_type)
        if field.enum_type is not None:
            return None if self._dialect.enum_numbers else _enum_form(field.enum_type)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return bytes.hex if field.json_name in self._dialect.hex_fields else _base64
        return _FORM_BY_CPP_TYPE.get(field.cpp_type)


class _MessageForm(dict[FieldDescriptor, tuple[str, Form | None]]):
    """Of messages of one type: the JSON names of the fields that have come so far, and the forms of what is in them."""

    def __init__(self, forms: _Forms) -> None:
        super().__init__()
        self._forms = forms

    def __missing__(self, field: FieldDescriptor) -> tuple[str, Form | None]:
        name = f"[{field.full_name}]" if field.is_extension else field.json_name
        found = self[field] = name, self._forms.of_field(field)
        return found

    def of(self, message: Message) -> object:
        """Return what JSON has of a message."""
        json: dict[str, object] = {}
        try:
            for field, value in message.ListFields():
                name, form = self[field]
                json[name] = value if form is None else form(value)
        except _NotPlainError:
            return self._forms.by_library(message)
        return json


def _is_oneof(message: Descriptor) -> bool:
    """Return whether messages of a type have nothing but one of several values."""
    return (
        len(message.oneofs) == 1
        and len(message.oneofs[0].fields) == len(message.fields) > 1
        and not message.is_extendable
        # A field hides a method of its name.
        and not any(hasattr(Message, field.name) for field in message.fields)
    )


class _OneofForm(dict[str, tuple[str, Form | None]]):
    """Of messages of one type that have nothing but one of several values: the same, by the fields' own names.

    Properties and attributes have such values, many in a message.
    """

    def __init__(self, message: Descriptor, forms: _Forms) -> None:
        super().__init__()
        self._message, self._oneof = message, message.oneofs[0].name
        self._forms = forms

    def __missing__(self, name: str) -> tuple[str, Form | None]:
        field = self._message.fields_by_name[name]
        found = self[name] = field.json_name, self._forms.of_field(field)
        return found

    def of(self, message: Message) -> object:
        """Return what JSON has of a message."""
        name = message.WhichOneof(self._oneof)
        if name is None:
            return {}
        json_name, form = self[name]
        value = getattr(message, name)
        try:
            return {json_name: value if form is None else form(value)}
        except _NotPlainError:
            return self._forms.by_library(message)


class _ListForm:
    """Of several values in a field."""

    def __init__(self, form: Form | None) -> None:
        self._form = form

    def of(self, values: Iterable[object]) -> object:
        """Return what JSON has of them."""
        return list(values) if self._form is None else [self._form(value) for value in values]


class _MapForm:
    """Of a map in a field."""

    def __init__(self, key_form: Callable[[Any], str], form: Form | None) -> None:
        self._key_form = key_form
        self._form = form

    def of(self, values: Mapping[object, object]) -> object:
        """Return what JSON has of it."""
        key_form, form = self._key_form, self._form
        # Not of `items()`, which costs twice as much: the runtime's maps have those of `collections.abc`.
        return {key_form(key): values[key] if form is None else form(values[key]) for key in values}


class _EnumNames(dict[int, str]):
    """The names of an enum's numbers. One that has none is shown as it is."""

    def __init__(self, enum: EnumDescriptor) -> None:
        super().__init__((number, value.name) for number, value in enum.values_by_number.items())

    def __missing__(self, number: int) -> int:
        return number


def _enum_form(enum: EnumDescriptor) -> Form:
    # An option can give a value another name: https://protobuf.dev/programming-guides/json/.
    is_plain = not enum.is_closed and not any(value.has_options for value in enum.values)
    return _EnumNames(enum).__getitem__ if is_plain and enum.full_name != "google.protobuf.NullValue" else _not_plain


def _not_plain(_: object) -> object:
    raise _NotPlainError


def _bool_key(key: bool) -> str:
    return "true" if key else "false"


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _double(value: float) -> object:
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


_FORM_BY_CPP_TYPE: Final[Mapping[int, Form]] = {
    FieldDescriptor.CPPTYPE_INT64: str,
    FieldDescriptor.CPPTYPE_UINT64: str,
    FieldDescriptor.CPPTYPE_DOUBLE: _double,
    FieldDescriptor.CPPTYPE_FLOAT: _not_plain,
}
"""Of those that JSON doesn't have as they are."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a zone would only have to be cut off again
_MAX_NANOS: Final = 999_999_999


def _timestamp(message: Any) -> object:
    """Return a `google.protobuf.Timestamp`, with as few of 0, 3, 6 or 9 digits of a fraction as tell it."""
    text, nanos = _second(message.seconds), message.nanos
    if not nanos:
        return f"{text}Z"
    if not 0 < nanos <= _MAX_NANOS:
        raise ValueError
    if nanos % 1_000_000 == 0:
        return f"{text}.{nanos // 1_000_000:03}Z"
    return f"{text}.{nanos // 1_000:06}Z" if nanos % 1_000 == 0 else f"{text}.{nanos:09}Z"


@lru_cache(maxsize=1_024)
def _second(seconds: int) -> str:
    """Return a second since 1970: those of a batch are near each other.

    Raises OverflowError before the year 1 and after 9999.
    """
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()
