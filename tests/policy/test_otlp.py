"""OTLP logs: every slot is decided on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.resource.v1 import resource_pb2

from gateway.contracts.builtin import WELL_KNOWN
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.minimise.engine import Minimiser
from gateway.model import Facts, Release
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path, load
from gateway.policy.otlp import CLASSES, ITEM, MESSAGES, OPAQUE_VALUES, STRIPPED, VALUES, specials

KANNELLE = Compiler(load_contracts([default_contract()]), load(default_path()))
MODULES = (*WELL_KNOWN, common_pb2, resource_pb2, logs_pb2)


def slots(message: Descriptor, seen: set[str]) -> Iterator[str]:
    """The full names of all fields of a message and of what it holds."""
    seen.add(message.full_name)
    for field in message.fields:
        yield field.full_name
        inside = field.message_type is not None and field.full_name not in STRIPPED
        if inside and field.message_type.full_name not in seen:
            yield from slots(field.message_type, seen)


def undecided(contract: Contract, destination: str) -> set[str]:
    """Slots that neither a rule keeps nor a rule strips."""
    ruled = {*CLASSES, *MESSAGES, *VALUES, *OPAQUE_VALUES, *specials(KANNELLE.policy, KANNELLE.site(destination))}
    return set(slots(contract.message(ITEM), set())) - ruled


def files() -> dict[str, FileDescriptorProto]:
    return {module.DESCRIPTOR.name: FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb) for module in MODULES}


@pytest.mark.parametrize("destination", ["application-log", "analytics"])
def test_every_slot_is_decided_on(destination: str) -> None:
    assert undecided(Contract(files().values()), destination) == set()


def test_what_no_rule_reads_is_not_in_the_engine_s_schema() -> None:
    attribute = common_pb2.KeyValue(key="service.name", key_strindex=7)
    attribute.value.kvlist_value.values.add(key="user.name").value.string_value = "Ada Byron"
    minimiser = Minimiser(KANNELLE.plan(ITEM, "application-log"))
    for value in (common_pb2.AnyValue(bytes_value=b"Ada"), common_pb2.AnyValue(string_value_strindex=7), attribute.value):
        attribute.value.CopyFrom(value)
        raw = logs_pb2.ResourceLogs(resource=resource_pb2.Resource(attributes=[attribute])).SerializeToString()
        release = minimiser.decide(raw, Facts(0))
        assert isinstance(release, Release)
        assert logs_pb2.ResourceLogs.FromString(release.payload).resource == resource_pb2.Resource()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (logs_pb2, "ResourceLogs"), (logs_pb2, "ScopeLogs"), (logs_pb2, "LogRecord"), (resource_pb2, "Resource"),
        (common_pb2, "InstrumentationScope"), (common_pb2, "KeyValue"), (common_pb2, "AnyValue"), (common_pb2, "ArrayValue"),
        (common_pb2, "KeyValueList"),
    ],
)  # fmt: skip
def test_a_slot_that_a_newer_otlp_brings_is_noticed(file: object, message: str) -> None:
    all_files = files()
    name = file.DESCRIPTOR.name  # type: ignore[attr-defined]
    held = next(one for one in all_files[name].message_type if one.name == message)
    held.field.add(name="new_slot", number=999, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL)
    assert {slot.rpartition(".")[2] for slot in undecided(Contract(all_files.values()), "application-log")} == {"new_slot"}
