"""What type a field has, in the words in which approvals record it, and what there is to approve of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from gateway.contracts.approvals import VERSION, Approval, Approvals
from gateway.contracts.contract import Contract
from gateway.model import FieldPrivacy

_WORD_BY_TYPE: Final[Mapping[int, str]] = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_DOUBLE: "float",
    FieldDescriptor.TYPE_FLOAT: "float",
}
"""Types of one sort are one to the rules; those that aren't here are integers."""


def approvals_of(contract: Contract, claims: Mapping[str, FieldPrivacy]) -> Approvals:
    """All that a controller agrees to with `claims`: also the fields' types, and the values of their enums."""
    fields = {
        field.full_name: field
        for name in contract.messages
        for field in contract.fields(contract.message(name))
        if field.full_name in claims
    }
    types = {name: type_wording(field) for name, field in fields.items()}
    enums = [enum for field in fields.values() if (enum := _values(field).enum_type) is not None]
    approved = {
        name: Approval(**msgspec.structs.asdict(privacy), type=types.get(name, "")) for name, privacy in claims.items()
    }
    return Approvals(VERSION, approved, {enum.full_name: _names(enum) for enum in enums})


def type_wording(field: FieldDescriptor) -> str:
    """A field's type: `string`, `repeated integer`, `map<string, bool>`, the full name of an enum or a message."""
    if _is_map(field):
        key, value = (_map_entry(field)[part] for part in ("key", "value"))
        return f"map<{_word(key)}, {_word(value)}>"
    return f"repeated {_word(field)}" if field.is_repeated else _word(field)


def _word(field: FieldDescriptor) -> str:
    named = field.message_type or field.enum_type
    return _WORD_BY_TYPE.get(field.type, "integer") if named is None else str(named.full_name)


def _values(field: FieldDescriptor) -> FieldDescriptor:
    """The field itself; of a map its values."""
    return _map_entry(field)["value"] if _is_map(field) else field


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _map_entry(field: FieldDescriptor) -> Mapping[str, FieldDescriptor]:
    fields: Mapping[str, FieldDescriptor] = {} if field.message_type is None else field.message_type.fields_by_name
    return fields


def _names(enum: EnumDescriptor) -> tuple[str, ...]:
    """The names of an enum's values: they are what a reader of an item sees."""
    return tuple(sorted(value.name for value in enum.values))
