"""The index against the slow oracle.

What that keeps as an identifier or an address is found, over random contracts and messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from gateway.contracts.contract import Contract
from gateway.engine.reference import ReferenceEngine
from gateway.errors import Refused
from gateway.model import Category, FieldPrivacy, Identifier, Release
from gateway.policy.compile import Compiler
from tests.engine.test_oracle import BYTES, FACTS, file
from tests.engine.test_subject_index import numbered
from tests.support.contracts import with_open_patterns
from tests.support.engines import decide_one
from tests.support.examples import examples
from tests.support.known_fields import ANY
from tests.support.oracle import Oracle
from tests.support.random_choices import ChoiceSequence
from tests.support.random_contracts import contract
from tests.support.random_messages import RandomMessages

MASK: Final = "google.protobuf.FieldMask"
NAMED: Final = frozenset({Category.USER_ID, Category.WORK_EMAIL})


class Kept:
    """Walks what the oracle leaves, by the original types, and lists each classified identifier and address."""

    def __init__(self, held: Contract, classes: Mapping[str, FieldPrivacy]) -> None:
        self._contract = held
        self._classes = classes

    def of(self, message: Any) -> Iterator[Identifier]:
        if message.DESCRIPTOR.full_name == ANY:
            name = message.type_url.rpartition("/")[2]
            yield from self.of(self._contract.message_class(name).FromString(message.value))
        else:
            for field, value in message.ListFields():
                yield from self._field(field, value, self._classes.get(field.full_name, FieldPrivacy()))

    def _field(self, field: FieldDescriptor, value: Any, privacy: FieldPrivacy) -> Iterator[Identifier]:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in value:
                yield from self._value(key, privacy.map_key)
                yield from self._value(value[key], privacy.category)
        else:
            for one in value if field.is_repeated else [value]:
                yield from self._value(one, privacy.category)

    def _value(self, value: Any, category: Category) -> Iterator[Identifier]:
        name = value.DESCRIPTOR.full_name if isinstance(value, Message) else ""
        if name == ANY or (name and not name.startswith("google.protobuf.")):
            yield from self.of(value)
        elif category in NAMED and name != MASK:
            yield category, str(value.value if name else value)


@settings(max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=BYTES, max_size=BYTES))
def test_what_the_oracle_keeps_is_found_and_nothing_else(data: bytes) -> None:
    chance = ChoiceSequence(data)
    held = contract(chance)
    compiler = Compiler(held, with_open_patterns(numbered(file(chance)), held))
    oracle = Oracle(held, compiler.classifications, compiler.terms("here"))
    if oracle.strips_required("x0.M0"):
        return
    minimiser, kept = ReferenceEngine(compiler.plan("x0.M0", "here")), Kept(held, compiler.classifications)
    for _ in range(3):
        raw, facts = RandomMessages(chance, held).message(held.message("x0.M0")), chance.pick(FACTS)
        try:
            left, verdict = oracle.decide("x0.M0", raw, facts), decide_one(minimiser, raw, facts)
        except Refused:
            continue
        if left is not None:
            assert isinstance(verdict, Release)
            wanted = set(kept.of(left))
            event(f"{min(len(wanted), 3)} found")
            assert minimiser.subjects(verdict.payload) == wanted
            assert minimiser.decide_batch([raw], [facts]).subjects == [frozenset(wanted)]
