"""A field as people meet it.

Its name in a path, its key and values if it is a map, the parts of it that want a category.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract, message_of
from gateway.policy.rules import UNCATEGORISED_KINDS, kind_of
from gateway.protobuf.descriptors import with_holders


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    message = field.message_type
    return message is not None and message.has_options and message.GetOptions().map_entry


def message_of_values(field: FieldDescriptor) -> Descriptor | None:
    """The message type that a field holds, or a map's values are; None for scalars."""
    message: Descriptor | None = field.message_type
    return message.fields_by_name["value"].message_type if message is not None and is_map(field) else message


def held_type(field: FieldDescriptor) -> str | None:
    """The full name of the message type that a field holds, or a map's values are; None for scalars."""
    held = message_of_values(field)
    return None if held is None else held.full_name


def types_leading_to(
    starts: Iterable[str],
    contract: Contract,
    types: Iterable[str],
    leads: Callable[[FieldDescriptor], str | None] = held_type,
) -> frozenset[str]:
    """The types in `starts`, and those of `types` with a field that `leads` to one, at any depth; by full name."""
    holders: dict[str, list[str]] = {}
    for name in types:
        for target in filter(None, map(leads, contract.fields_of(name))):
            holders.setdefault(target, []).append(name)
    return with_holders(starts, holders)


def path_label(field: FieldDescriptor) -> str:
    """A field in a path: its name, an extension's in brackets, with `[*]` where there are many values."""
    name = f"[{field.full_name}]" if field.is_extension else field.name
    return f"{name}[*]" if field.is_repeated else name


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map."""
    fields = message_of(field).fields_by_name
    return fields["key"], fields["value"]


def value_field(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself; of a map its values."""
    return map_entry(field)[1] if is_map(field) else field


def classified_parts(field: FieldDescriptor) -> Iterator[tuple[str, str]]:
    """What of a field needs a classification, as an attribute of FieldPrivacy, and what kind of value it is.

    Messages and `Any` need none, since their fields carry their own, nor do field masks, which hold names of fields.
    """
    if is_map(field):
        key, value = map_entry(field)
        yield "map_key", kind_of(key)
        field = value
    if (kind := kind_of(field)) not in UNCATEGORISED_KINDS:
        yield "category", kind
