"""Templates: which fields of an item go into which of a vendor's, as the policy says it.

They are read and checked here, filled elsewhere.

A text may hold placeholders, `{path.of.field}`; `{{` and `}}` stand for braces. A text that is one placeholder is the
field's value in its own type; any other is text. What isn't there is left out, and so is what holds nothing else; a
number, truth value or text whose field doesn't tell its default from absence isn't there when it is the default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import message_of
from gateway.yamlfile import Keys, Problem

TemplateLeaf: TypeAlias = str | int | float | bool
TemplateValue: TypeAlias = (
    "TemplateLeaf | list[TemplateValue] | tuple[TemplateValue, ...] | Mapping[str, TemplateValue]"
)
"""A template, or a part of one, as YAML and JSON have it."""

FieldPath = tuple[str, ...]
"""The names on the way to a field."""

TemplatePart = str | FieldPath
"""Of a text: a piece of it, or a placeholder."""

TIMESTAMP: Final = "google.protobuf.Timestamp"

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\}|[{}]|[^{}]+", re.ASCII)


class FieldKind(StrEnum):
    """How a field is rendered."""

    VALUE = "value"
    ENUM = "enum"
    MOMENT = "moment"
    ENTRIES = "entries"
    LIST = "list"


def template_parts(text: str) -> tuple[TemplatePart, ...]:
    """The pieces of a template's text and its placeholders, in order. Raises ValueError, without a part of the text."""
    found: list[TemplatePart] = []
    for token in _TOKEN.finditer(text):
        if token[1]:
            found.append(tuple(token[1].split(".")))
        elif token[0] in ("{", "}"):
            raise ValueError(
                "a brace must open or close a placeholder such as {user.user_id}; write {{ or }} for one of its own"
            )
        else:
            found.append({"{{": "{", "}}": "}"}.get(token[0], token[0]))
    return tuple(found)


def leaves(tree: TemplateValue, keys: Keys = ()) -> Iterator[tuple[Keys, TemplateLeaf]]:
    """All that is no mapping or list in a template, and where it is."""
    match tree:
        case Mapping():
            for key, entry in tree.items():
                yield from leaves(entry, (*keys, key))
        case tuple() | list():
            for index, item in enumerate(tree):
                yield from leaves(item, (*keys, index))
        case _:
            yield keys, tree


def syntax_problems(tree: TemplateValue) -> Iterator[Problem]:
    """What can't be in a template, whatever the contract says."""
    for keys, leaf in leaves(tree):
        if isinstance(leaf, str):
            try:
                template_parts(leaf)
            except ValueError as error:
                yield keys, str(error)


def path_problems(tree: TemplateValue, message: Descriptor) -> Iterator[Problem]:
    """Placeholders of a sound template that lead to nothing in a message type, or to what can't be rendered."""
    for keys, leaf in leaves(tree):
        found = template_parts(leaf) if isinstance(leaf, str) else ()
        for place in found:
            if isinstance(place, tuple) and (fault := _path_problem(place, message, alone=len(found) == 1)):
                yield keys, f"{{{'.'.join(place)}}} {fault}"


def _path_problem(place: FieldPath, message: Descriptor, *, alone: bool) -> str:
    try:
        kind = kind_of(field_of(place, message))
    except LookupError as error:
        return str(error.args[0])
    if kind in (FieldKind.ENTRIES, FieldKind.LIST) and not alone:
        return "is several values, which can't be part of a text"
    return ""


def json_type_of(tree: TemplateValue, message: Descriptor) -> str:
    """What a part of a sound template becomes.

    Object, map (an object whose keys are data), list, flag, number, time or text.
    """
    match tree:
        case Mapping():
            return "object"
        case tuple() | list():
            return "list"
        case bool():
            return "flag"
        case int() | float():
            return "number"
    found = template_parts(tree)
    return (
        _json_type_of_field(field_of(found[0], message)) if len(found) == 1 and isinstance(found[0], tuple) else "text"
    )


def _json_type_of_field(field: FieldDescriptor) -> str:
    match kind_of(field):
        case FieldKind.ENTRIES:
            return "map"
        case FieldKind.LIST:
            return "list"
        case FieldKind.MOMENT:
            return "time"
        case FieldKind.ENUM:
            return "text"
    return {FieldDescriptor.TYPE_STRING: "text", FieldDescriptor.TYPE_BOOL: "flag"}.get(field.type, "number")


def field_of(place: FieldPath, message: Descriptor) -> FieldDescriptor:
    """The field at a place. Raises LookupError that says why there is none."""
    for name in place[:-1]:
        field = _field(name, message)
        if field.message_type is None or field.is_repeated or field.message_type.full_name == TIMESTAMP:
            raise LookupError(f"leads through {name}, which holds no fields")
        message = message_of(field)
    return _field(place[-1], message)


def _field(name: str, message: Descriptor) -> FieldDescriptor:
    if name not in message.fields_by_name:
        raise LookupError(f"leads nowhere: {message.full_name} has no field {name}")
    field: FieldDescriptor = message.fields_by_name[name]
    return field


def kind_of(field: FieldDescriptor) -> FieldKind:
    """How a field is rendered. Raises LookupError for one that can't be."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return _kind_of_map(entry)
    kind = _kind_of_one(field)
    return FieldKind.LIST if field.is_repeated else kind


def _kind_of_map(entry: Descriptor) -> FieldKind:
    if entry.fields_by_name["key"].type != FieldDescriptor.TYPE_STRING:
        raise LookupError("is a map whose keys are no text")
    value = entry.fields_by_name["value"]
    if value.message_type is None or not _is_oneof_of_scalars(value.message_type):
        _kind_of_one(value)
    return FieldKind.ENTRIES


def _is_oneof_of_scalars(message: Descriptor) -> bool:
    """Whether a message is one of several values, such as an event's property."""
    return len(message.oneofs) == 1 and all(field.containing_oneof and _is_scalar(field) for field in message.fields)


def _is_scalar(field: FieldDescriptor) -> bool:
    return field.message_type is None and field.type != FieldDescriptor.TYPE_BYTES


def _kind_of_one(field: FieldDescriptor) -> FieldKind:
    if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        return FieldKind.MOMENT
    if not _is_scalar(field):
        raise LookupError("is no text, number, truth value, enum, time or map of these")
    return FieldKind.ENUM if field.enum_type is not None else FieldKind.VALUE
