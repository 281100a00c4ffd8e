"""Probe messages have something in each field of each type that the default policy leads anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from gateway.cli.sources import load_compiler
from gateway.contracts.contract import message_of
from gateway.contracts.load import load
from gateway.evidence.statement.probe_labels import Labels
from gateway.evidence.statement.probe_messages import MAX_MESSAGES, MAX_VARIANTS, ProbeMessages
from gateway.evidence.statement.probe_values import TEXTS, ProbeValues
from gateway.model import Category
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import flow_targets
from gateway.protobuf.descriptors import descriptor_of
from tests.support.contracts import NOW_SECONDS, contract, policy, proto

ONE_VALUE = frozenset(
    {
        "google.protobuf.Any",
        "google.protobuf.Duration",
        "google.protobuf.FieldMask",
        "google.protobuf.Timestamp",
        "kannelle.privacy.v1.PropertyValue",
        "opentelemetry.proto.common.v1.AnyValue",
        "opentelemetry.proto.common.v1.KeyValue",
    }
)
UNFILLED = frozenset({"google.protobuf.Any", "google.protobuf.FieldMask"})


@cache
def compiler() -> Compiler:
    return load_compiler((), None)[0]


def every_field(root: Descriptor) -> frozenset[str]:
    """The fields of a type and of all that it leads to, as a reader of the file would list them."""
    found: set[str] = set()
    waiting, seen = [root], {root.full_name}
    while waiting:
        for field in waiting.pop().fields:
            held = field.message_type
            if held is None or held.full_name not in UNFILLED:
                found.add(field.full_name)
            if held is not None and held.full_name not in seen | ONE_VALUE:
                seen.add(held.full_name)
                waiting.append(held)
    return frozenset(found)


def filled(message: Message) -> Iterator[str]:
    """The fields of a message in which something stands, and of those within it."""
    for field, value in message.ListFields():
        yield field.full_name
        entries = [value] if isinstance(value, Message) or not isinstance(value, Iterable) else [*value]
        if isinstance(value, Mapping):
            yield from (part.full_name for part in message_of(field).fields)
            entries = [*value.values()]
        for one in entries:
            if isinstance(one, Message) and descriptor_of(one).full_name not in ONE_VALUE:
                yield from filled(one)


@pytest.mark.parametrize("name", [*dict.fromkeys(name for name, _ in flow_targets(compiler()))])
def test_together_they_fill_every_field(name: str) -> None:
    made = compiler()
    values = ProbeValues("usr_probe")
    messages = [*ProbeMessages(made.contract, Labels(made), NOW_SECONDS * 10**9).of_type(name, values)]
    assert {field for message in messages for field in filled(message)} == every_field(made.contract.message(name))


VECTORS = load([Path(__file__).parents[2] / "vectors/contracts"])


@pytest.mark.parametrize("name", [name for name in VECTORS.messages if name.startswith("vectors.")])
def test_types_of_any_shape_have_probes_that_end(name: str) -> None:
    """Recursive ones, groups, wrappers, maps, `Any` and proto2 among them."""
    labels = Labels(Compiler(VECTORS, policy()))
    messages = [*ProbeMessages(VECTORS, labels, NOW_SECONDS * 10**9).of_type(name, ProbeValues("usr_probe"))]
    assert 1 <= len(messages) <= MAX_VARIANTS
    read = VECTORS.message_class(name)
    assert [read.FromString(one.SerializePartialToString()) for one in messages] == messages


def test_types_that_lead_to_each_other_in_many_ways_have_probes_that_end() -> None:
    fields = " ".join(f"M{number} f{number} = {number + 1};" for number in range(12))
    made = contract(proto(" ".join(f"message M{number} {{ {fields} }}" for number in range(12))))
    labels = Labels(Compiler(made, policy()))
    (message,) = ProbeMessages(made, labels, NOW_SECONDS * 10**9).of_type("t.M0", ProbeValues("usr_probe"))
    assert 12 < len([*filled(message)]) <= MAX_MESSAGES


def test_each_category_has_a_text_of_its_own_but_those_whose_form_is_given() -> None:
    assert set(TEXTS) == set(Category) - {Category.USER_ID, Category.OPERATIONAL}
    assert len(set(TEXTS.values())) == len(TEXTS)
