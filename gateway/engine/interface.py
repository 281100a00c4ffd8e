"""What an engine is: it decides on items of one type for one destination, by a plan alone.

`reference.py` is one, always there. Another one needs this file, `gateway/plan.py`, `gateway/model.py`,
`gateway/batch_verdict.py` and `gateway/errors.py`, and passes all vectors; `tests/engine/test_interface.py` has the
smallest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from gateway.batch_verdict import BatchVerdict
from gateway.model import Category, Facts, Identifier, Outcome, Subject
from gateway.plan import Plan, SubjectPlan


class Engine(Protocol):
    """Decides by one plan. Pure, and safe to share between threads."""

    @property
    def plan(self) -> Plan:
        """By which it decides."""
        ...

    @property
    def digest(self) -> str:
        """The plan's, as releases name it: made once, for it costs a serialisation."""
        ...

    def decide(self, raw: bytes, facts: Facts) -> Outcome:
        """Return what becomes of one item, a serialised message of the plan's type. Raises nothing."""
        ...

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchVerdict:
        """Return what becomes of each of many items, each with its facts, and whom what is left of them is about.

        What `decide` says of each alone. Raises nothing: one item spoils no other. Without `identifiers`, nobody is
        looked for in what is left.
        """
        ...

    def subjects(self, payload: bytes) -> frozenset[Identifier]:
        """Each USER_ID and WORK_EMAIL in a release's payload. Raises Refused if this plan makes no such payload."""
        ...


class SubjectReader(Protocol):
    """Reads whom items of one type are about and in which workspace, from the raw item, before anything is stripped."""

    @property
    def plan(self) -> SubjectPlan:
        """By which it reads."""
        ...

    def read(self, raw: bytes) -> Subject:
        """The subject of a serialised message. Raises Refused if it is malformed."""
        ...

    def is_personal(self, subject: Subject) -> bool:
        """Whether the subject's own address is a personal one: of a consumer's or disposable mail."""
        ...


class FieldCounter(Protocol):
    """Which of the fields that a plan doesn't have are counted."""

    def weight(self) -> int:
        """How many items the next one stands for; 0 if it isn't counted. Any thread may ask."""
        ...

    @property
    def categories(self) -> Callable[[str], Mapping[int, Category] | None]:
        """Returns the categories of a message type's fields by number; None where they count in `unplanned` alone.

        Counters that have the same one count alike, each its own items.
        """
        ...


class Engines(Protocol):
    """Makes the engines and subject readers of one policy's plans."""

    def engine(self, plan: Plan, max_bytes: int, counter: FieldCounter | None = None) -> Engine:
        """Return the engine of a plan. `max_bytes` is the largest item, before and after.

        With a counter, releases say what the plan doesn't have.
        """
        ...

    def subject_reader(self, plan: SubjectPlan) -> SubjectReader:
        """Return what reads the subjects of a type."""
        ...
