"""A field as people meet it: its name in a path, its key and values if it is a map, the parts of it that want a category."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.policy.judge import kind_of
from gateway.policy.project import is_map


def label(field: FieldDescriptor) -> str:
    """A field in a path: its name, an extension's in brackets, with `[*]` where there are many values."""
    name = f"[{field.full_name}]" if field.is_extension else field.name
    return f"{name}[*]" if field.is_repeated else name


def entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map."""
    fields = cast(Descriptor, field.message_type).fields_by_name
    return fields["key"], fields["value"]


def values(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself; of a map its values."""
    return entry(field)[1] if is_map(field) else field


def parts(field: FieldDescriptor) -> Iterator[tuple[str, str]]:
    """What of a field needs a classification, as an attribute of FieldPrivacy, and what kind of value it is.

    Messages and `Any` need none, since their fields carry their own.
    """
    if is_map(field):
        key, value = entry(field)
        yield "map_key", kind_of(key)
        field = value
    if (kind := kind_of(field)) not in ("any", "message"):
        yield "category", kind
