"""Every slot of OTLP is decided on, and a slot that a newer opentelemetry-proto brings is noticed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.logs.v1 import logs_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.detectors.by_category import detectors_for
from gateway.engine import attributes as keyed
from gateway.engine.reference import ReferenceEngine
from gateway.errors import Reason
from gateway.model import DETECTORS, Category, Facts, Release
from gateway.otlp.signals import LOGS, SIGNALS
from gateway.otlp.split import REQUEST_SCHEMA
from gateway.plan import Attributes, Keep, Moment, Number, Text, UserId, Value, WorkEmail
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.policy.otlp import shared, slots
from gateway.policy.projector import NESTED_PLAN
from gateway.protobuf.schema import attribute
from tests.support.contracts import compiler, policy
from tests.support.engines import decide_one

COMMON: Final = "opentelemetry.proto.common.v1."
KEYED: Final[dict[str, Any]] = {
    f"{COMMON}KeyValue": keyed.KEY_VALUE,
    f"{COMMON}AnyValue": keyed.ANY_VALUE,
    f"{COMMON}ArrayValue": keyed._ARRAY,
    f"{COMMON}KeyValueList": keyed._LIST,
}
"""The types that keyed values are judged in, and the schema that judges them."""
SPECIALS: Final = slots.field_rules(policy().policy, compiler("message M {}").terms("eu-log"))


def unhandled(message: Descriptor, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """The slots of a message, and below it, that the code neither keeps by a rule nor strips by one."""
    for field in () if message.full_name in seen else message.fields:
        name, held = field.full_name, field.message_type
        if name in shared.STRIPPED_SLOTS | shared.OPAQUE_VALUE_SLOTS | slots.CLASSIFICATIONS.keys():
            continue
        schema = KEYED.get(message.full_name)
        if schema is not None:
            known = schema.message.DESCRIPTOR.fields_by_name.get(attribute(field.number))
            same = known is not None and known.type == field.type and known.is_repeated == field.is_repeated
            handled = same and name in shared.VALUE_SLOTS
        else:
            handled = name in slots.MESSAGES or name in SPECIALS
        if not handled:
            yield name
        elif held is not None:
            yield from unhandled(held, seen | {message.full_name})


FILES: Final = (common_pb2, resource_pb2, logs_pb2, trace_pb2, metrics_pb2)
ITEMS: Final = [signal.item for signal in SIGNALS]


def bundled(item: str) -> Descriptor:
    """An item's type as the installed opentelemetry-proto has it."""
    found: Descriptor = descriptor_pool.Default().FindMessageTypeByName(item)
    return found


@pytest.mark.parametrize("item", ITEMS)
def test_every_slot_is_decided_on(item: str) -> None:
    assert [*unhandled(bundled(item))] == []


def test_every_slot_that_is_listed_is_there() -> None:
    types = [message for module in FILES for message in _all(module.DESCRIPTOR.message_types_by_name.values())]
    names = {field.full_name for message in types for field in message.fields}
    listed = {
        *shared.STRIPPED_SLOTS,
        *shared.OPAQUE_VALUE_SLOTS,
        *shared.VALUE_SLOTS,
        *slots.CLASSIFICATIONS,
        *slots.MESSAGES,
        *slots.REQUIRED,
        *SPECIALS,
    }
    assert listed <= names


def _all(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        yield message
        yield from _all(message.nested_types)


def reached(message: Descriptor, seen: set[str]) -> set[str]:
    """The types at and below a message, but for what is stripped whole."""
    seen.add(message.full_name)
    for field in message.fields:
        held = field.message_type
        if held is not None and held.full_name not in seen and field.full_name not in shared.STRIPPED_SLOTS:
            reached(held, seen)
    return seen


GROWN: Final = [(item, name) for item in ITEMS for name in sorted(reached(bundled(item), set()))]
"""Each type that an item of each signal reaches."""


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("service.name", True), ("service.owner.team", True), ("service.gender", False), ("service.age", False),
        ("service.owner.password", False), ("service.api_key", False), ("service.gps.latitude", False),
        ("service.ada@acme.example", False),
    ],
)  # fmt: skip
def test_a_wildcard_admits_no_key_that_names_what_is_never_collected(key: str, kept: bool) -> None:
    held = common_pb2.KeyValue(key=key, value=common_pb2.AnyValue(string_value="hunter2"))
    raw = logs_pb2.ResourceLogs(resource=resource_pb2.Resource(attributes=[held])).SerializeToString()
    engine = ReferenceEngine(
        Compiler(load_contracts([default_contract()]), load_policy(default_policy())).plan(LOGS.item, "application-log")
    )
    release = decide_one(engine, raw, Facts(0))
    assert isinstance(release, Release)
    assert bool(logs_pb2.ResourceLogs.FromString(release.payload).resource.attributes) is kept


@pytest.mark.parametrize(("item", "name"), GROWN)
@pytest.mark.parametrize("type_", ["TYPE_STRING", "TYPE_INT64", "TYPE_MESSAGE"])
def test_a_slot_that_is_added_anywhere_is_noticed(item: str, name: str, type_: str) -> None:
    assert {*unhandled(grown(item, name, type_))} == {f"{name}.brand_new"}


def grown(item: str, name: str, type_: str) -> Descriptor:
    """An item's type as a newer version might have it, with one more field in the message `name`."""
    pool = DescriptorPool()
    for module in FILES:
        file = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        for message in _declared(file.package, file.message_type):
            if message[0] == name:
                _grow(message[1], type_)
        pool.AddSerializedFile(file.SerializeToString())
    return pool.FindMessageTypeByName(item)


def _declared(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        yield f"{scope}.{message.name}", message
        yield from _declared(f"{scope}.{message.name}", message.nested_type)


def _grow(message: DescriptorProto, type_: str) -> None:
    field = message.field.add(name="brand_new", number=1999, type=type_, label="LABEL_OPTIONAL")
    if type_ == "TYPE_MESSAGE":
        field.type_name = f".{COMMON}AnyValue"


def test_a_slot_that_changes_its_type_is_noticed() -> None:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, logs_pb2):
        file = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        if module is common_pb2:
            value = next(message for message in file.message_type if message.name == "AnyValue")
            value.field[2].type = 9  # type: ignore[assignment]  # int_value
        pool.AddSerializedFile(file.SerializeToString())
    assert {*unhandled(pool.FindMessageTypeByName("opentelemetry.proto.logs.v1.ResourceLogs"))} == {
        f"{COMMON}AnyValue.int_value"
    }


@pytest.mark.parametrize(
    "request_type",
    [
        logs_service_pb2.ExportLogsServiceRequest.DESCRIPTOR,
        trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR,
        metrics_service_pb2.ExportMetricsServiceRequest.DESCRIPTOR,
    ],
)
def test_a_batch_of_any_signal_is_split_with_all_its_slots(request_type: Descriptor) -> None:
    """What is around a record is carried over whole, whatever it is.

    A field beside them would be lost, and is noticed here.
    """
    original: Any = request_type
    schema: Any = REQUEST_SCHEMA.message.DESCRIPTOR
    for _ in range(3):
        assert {field.number for field in original.fields} == {field.number for field in schema.fields}
        number = 1 if original is request_type else 2
        original, schema = (type_.fields_by_number[number].message_type for type_ in (original, schema))


# ── The rules of the slots ────────────────────────────────────────────────────────────────────────────────────────────

MORE: Final = """\
tracking_plan: {video.exported: {properties: {}}, app.started: {properties: {}}}
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    user.name: NAME
    user.*: OPERATIONAL
    service.*: OPERATIONAL
    service.owner.*: NAME
    http.status: {category: OPERATIONAL, min: 100, max: 599}
    http.method: {category: OPERATIONAL, one_of: [GET, PUT]}
    password: CREDENTIAL
  log_templates: [server started]
"""
SANE: Final = Moment(min=shared.MIN_TIME_SECONDS, max=shared.MAX_TIME_SECONDS)
ID: Final = UserId("usr_[A-Za-z0-9]{1,32}", detect=DETECTORS)


def attributes(destination: str) -> Attributes:
    made = compiler("message M {}", MORE)
    rule = slots.field_rules(made.policy, made.terms(destination))["opentelemetry.proto.logs.v1.LogRecord.attributes"]
    assert isinstance(rule, Attributes)
    return rule


def test_attributes_are_ruled_by_their_keys_for_each_kind_of_value() -> None:
    rule, name = attributes("eu-service"), detectors_for(Category.NAME)
    assert rule.exact["user.id"] == Value(string=ID, integer=ID)
    assert rule.exact["user.email"] == Value(string=WorkEmail(outside=False, vendor=False))
    assert rule.exact["user.name"] == Value(Text(detect=name.detectors, spare=name.spare), Keep(), Keep(), Keep())
    assert rule.exact["http.status"] == Value(string=Number(100, 599), integer=Number(100, 599))
    assert rule.exact["http.method"] == Value(string=Text(one_of=("GET", "PUT"), detect=DETECTORS))
    assert rule.prefixes["service."].integer == Number()


def test_prefixes_of_operational_data_take_no_personal_key() -> None:
    assert attributes("eu-service").impersonal == ("service.", "user.")


def test_names_are_judged_as_names_unless_they_are_listed() -> None:
    made = compiler("message M {}", MORE)
    rules = slots.field_rules(made.policy, made.terms("eu-service"))
    named = (
        "metrics.v1.Metric.name",
        "metrics.v1.Metric.unit",
        "common.v1.InstrumentationScope.name",
        "logs.v1.LogRecord.event_name",
        "trace.v1.Span.Event.name",
    )
    for slot in named:
        rule = rules[f"opentelemetry.proto.{slot}"]
        assert isinstance(rule, Text)
        assert rule.name


def test_a_key_that_may_not_leave_is_listed_all_the_same() -> None:
    """Else the rule of a wildcard above it would let it go."""
    rule = attributes("eu-indirect")
    assert (rule.exact["user.name"], rule.exact["password"], rule.prefixes["service.owner."]) == (
        Value(),
        Value(),
        Value(),
    )


@pytest.mark.parametrize(
    ("slot", "wanted"),
    [
        ("LogRecord.trace_id", "Length"),
        ("LogRecord.span_id", "Length"),
        ("LogRecord.flags", Number(0, 1023)),
        ("LogRecord.time_unix_nano", SANE),
        ("LogRecord.observed_time_unix_nano", SANE),
        ("LogRecord.event_name", "Text"),
        ("ResourceLogs.resource", NESTED_PLAN),
        ("ScopeLogs.scope", NESTED_PLAN),
        ("LogRecord.body", "Body"),
    ],
)
def test_the_rule_of_a_slot(slot: str, wanted: object) -> None:
    made = compiler("message M {}", MORE)
    rule = slots.field_rules(made.policy, made.terms("eu-service"))[f"opentelemetry.proto.logs.v1.{slot}"]
    assert wanted in (rule, type(rule).__name__)


def test_where_operational_data_may_not_go_no_slot_goes() -> None:
    made = compiler("message M {}")
    terms = made.terms("eu-log")
    closed = type(terms)(terms.name, terms.recipient, terms.region, frozenset(), terms.user_id, terms.timestamp_days)
    kept = {name: rule for name, rule in slots.field_rules(made.policy, closed).items() if not isinstance(rule, Reason)}
    assert {type(rule).__name__ for rule in kept.values()} == {"Nested", "Attributes", "Body"}
