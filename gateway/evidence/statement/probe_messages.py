"""Probe messages: a message type with something in each of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from gateway.contracts.contract import Contract, message_of
from gateway.evidence.statement.probe_labels import Labels
from gateway.evidence.statement.probe_values import ProbeValues
from gateway.model import FieldPrivacy
from gateway.policy.fields import is_map, map_entry
from gateway.policy.item_types import EVENT_TYPE
from gateway.policy.rules import FIELD_MASK, kind_of, kind_of_message
from gateway.protobuf.descriptors import class_of

KEY_VALUE: Final = "opentelemetry.proto.common.v1.KeyValue"
ANY_VALUE: Final = "opentelemetry.proto.common.v1.AnyValue"
PROPERTY_VALUE: Final = "kannelle.privacy.v1.PropertyValue"
ANY: Final = "google.protobuf.Any"
KEY: Final = "key"
VALUE: Final = "value"
SECONDS: Final = "seconds"
STRING_VALUE: Final = "string_value"

UNPLANNED_PROPERTY: Final = "customer_name"

FIXED_TEXTS: Final[Mapping[str, str]] = {"opentelemetry.proto.metrics.v1.Metric.name": "kannelle.probe"}
"""Texts without which the whole item would be refused."""

BYTES_OF_IDS: Final[Mapping[str, int]] = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}

MAX_VARIANTS: Final = 12
"""Messages of one type at most: one for each member of its largest oneof, and for each event of the tracking plan."""

MAX_MESSAGES: Final = 2_000
"""Messages within one probe at most: types that lead to each other in many ways would have no end."""

_VALUES: Final = frozenset({ANY_VALUE, PROPERTY_VALUE})


class ProbeMessages:
    """Makes probe messages of the types of one contract."""

    def __init__(self, contract: Contract, labels: Labels, now_ns: int) -> None:
        self._contract = contract
        self._labels = labels
        self._now_ns = now_ns
        self._events = [*labels.policy.tracking_plan]

    def of_type(self, type: str, values: ProbeValues) -> Iterator[Message]:
        """Yield messages of a type that together have something in each of its fields."""
        for variant in range(self._variants(self._contract.message(type))):
            yield _MessageBuilder(
                self._contract, self._labels, values, self._now_ns, variant, self._event(variant)
            ).message(self._contract.message(type), ())

    def _event(self, variant: int) -> str:
        return self._events[variant % len(self._events)] if self._events else ""

    def _variants(self, root: Descriptor) -> int:
        sizes = [len(one.fields) for held in _reachable(root) if held.full_name not in _VALUES for one in held.oneofs]
        events = len(self._events) if any(held.full_name == EVENT_TYPE for held in _reachable(root)) else 1
        return min(max([1, events, *sizes]), MAX_VARIANTS)


def _reachable(root: Descriptor) -> list[Descriptor]:
    """A message type, and all that it leads to."""
    found, waiting = {root.full_name: root}, [root]
    while waiting:
        for field in waiting.pop().fields:
            held = field.message_type
            if held is not None and held.full_name not in found:
                found[held.full_name] = held
                waiting.append(held)
    return [*found.values()]


class _MessageBuilder:
    """Fills one message and those within it: of each oneof, the member whose turn it is."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a message is made of
        self, contract: Contract, labels: Labels, values: ProbeValues, now_ns: int, variant: int, event: str
    ) -> None:
        self._contract = contract
        self._labels = labels
        self._values = values
        self._seconds = now_ns // 10**9 if values.seconds is None else values.seconds
        self._variant = variant
        self._messages = 0
        self._event = event

    def message(self, type: Descriptor, above: tuple[str, ...]) -> Message:
        """A message of a type, within those of the types `above`."""
        message = class_of(type)()
        for field in self._contract.fields(type):
            if _is_member_in_turn(field, self._variant) and not field.is_extension:
                self._fill(message, field, (*above, type.full_name))
        return message

    def _fill(self, message: Message, field: FieldDescriptor, above: tuple[str, ...]) -> None:
        held, privacy = field.message_type, self._labels.of_field(field)
        if held is None:
            self._fill_scalar(message, field, privacy)
        elif is_map(field):
            self._fill_map(message, field, privacy, above)
        elif held.full_name == KEY_VALUE:
            self._fill_attributes(message, field)
        elif self._is_entered(held, above):
            self._put(message, field, self._part(held, privacy, above))

    def _is_entered(self, held: Descriptor, above: tuple[str, ...]) -> bool:
        """Whether a message of a type is made: one within itself is, once; what has a rule of its own isn't."""
        self._messages += 1
        return (
            held.full_name not in {FIELD_MASK, ANY}
            and above.count(held.full_name) <= 1
            and self._messages <= MAX_MESSAGES
        )

    def _part(self, held: Descriptor, privacy: FieldPrivacy, above: tuple[str, ...]) -> Message:
        """A message within another: a value of its own, or one whose fields are filled."""
        if held.full_name in _VALUES:
            return _text_value(held, self._values.text(privacy))
        part = class_of(held)()
        match kind_of_message(held):
            case "timestamp":
                setattr(part, SECONDS, self._seconds)
            case "duration":
                setattr(part, SECONDS, self._values.whole_number(privacy) if privacy.bounded else 1)
            case "string":
                setattr(part, VALUE, self._values.text(privacy) or "")
            case "message":
                part = self.message(held, above)
        return part

    def _fill_scalar(self, message: Message, field: FieldDescriptor, privacy: FieldPrivacy) -> None:
        value = self._scalar(field, privacy)
        if value is not None:
            self._put(message, field, value)

    def _scalar(self, field: FieldDescriptor, privacy: FieldPrivacy) -> str | bytes | float | None:
        """A field's value; None leaves it empty."""
        match kind_of(field):
            case "bytes":
                length = BYTES_OF_IDS.get(field.name)
                text = self._values.text(privacy)
                return bytes(range(1, length + 1)) if length else None if text is None else text.encode()
            case "string":
                return self._text(field, privacy)
            case "bool":
                return True
            case "float":
                return 1.0
            case "enum":
                return _last_enum_number(field)
        return self._number(field, privacy)

    def _text(self, field: FieldDescriptor, privacy: FieldPrivacy) -> str | None:
        if field.full_name == f"{EVENT_TYPE}.name":
            return self._event
        return FIXED_TEXTS.get(field.full_name) or self._values.text(privacy)

    def _number(self, field: FieldDescriptor, privacy: FieldPrivacy) -> int:
        if field.name.endswith("time_unix_nano"):
            return self._seconds * 10**9
        number = self._values.whole_number(privacy)
        small = field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32}
        return number % 2**31 if small else number

    def _fill_map(
        self, message: Message, field: FieldDescriptor, privacy: FieldPrivacy, above: tuple[str, ...]
    ) -> None:
        if field.full_name == f"{EVENT_TYPE}.properties":
            self._fill_properties(message, field)
            return
        key_field, value_field = map_entry(field)
        key, value = self._scalar(key_field, FieldPrivacy(privacy.map_key)), self._entry(value_field, privacy, above)
        if key is not None and value is not None:
            _put_entry(message, field, key, value)

    def _entry(
        self, field: FieldDescriptor, privacy: FieldPrivacy, above: tuple[str, ...]
    ) -> str | bytes | float | Message | None:
        """A map's value; None leaves the map empty."""
        held = field.message_type
        if held is None:
            return self._scalar(field, privacy)
        return self._part(held, privacy, above) if self._is_entered(held, above) else None

    def _fill_properties(self, message: Message, field: FieldDescriptor) -> None:
        planned = self._labels.policy.tracking_plan.get(self._event)
        for key in (*(planned.properties if planned else ()), UNPLANNED_PROPERTY):
            text = self._values.text(self._labels.of_property(self._event, key))
            _put_entry(message, field, key, _text_value(message_of(map_entry(field)[1]), text))

    def _fill_attributes(self, message: Message, field: FieldDescriptor) -> None:
        pair = message_of(field)
        for key in self._labels.attributes():
            text = self._values.text(self._labels.of_attribute(key))
            if text is not None:
                made = class_of(pair)()
                setattr(made, KEY, key)
                getattr(made, VALUE).CopyFrom(_text_value(message_of(pair.fields_by_name[VALUE]), text))
                self._put(message, field, made)

    @staticmethod
    def _put(message: Message, field: FieldDescriptor, value: str | bytes | float | Message) -> None:
        if field.is_repeated:
            getattr(message, field.name).append(value)
        elif isinstance(value, Message):
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)


def _is_member_in_turn(field: FieldDescriptor, variant: int) -> bool:
    """Whether a field is in no oneof, or is the member whose turn it is."""
    oneof: OneofDescriptor | None = field.containing_oneof
    return oneof is None or oneof.fields[variant % len(oneof.fields)].number == field.number


def _last_enum_number(field: FieldDescriptor) -> int:
    enum = field.enum_type
    return max(value.number for value in enum.values) if enum is not None else 0


def _text_value(type: Descriptor, text: str | None) -> Message:
    """A value of OTLP or of a property that holds a text."""
    made = class_of(type)()
    if text is not None:
        setattr(made, STRING_VALUE, text)
    return made


def _put_entry(
    message: Message, field: FieldDescriptor, key: str | bytes | float, value: str | bytes | float | Message
) -> None:
    entries = getattr(message, field.name)
    if isinstance(value, Message):
        entries[key].CopyFrom(value)
    else:
        entries[key] = value
