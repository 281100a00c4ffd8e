"""Random messages of a contract, as bytes.

Only what is equal for every reader of protobuf is drawn; `tests/engine/test_oracle.py` says what is left out, and
why.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contracts.contract import Contract
from gateway.protobuf.wire import read_varint
from tests.support.contracts import NOW_SECONDS
from tests.support.random_choices import ChoiceSequence
from tests.support.random_fields import PACKABLE, STRINGS, F
from tests.support.wire_format import FIXED_BYTES, WIRE_TYPES, WRONG_WIRE_TYPES, integer, record, tag, varint

INTEGERS: Final = (0, 1, 5, 7, 100, -1, -5, 2**31 - 1, 33612345678, 4111111111111111, 2**63 - 1)

FLOATS: Final = (0.0, 1.5, -0.0, -3.25, 5.0, float("inf"), float("nan"))

EPOCH_SECONDS: Final = (
    0,
    NOW_SECONDS,
    NOW_SECONDS - 6 * 86_400,
    NOW_SECONDS + 8 * 86_400,
    -62_135_596_801,
    253_402_300_800,
)

NESTING_LEVELS: Final = (0, 0, 0, 0, 20, 40, 55, 56, 60, 61, 62, 63, 64, 80, 90)
"""Levels of the deepest message inside another, entries of maps on the way to it apart; 0 for no deep one.

The oracle's parser takes 99, those entries and unknown groups among them.
"""

PLANTED_VALUE: Final = b"planted@acme.example"
"""What stands in fields that nobody knows, and nowhere else."""

NAMES: Final = ("f1", "f2", "f3", "f15", "f1", "f2", "f16")

PATHS: Final = ("", "f1.*", "f1.*.f2", "f1.", "alice@acme.example", "update_mask", "changed.paths")

URLS: Final = (
    "type.googleapis.com/{}",
    "{}",
    "/{}",
    "https://alice@acme.example/x/{}",
    "type.googleapis.com/{}?",
    "type.googleapis.com/",
)


class RandomMessages:
    """Writes messages as another writer of protobuf might.

    In any order, packed or not, with fields that nobody knows.
    """

    def __init__(self, chance: ChoiceSequence, held: Contract, types: Sequence[str] = ()) -> None:
        """`types` are those that an `Any` holds; without any, the random ones."""
        self._chance = chance
        self._held = held
        # An unknown enum number as the last of several is a known difference: so either the one or the other.
        self._twice = chance.rarely(2)
        self._types = types or [name for name in held.messages if name.startswith("x")]
        self._deepest = chance.pick(NESTING_LEVELS)
        self._deep_from = 1 + chance.below(4)
        self._is_deep = False
        self.levels = 8
        """Messages inside one another in the deepest message so far, fields that nobody knows apart."""

    def message(self, type: Descriptor, depth: int = 0, merged: bool = False) -> bytes:
        """A message; `merged` if it stands in for another one, with which it will be merged."""
        if depth == 0:
            self._is_deep = self._deepest == 0
        if depth >= self._deep_from and not (self._is_deep or merged):
            self._is_deep = True
            self.levels = max(self.levels, self._deepest)
            return self.deep(type, self._deepest - depth)
        parts: list[bytes] = []
        taken: set[str] = set()
        for field in self._held.fields(type):
            if not self._chance.rarely(4):
                parts += self._field(field, depth, merged, taken)
        for _ in self._chance.times(2):
            parts.insert(self._chance.below(len(parts) + 1), self._junk(type))
        return b"".join(parts)

    def deep(self, type: Descriptor, levels: int) -> bytes:
        """A message with so many levels inside, each with a value in every field and fields that nobody knows."""
        fields = self._held.fields(type)
        below = [field for field in fields if is_judged_inside(field)]
        inner = below[levels % len(below)] if below and levels > 0 else None
        oneofs = set() if inner is None or inner.containing_oneof is None else {inner.containing_oneof.name}
        parts = [record(900, 2, PLANTED_VALUE), tag(901, 3) + record(1, 2, PLANTED_VALUE) + tag(901, 4)]
        for field in fields:
            if field is inner:
                parts.append(self._level(field, levels - 1))
            elif field.message_type is None and (
                field.containing_oneof is None or field.containing_oneof.name not in oneofs
            ):
                oneofs |= set() if field.containing_oneof is None else {field.containing_oneof.name}
                parts.append(self._record(field, self._plain(field, levels)))
        return b"".join(parts)

    def _level(self, field: FieldDescriptor, levels: int) -> bytes:
        """A field that leads to the next level; of a map, whose entries are levels too, by way of one of them."""
        target = field.message_type
        assert target is not None
        if not is_map(field):
            return self._record(field, self.deep(target, levels))
        key, value = target.fields_by_name["key"], target.fields_by_name["value"]
        assert value.message_type is not None
        return record(
            field.number,
            2,
            self._record(key, self._plain(key, levels))
            + self._record(value, self.deep(value.message_type, levels - 1)),
        )

    def _plain(self, field: FieldDescriptor, turn: int) -> bytes:
        """A scalar's value, another one each turn."""
        kind = field.type
        if kind == F.TYPE_STRING:
            return STRINGS[turn % len(STRINGS)].encode()
        if kind == F.TYPE_BYTES:
            return b"carol@acme.example"
        if field.enum_type is not None:
            return varint(field.enum_type.values[0].number)
        if kind in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
            return struct.pack("<d" if kind == F.TYPE_DOUBLE else "<f", 1.5)
        return varint(1) if kind == F.TYPE_BOOL else integer(kind, INTEGERS[turn % len(INTEGERS)])

    def _field(self, field: FieldDescriptor, depth: int, merged: bool, taken: set[str]) -> list[bytes]:
        oneof = field.containing_oneof
        if oneof is not None and (merged or oneof.name in taken):
            return []
        if oneof is not None:
            taken.add(oneof.name)
        if is_map(field):
            return self._entries(field, depth)
        if field.is_repeated:
            return self._list(field, depth)
        again = self._twice and oneof is None and not is_not_merged(field) and self._chance.rarely(4)
        one = [] if merged and is_not_merged(field) else [self._record(field, self._value(field, depth, merged))]
        return [*one, self._record(field, self._value(field, depth, merged=True))] if again else one

    def _list(self, field: FieldDescriptor, depth: int) -> list[bytes]:
        values = [self._value(field, depth, False) for _ in self._chance.times(3)]
        if field.type in PACKABLE | {F.TYPE_ENUM} and self._chance.rarely(2):
            return [record(field.number, 2, b"".join(values))] if values else []
        return [self._record(field, value) for value in values]

    def _entries(self, field: FieldDescriptor, depth: int) -> list[bytes]:
        entry = field.message_type
        assert entry is not None
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        keys = [self._value(key, depth, False) for _ in self._chance.times(3)]
        parts = []
        for written in keys if self._twice else sorted({key_as_read(key, one): one for one in keys}.values()):
            pair = [self._record(key, written), self._record(value, self._value(value, depth, False))]
            if self._chance.rarely(4):
                pair.reverse()
            if self._chance.rarely(6):
                pair.append(self._junk(entry))
            parts.append(record(field.number, 2, b"".join(pair)))
        return parts

    def _record(self, field: FieldDescriptor, value: bytes) -> bytes:
        if field.type == F.TYPE_GROUP:
            return tag(field.number, 3) + value + tag(field.number, 4)
        return record(field.number, WIRE_TYPES[field.type], value)

    def _value(self, field: FieldDescriptor, depth: int, merged: bool) -> bytes:
        """A value without tag and length."""
        kind = field.type
        if field.message_type is not None:
            return self._held_message(field.message_type, depth, merged)
        if kind == F.TYPE_STRING:
            return self._chance.pick(STRINGS).encode()
        if kind == F.TYPE_BYTES:
            return self._chance.pick((b"", b"\x00\xff", b"abc", b"\x0a\x01a"))
        if kind == F.TYPE_BOOL:
            return varint(self._chance.below(2))
        if field.enum_type is not None:
            return self._number(field)
        if kind in (F.TYPE_DOUBLE, F.TYPE_FLOAT):
            return struct.pack("<d" if kind == F.TYPE_DOUBLE else "<f", self._chance.pick(FLOATS))
        return integer(kind, self._chance.pick(INTEGERS))

    def _number(self, field: FieldDescriptor) -> bytes:
        enum = field.enum_type
        assert enum is not None
        known = [value.number for value in enum.values]
        return varint(self._chance.pick(known if self._twice and not enum.is_closed else [*known, 99, -7]))

    def _held_message(self, type: Descriptor, depth: int, merged: bool) -> bytes:
        match type.full_name:
            case "google.protobuf.Any":
                return self._any(depth)
            case "google.protobuf.Timestamp" | "google.protobuf.Duration":
                seconds = self._chance.pick(
                    EPOCH_SECONDS if type.name == "Timestamp" else (0, 1, 5, -5, 86_400, 315_576_000_001)
                )
                return record(1, 0, varint(seconds)) + record(
                    2, 0, varint(self._chance.pick((0, 1, 5 * 10**8, 10**9, -1)))
                )
            case "google.protobuf.Struct" | "google.protobuf.Value" | "google.protobuf.ListValue":
                return self._struct(type.name, depth)
            case "google.protobuf.FieldMask":
                return b"".join(record(1, 2, self._path().encode()) for _ in self._chance.times(3))
        return self.message(type, depth + 1, merged) if depth < 4 else b""

    def _path(self) -> str:
        """A path that may well lead somewhere."""
        names = [self._chance.pick(NAMES) for _ in range(1 + self._chance.below(3))]
        return self._chance.pick((names[0], ".".join(names), ".".join(names), "*", self._chance.pick(PATHS)))

    def _struct(self, name: str, depth: int) -> bytes:
        if name == "Struct":
            return (
                record(1, 2, record(1, 2, b"k") + record(2, 2, self._struct("Value", depth + 1))) if depth < 4 else b""
            )
        if name == "ListValue":
            return (
                b"".join(record(1, 2, self._struct("Value", depth + 1)) for _ in self._chance.times(2))
                if depth < 4
                else b""
            )
        match self._chance.below(5):
            case 0:
                return record(1, 0, varint(self._chance.pick((0, 99))))
            case 1:
                return record(3, 2, self._chance.pick(STRINGS).encode())
            case 2:
                return record(5, 2, self._struct("Struct", depth))
            case 3:
                return record(6, 2, self._struct("ListValue", depth))
        return record(4, 0, varint(1)) + record(9, 0, varint(1))

    def _any(self, depth: int) -> bytes:
        """A value is never empty: of two that are merged, only then the last one wins whole."""
        name = self._chance.pick(
            [*self._types, *self._types, "google.protobuf.Any", "google.protobuf.Timestamp", "x0.None"]
        )
        if name == "google.protobuf.Any":
            value = self._any(depth + 1) if depth < 4 else b""
        else:
            value = self.message(self._held.message(name), depth + 1) if name in self._types and depth < 4 else b""
        if self._chance.rarely(20):
            value += b"\xff"
        return (
            record(1, 2, self._chance.pick(URLS).format(name).encode())
            + record(2, 2, value)
            + (self._chance.pick((b"", record(7, 0, b"\x01"))))
        )

    def _junk(self, type: Descriptor) -> bytes:
        """A field that nobody knows, or a known one of another wire type."""
        fields = self._held.fields(type)
        if fields and self._chance.rarely(2):
            field = self._chance.pick(fields)
            wire = WRONG_WIRE_TYPES[WIRE_TYPES[field.type]]
            return record(field.number, wire, b"\x05alice@a"[-FIXED_BYTES[wire] :] if FIXED_BYTES[wire] else b"\x05")
        number = self._chance.pick((4, 900, 999_999))
        if number == 4 and any(field.number == 4 for field in fields):
            number = 900
        group = tag(number, 3) + record(1, 2, b"bob@gmail.com") + tag(number, 4)
        return self._chance.pick(
            (record(number, 2, b"alice@acme.example"), record(number, 0, b"\x07"), group, record(number, 5, b"abcd"))
        )


def is_judged_inside(field: FieldDescriptor) -> bool:
    """Whether a field holds messages that are judged field by field."""
    target = field.message_type
    if target is not None and is_map(field):
        target = target.fields_by_name["value"].message_type
    return target is not None and not target.full_name.startswith("google.protobuf.")


def key_as_read(key: FieldDescriptor, written: bytes) -> bytes:
    """What a parser takes a map's key for: of 32 bits, the lower ones of a number written with 64."""
    if key.type not in (F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_SINT32):
        return written
    return (read_varint(written, 0)[0] % 2**32).to_bytes(4, "big")


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_not_merged(field: FieldDescriptor) -> bool:
    """Whether a field holds what is not merged as its original would be: `Any` is raw bytes, `Value` a oneof."""
    return field.message_type is not None and field.message_type.full_name in (
        "google.protobuf.Any",
        "google.protobuf.Value",
    )
