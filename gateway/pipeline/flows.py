"""Flows, ready to run: for each call, message type or signal, whom its items are about and who gets what of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from gateway.batch_verdict import BatchVerdict
from gateway.engine.interface import Engine, Engines, SubjectReader
from gateway.engine.reference import ReferenceEngines
from gateway.errors import BadSetup, ItemReason, RefusalReason, Refused
from gateway.model import MAX_ITEM_BYTES, Category, Facts, FieldPath, Identifier, Outcome, Verdict
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.categories import Categories
from gateway.pipeline.field_counters import CategorySampler, TotalCounter
from gateway.plan import SubjectPlan
from gateway.policy.compile import Compiler
from gateway.policy.document import DeliveryMode
from gateway.policy.flow_targets import absent_targets
from gateway.policy.item_types import GATEWAY_ITEM_TYPES
from gateway.policy.otlp import slots
from gateway.policy.rules import RecipientTerms

Term = tuple[str, str, SubjectPlan]
"""What a decision goes by: the type of the item, the digest of its plan, where its subject stands."""

NOTHING: Final[frozenset[Term]] = frozenset()


ENGINES: Final[Callable[[], Engines]] = ReferenceEngines
"""What makes the engines of a policy."""


class SingleEngine:
    """Has one engine decide on one item at a time."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def decide(self, raw: bytes, facts: Facts) -> Verdict:
        """The verdict on one item. Raises Refused."""
        return _verdict(self._engine.decide(raw, facts))


class DetailEngines:
    """What decides on the details of a status for one recipient, by their types, each made when first asked for."""

    def __init__(self, compiler: Compiler, recipient: RecipientTerms, engines: Engines) -> None:
        self._compiler, self._recipient, self._make = compiler, recipient, engines
        self._engine = cache(self._new_engine)

    def of(self, type: str) -> SingleEngine | None:
        """What decides on details of a type; None for one of which nothing may leave, or that isn't known."""
        return self._engine(type) if type in self._compiler.contract.messages else None

    def _new_engine(self, type: str) -> SingleEngine | None:
        try:
            plan = self._compiler.plan_for(type, self._recipient)
        except BadSetup:
            return None
        return SingleEngine(self._make.engine(plan, MAX_ITEM_BYTES)) if plan.messages[0].fields else None


class Flow:
    """Items of one type on their way to their destinations.

    `key` is its name in the policy, `categories` those of places in an item.

    `terms` are what decisions go by, with their destinations: flows of equal terms decide alike.
    """

    def __init__(
        self, key: str, reader: SubjectReader, engines: tuple[Engine, ...], categories: Mapping[FieldPath, Category]
    ) -> None:
        self.key = key
        self.categories = categories
        self.subject = reader.read
        self.is_personal = reader.is_personal
        self.digests = tuple(engine.digest for engine in engines)
        self.terms = tuple(
            (engine.plan.destination, (engine.plan.type, engine.digest, reader.plan)) for engine in engines
        )
        self.destinations = tuple(engine.plan.destination for engine in engines)
        self._engines = engines
        self._subjects = {engine.plan.destination: engine.subjects for engine in engines}

    def identifiers_in(self, destination: str) -> Callable[[bytes], frozenset[Identifier]]:
        """What finds the identifiers and addresses in a payload for a destination of this flow."""
        return self._subjects[destination]

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        """The verdicts on one item, one for each destination.

        Raises Refused if any destination's plan refuses it: then none gets it.
        """
        return tuple([_verdict(engine.decide(raw, facts)) for engine in self._engines])

    def decide_batch(self, raws: Sequence[bytes], facts: Sequence[Facts], *, identifiers: bool = True) -> BatchDecision:
        """What becomes of each of many items at each destination: what `decide` says of each alone.

        Without `identifiers`, nobody is looked for in what is left.
        """
        indices: Sequence[int] = range(len(raws))
        refused: dict[int, RefusalReason] = {}
        verdicts: list[BatchVerdict] = []
        for engine in self._engines:
            verdict = engine.decide_batch(raws, facts, identifiers=identifiers)
            verdicts.append(verdict)
            gone = {index: end.reason for index, end in verdict.ended.items() if isinstance(end, Refused)}
            if gone:
                # Nothing of it is decided on for the others, nor counted.
                left = [index for index in range(len(raws)) if index not in gone]
                refused |= {indices[index]: reason for index, reason in gone.items()}
                indices = [indices[index] for index in left]
                raws, facts = [raws[index] for index in left], [facts[index] for index in left]
                verdicts = [one.only(left) for one in verdicts]
        return BatchDecision(indices, verdicts, refused)


def _verdict(outcome: Outcome) -> Verdict:
    """An outcome that is no refusal. Raises Refused."""
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def single(compiler: Compiler, type: str, destination: str, engines: Engines | None = None) -> Flow:
    """A flow of a type to one destination, apart from all others; nothing of it is counted.

    Raises BadPolicy or BadContract.
    """
    return single_to(compiler, type, compiler.terms(destination), engines)


def single_to(compiler: Compiler, type: str, recipient: RecipientTerms, engines: Engines | None = None) -> Flow:
    """The same to a destination or a caller, by its terms. Raises BadPolicy or BadContract."""
    make = ENGINES() if engines is None else engines
    engine = make.engine(compiler.plan_for(type, recipient), MAX_ITEM_BYTES)
    return Flow("", make.subject_reader(compiler.subject(type)), (engine,), {})


class Flows:
    """All flows of one policy over one contract: a snapshot, which a call keeps to its end."""

    def __init__(self, compiler: Compiler, engines: Engines | None = None) -> None:
        """Compile all of them. Raises BadPolicy or BadContract."""
        compiler.plans()
        self.compiler = compiler
        self._make = ENGINES() if engines is None else engines
        self._subject_reader = cache(self._new_subject_reader)
        self._engines: dict[tuple[str, str], Engine] = {}
        self._only: dict[tuple[str, str], Flow] = {}
        self._at: dict[tuple[int, int], Flow] = {}
        self._categories = Categories(compiler.contract, {**compiler.classifications, **slots.CLASSIFICATIONS})
        self.fed = frozenset((compiler.item_type(key), name) for key, names in compiler.flows.items() for name in names)
        """The types that a flow leads to a destination, each with it."""
        self.absent = absent_targets(compiler)
        """The types that a flow leads to a destination and this contract lacks, each with it."""
        self._flows = {
            key: self._flow(key, compiler.item_type(key), destinations) for key, destinations in compiler.flows.items()
        }
        self.digests = frozenset(digest for flow in self._flows.values() for digest in flow.digests)
        """Those of all plans that flows go by."""
        self._terms = _terms_by_destination(self._flows.values())

    def of(self, key: str) -> Flow:
        """The flow of a key of the policy. Raises Refused."""
        flow = self._flows.get(key)
        if flow is None:
            raise Refused(ItemReason.UNKNOWN_FLOW)
        return flow

    def find(self, key: str) -> Flow | None:
        """The flow of a key of the policy, if there is one."""
        return self._flows.get(key)

    def of_method(self, service: str, method: str) -> Flow:
        """The flow of a call: its own, else its service's. Raises Refused."""
        return self._flows.get(f"{service}/{method}") or self.of(f"{service}/*")

    @property
    def sendable(self) -> Mapping[str, Flow]:
        """The flows of message types that callers may send, by type."""
        return {key: flow for key, flow in self._flows.items() if "/" not in key and key not in GATEWAY_ITEM_TYPES}

    def of_type(self, type: str) -> Flow:
        """The flow of a message type that callers may send. Raises Refused."""
        flow = None if type in GATEWAY_ITEM_TYPES else self._flows.get(type)
        if flow is None:
            raise Refused(
                ItemReason.UNKNOWN_FLOW if type in self.compiler.contract.messages else ItemReason.UNKNOWN_TYPE
            )
        return flow

    def only(self, type: str, destination: str) -> Flow:
        """A flow to one destination, whatever the policy's flows say. Raises as `engine`."""
        if (type, destination) not in self._only:
            self._only[type, destination] = self._flow("", type, (destination,))
        return self._only[type, destination]

    def feeds(self, type: str, destination: str) -> bool:
        """Whether some flow leads items of a type to a destination."""
        return (type, destination) in self.fed

    def lacks(self, type: str, destination: str) -> bool:
        """Whether some flow leads items of a type to a destination, and the contract lacks the type.

        Nothing can be decided on them.
        """
        return (type, destination) in self.absent

    def is_direct(self, destination: str) -> bool:
        """Whether a destination's recipient is tried before anything is stored for it."""
        terms = self.compiler.policy.destinations.get(destination)
        return terms is not None and terms.delivery_mode is DeliveryMode.DIRECT

    def terms(self, destination: str) -> object:
        """What decisions on all that is led to a destination go by: equal terms decide alike."""
        return self._terms.get(destination, NOTHING)

    def engine(self, type: str, destination: str) -> Engine:
        """The engine of a type at a destination, in a flow or not.

        Raises KeyError if one is unknown, BadPolicy if none can be made.
        """
        if (type, destination) not in self._engines:
            counter = CategorySampler(self._categories.numbers)
            plan = self.compiler.plan(type, destination)
            self._engines[type, destination] = self._make.engine(plan, MAX_ITEM_BYTES, counter)
        return self._engines[type, destination]

    def at(self, type: str, recipient: RecipientTerms, most: int, reader: RecipientTerms | None = None) -> Flow:
        """A flow to one recipient, for messages of `most` bytes; releases are counted.

        Raises as `engine`, and BadContract.

        `reader` is who gets the answer.
        """
        plan = self.compiler.plan_for(type, recipient, reader=reader)
        key = (id(plan), most)  # the compiler keeps its plans
        if key not in self._at:
            engine = self._make.engine(plan, most, TotalCounter())
            self._at[key] = self._new_flow("", type, (engine,))
        return self._at[key]

    def details(self, recipient: RecipientTerms) -> DetailEngines:
        """What decides on the details of statuses for a recipient."""
        return DetailEngines(self.compiler, recipient, self._make)

    def _flow(self, key: str, type: str, destinations: tuple[str, ...]) -> Flow:
        return self._new_flow(key, type, tuple(self.engine(type, destination) for destination in destinations))

    def _new_flow(self, key: str, type: str, engines: tuple[Engine, ...]) -> Flow:
        return Flow(key, self._subject_reader(type), engines, self._categories.places(type))

    def _new_subject_reader(self, type: str) -> SubjectReader:
        return self._make.subject_reader(self.compiler.subject(type))


def _terms_by_destination(flows: Iterable[Flow]) -> Mapping[str, frozenset[Term]]:
    found: dict[str, set[Term]] = {}
    for flow in flows:
        for destination, term in flow.terms:
            found.setdefault(destination, set()).add(term)
    return {destination: frozenset(terms) for destination, terms in found.items()}
