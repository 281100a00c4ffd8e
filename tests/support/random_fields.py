"""Random fields of messages, of all types that Protobuf has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from kannelle.privacy.v1 import annotations_pb2

from gateway.model import Category
from tests.support.random_choices import ChoiceSequence

F = FieldDescriptorProto

WELL_KNOWN: Final = tuple(
    f".google.protobuf.{name}"
    for name in (
        *(
            "Any",
            "Any",
            "Timestamp",
            "Duration",
            "Struct",
            "Value",
            "ListValue",
            "StringValue",
            "StringValue",
            "Int64Value",
        ),
        *("UInt32Value", "BoolValue", "DoubleValue", "BytesValue", "Empty", "FieldMask"),
    )
)

MASK: Final = ".google.protobuf.FieldMask"

SCALARS: Final = tuple(number for number in range(1, 19) if number not in (F.TYPE_GROUP, F.TYPE_MESSAGE, F.TYPE_ENUM))

KEYS: Final = tuple(number for number in SCALARS if number not in (F.TYPE_DOUBLE, F.TYPE_FLOAT, F.TYPE_BYTES))

PACKABLE: Final = frozenset(SCALARS) - {F.TYPE_STRING, F.TYPE_BYTES}

# Mostly what may leave somewhere.
TEXT_CATEGORIES: Final = (
    *(Category.OPERATIONAL,) * 6, *(Category.USER_ID,) * 3, *(Category.WORK_EMAIL,) * 3, Category.NAME,
    *(Category.FREE_TEXT,) * 2, Category.UNSPECIFIED,
)  # fmt: skip

OTHER_CATEGORIES: Final = (
    *(Category.OPERATIONAL,) * 8, *(Category.USAGE,) * 3, *(Category.CONTENT,) * 2, Category.USER_ID,
    Category.WORK_EMAIL, Category.CREDENTIAL,
)  # fmt: skip

STRINGS: Final = (
    "", "usr_1", "usr_8f3kq2", "a", "h264", "v1.2.3", "alice@acme.example", "Alice+news@ACME.example", "bob@gmail.com",
    "not@@one", "a b",
    "+33 6 12 34 56 78", ("call +33 6 12 34 56 78 or "
                         "alice@acme.example"), "192.168.1.77", "x" * 70, "é", "\U0001f600", "a\n",
)  # fmt: skip


class FieldFiller:
    """Fills messages of one file with fields."""

    def __init__(self, chance: ChoiceSequence, file: FileDescriptorProto, types: Sequence[str]) -> None:
        self._chance = chance
        self._file = file
        self._types = types
        self._implicit = file.options.features.field_presence == FeatureSet.IMPLICIT

    def fill(self, message: DescriptorProto) -> None:
        numbers = iter((1, 2, 3, 15, 16, 300, 20_000, 536_870_911, 5, 6, 7, 8))
        for _ in range(1 + self._chance.below(6)):
            if self._chance.rarely(6):
                self._oneof(message, numbers)
            elif self._chance.rarely(5):
                self._map(message, next(numbers))
            else:
                self._plain(message.field.add(), next(numbers), message)
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")
        if self._file.syntax != "proto3":
            message.extension_range.add(start=1000, end=2000)

    def extend(self) -> None:
        for index in self._chance.times(3):
            field = self._file.extension.add(
                extendee=self._chance.pick([f".{self._file.package}.{one.name}" for one in self._file.message_type])
            )
            self._typed(field, 1000 + index)
            self._label(field, None)

    def _plain(self, field: F, number: int, message: DescriptorProto) -> None:
        self._typed(field, number)
        self._label(field, message)

    def _typed(self, field: F, number: int) -> None:
        """A number, a name, a type and a classification."""
        field.number = number
        field.name = f"f{number}"
        field.label = F.LABEL_OPTIONAL
        match self._chance.below(9):
            case 0 | 1 | 2 | 3:
                field.type = self._chance.pick((F.TYPE_STRING, *SCALARS, F.TYPE_STRING, F.TYPE_STRING))  # type: ignore[assignment]
            case 4:
                field.type, field.type_name = F.TYPE_ENUM, self._chance.pick(self._enums())
            case 5 | 6:
                field.type, field.type_name = F.TYPE_MESSAGE, self._chance.pick(self._types)
                self._group(field)
            case _:
                field.type, field.type_name = F.TYPE_MESSAGE, self._chance.pick(WELL_KNOWN)
                self._group(field)
        self._classify(field)

    def _enums(self, zero: bool = False) -> list[str]:
        return [
            f".{self._file.package}.{enum.name}" for enum in self._file.enum_type if not (zero and enum.value[0].number)
        ]

    def _group(self, field: F) -> None:
        if self._file.syntax == "proto2" and self._chance.rarely(3):
            field.type = F.TYPE_GROUP
        elif self._file.syntax == "editions" and self._chance.rarely(3):
            field.options.features.message_encoding = self._chance.pick(
                (FeatureSet.DELIMITED, FeatureSet.LENGTH_PREFIXED)
            )

    def _label(self, field: F, message: DescriptorProto | None) -> None:
        """How a field is present. `message` is None for an extension."""
        if self._chance.rarely(4):
            self._repeat(field)
        elif message is not None and self._file.syntax != "proto3" and self._chance.rarely(12):
            self._require(field)
        elif message is not None and self._file.syntax == "proto3" and self._chance.rarely(3):
            field.proto3_optional = True
        elif self._file.syntax == "editions" and message is not None:
            self._present(field)

    def _repeat(self, field: F) -> None:
        field.label = F.LABEL_REPEATED
        if field.type not in PACKABLE | {F.TYPE_ENUM} or self._chance.rarely(2):
            return
        if self._file.syntax == "editions":
            field.options.features.repeated_field_encoding = self._chance.pick((FeatureSet.PACKED, FeatureSet.EXPANDED))
        else:
            field.options.packed = self._chance.rarely(2)

    def _require(self, field: F) -> None:
        if self._file.syntax == "editions":
            field.options.features.field_presence = FeatureSet.LEGACY_REQUIRED
        else:
            field.label = F.LABEL_REQUIRED

    def _present(self, field: F) -> None:
        """Messages and closed enums can't be implicit."""
        if field.type == F.TYPE_ENUM and self._file.options.features.enum_type == FeatureSet.CLOSED:
            field.options.features.field_presence = FeatureSet.EXPLICIT
        elif field.type not in (F.TYPE_MESSAGE, F.TYPE_GROUP) and self._chance.rarely(2):
            field.options.features.field_presence = self._chance.pick((FeatureSet.IMPLICIT, FeatureSet.EXPLICIT))

    def _oneof(self, message: DescriptorProto, numbers: Iterator[int]) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"o{index}")
        for _ in range(1 + self._chance.below(2)):
            field = message.field.add()
            self._typed(field, next(numbers))
            field.oneof_index = index

    def _map(self, message: DescriptorProto, number: int) -> None:
        entry = message.nested_type.add(name=f"F{number}Entry")
        entry.options.map_entry = True
        key = (F.TYPE_STRING, F.TYPE_STRING, *KEYS)
        entry.field.add(name="key", number=1, type=self._chance.pick(key), label=F.LABEL_OPTIONAL)
        self._typed(value := entry.field.add(), 2)
        value.name = "value"
        value.type = F.TYPE_MESSAGE if value.type == F.TYPE_GROUP else value.type
        if value.type == F.TYPE_ENUM:  # those of a map begin with zero
            value.type_name = self._enums(zero=True)[0]
        value.ClearField("options")
        held = f".{self._file.package}.{message.name}.{entry.name}"
        field = message.field.add(
            name=f"f{number}", number=number, type="TYPE_MESSAGE", type_name=held, label="LABEL_REPEATED"
        )
        self._classify(field, value)
        keys = TEXT_CATEGORIES if entry.field[0].type == F.TYPE_STRING else OTHER_CATEGORIES
        field.options.Extensions[annotations_pb2.field].map_key = self._chance.pick(keys)  # type: ignore[assignment]

    def _classify(self, field: F, value: F | None = None) -> None:
        """Messages mostly stay unclassified, since they have no need of it."""
        value = value or field
        message = value.type in (F.TYPE_MESSAGE, F.TYPE_GROUP) and (
            value.type_name not in WELL_KNOWN or value.type_name.endswith(("Any", "Empty", "FieldMask"))
        )
        if message and not self._chance.rarely(6):
            return
        said = field.options.Extensions[annotations_pb2.field]
        text = value.type == F.TYPE_STRING or value.type_name.endswith("StringValue")
        said.category = self._chance.pick(TEXT_CATEGORIES if text else OTHER_CATEGORIES)  # type: ignore[assignment]
        match self._chance.below(10):
            case 1:
                said.pattern = self._chance.pick(("[a-z]{1,5}", "[a-z0-9@. +]{0,30}", "(?s).{0,100}"))
            case 2 | 3:
                said.one_of.extend([self._chance.pick(STRINGS[1:]) for _ in range(3)])
            case 4 | 5 | 6:
                said.min, said.max = self._chance.pick(((0, 5), (-5, 100), (1, 10**9)))
            case 7:
                said.max_length = self._chance.pick((1, 5, 40))
