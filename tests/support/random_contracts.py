"""Random contracts, drawn from a string of bytes, so that hypothesis can shrink what it finds.

Their messages are in `random_messages.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.descriptor_pb2 import (
    EDITION_2023,
    EnumDescriptorProto,
    FeatureSet,
    FileDescriptorProto,
)
from kannelle.privacy.v1 import annotations_pb2

from gateway.contracts.builtin import builtin_files
from gateway.contracts.contract import Contract
from tests.support.random_choices import ChoiceSequence
from tests.support.random_fields import MASK, OTHER_CATEGORIES, FieldFiller

IMPORTS: Final = ("any", "timestamp", "duration", "struct", "wrappers", "empty", "field_mask")

OWN_FILES: Final = ("annotations", "receipt", "context", "analytics")

BASE_FILES: Final = tuple(
    file
    for file in builtin_files()
    if file.name.endswith(("/descriptor.proto", *(f"/{name}.proto" for name in (*IMPORTS, *OWN_FILES))))
)
"""What is needed of the files that every contract holds: compiling goes through all types there are."""


def contract(chance: ChoiceSequence, *, masks: bool = False) -> Contract:
    """A contract with the types `x0.M0` and more, over two files of any syntax of which one imports the other.

    With `masks`, most messages have a field mask, and some are requests.
    """
    first = _file(chance, 0, [])
    second = _file(chance, 1, [first]) if chance.rarely(2) else None
    for file in filter(None, (first, second) if masks else ()):
        _mask(chance, file)
    return Contract([*BASE_FILES, *filter(None, (first, second))])


def _file(chance: ChoiceSequence, index: int, imported: Sequence[FileDescriptorProto]) -> FileDescriptorProto:
    file = FileDescriptorProto(
        name=f"x{index}.proto", package=f"x{index}", syntax=chance.pick(("proto3", "proto2", "editions"))
    )
    file.dependency.extend([f"google/protobuf/{name}.proto" for name in IMPORTS])
    file.dependency.extend(["kannelle/privacy/v1/annotations.proto", *(other.name for other in imported)])
    if file.syntax == "editions":
        file.edition = EDITION_2023
        _features(chance, file.options.features)
    for number in range(1 + chance.below(2)):
        file.enum_type.append(_enum(chance, file, number, may_start_late=number > 0))
    for number in range(1 + chance.below(4)):
        file.message_type.add(name=f"M{number}")
    own = [f".{file.package}.{message.name}" for message in file.message_type]
    others = [f".{other.package}.{message.name}" for other in imported for message in other.message_type]
    for message in file.message_type:
        FieldFiller(chance, file, (*own, *own, *others)).fill(message)
    if file.syntax != "proto3":
        FieldFiller(chance, file, own).extend()
    return file


def _mask(chance: ChoiceSequence, file: FileDescriptorProto) -> None:
    """Add a mask to most messages, and a service."""
    types = [message.name for message in file.message_type]
    for message in file.message_type:
        name = chance.pick(("update_mask", "update_mask", "read_mask", "changed", ""))
        if name:
            field = message.field.add(name=name, number=9, type="TYPE_MESSAGE", type_name=MASK, label="LABEL_OPTIONAL")
            if chance.rarely(5):
                field.options.Extensions[annotations_pb2.field].category = chance.pick(OTHER_CATEGORIES)  # type: ignore[assignment]
    service = file.service.add(name="S")
    for index in chance.times(2):
        about, asks, answers = (chance.pick(types) for _ in range(3))
        method = service.method.add(name=f"{chance.pick(('Update', 'Get'))}{about}{index or ''}")
        method.input_type, method.output_type = (f".{file.package}.{name}" for name in (asks, answers))


def _features(chance: ChoiceSequence, features: FeatureSet) -> None:
    features.field_presence = chance.pick((FeatureSet.EXPLICIT, FeatureSet.IMPLICIT))
    features.enum_type = chance.pick((FeatureSet.OPEN, FeatureSet.CLOSED))
    features.repeated_field_encoding = chance.pick((FeatureSet.PACKED, FeatureSet.EXPANDED))
    features.utf8_validation = chance.pick((FeatureSet.VERIFY, FeatureSet.NONE))
    features.message_encoding = chance.pick((FeatureSet.LENGTH_PREFIXED, FeatureSet.DELIMITED))


def _enum(chance: ChoiceSequence, file: FileDescriptorProto, index: int, may_start_late: bool) -> EnumDescriptorProto:
    """Open enums begin with zero, closed ones may not."""
    enum = EnumDescriptorProto(name=f"E{index}")
    closed = file.syntax == "proto2" or (
        file.syntax == "editions" and file.options.features.enum_type == FeatureSet.CLOSED
    )
    first = 2 if closed and may_start_late and chance.rarely(2) else 0
    for number in (first, 1, 5, -3)[: 2 + chance.below(3)]:
        enum.value.add(name=f"{enum.name}_{number}".replace("-", "M"), number=number)
    return enum
