"""Flows, ready to run: for each call, message type or signal, whom its items are about and who gets what of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Final

from gateway.engine.reference import ReferenceEngine
from gateway.engine.stripped_fields import CategorySampler, TotalCounter
from gateway.engine.subject import SubjectReader
from gateway.errors import BadSetup, ItemReason, Refused
from gateway.model import Category, Facts, FieldPath, Release, Verdict
from gateway.pipeline.categories import Categories
from gateway.plan import SubjectPlan
from gateway.policy.compile import GATEWAY_ITEM_TYPES, Compiler
from gateway.policy.flow_targets import absent_targets
from gateway.policy.otlp import slots
from gateway.policy.rules import RecipientTerms

Term = tuple[str, str, SubjectPlan]
"""What a decision goes by: the type of the item, the digest of its plan, where its subject stands."""

NOTHING: Final[frozenset[Term]] = frozenset()


class Flow:
    """Items of one type on their way to their destinations.

    `key` is its name in the policy, `categories` those of places in an item.

    `terms` are what decisions go by, with their destinations: flows of equal terms decide alike.
    """

    def __init__(
        self,
        key: str,
        reader: SubjectReader,
        minimisers: tuple[ReferenceEngine, ...],
        categories: Mapping[FieldPath, Category],
    ) -> None:
        self.terms = tuple((one.plan.destination, (one.plan.type, one.digest, reader.plan)) for one in minimisers)
        self.key = key
        self.categories = categories
        self.subject = reader.read
        self.is_personal = reader.is_personal
        self.digests = tuple(minimiser.digest for minimiser in minimisers)
        self._engines = minimisers
        self._subjects = {minimiser.plan.destination: minimiser.subjects for minimiser in minimisers}

    def subjects(self, release: Release) -> frozenset[tuple[Category, str]]:
        """The identifiers and addresses that a release of this flow holds."""
        return self._subjects[release.destination](release.payload)

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        """The verdicts on one item, one for each destination.

        Raises Refused if any destination's plan refuses it: then none gets it.
        """
        return tuple([minimiser.decide(raw, facts) for minimiser in self._engines])


def single(compiler: Compiler, type: str, destination: str) -> Flow:
    """A flow of a type to one destination, apart from all others; nothing of it is counted.

    Raises BadPolicy or BadContract.
    """
    return Flow("", SubjectReader(compiler.subject(type)), (ReferenceEngine(compiler.plan(type, destination)),), {})


class Flows:
    """All flows of one policy over one contract: a snapshot, which a call keeps to its end."""

    def __init__(self, compiler: Compiler) -> None:
        """Compile all of them. Raises BadPolicy or BadContract."""
        compiler.plans()
        self.compiler = compiler
        self._engines: dict[tuple[str, str], ReferenceEngine] = {}
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
        self._terms: dict[str, frozenset[Term]] = {}
        for flow in self._flows.values():
            for destination, term in flow.terms:
                self._terms[destination] = self._terms.get(destination, NOTHING) | {term}

    def of(self, key: str) -> Flow:
        """The flow of a key of the policy. Raises Refused."""
        flow = self.find(key)
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

    def terms(self, destination: str) -> object:
        """What decisions on all that is led to a destination go by: equal terms decide alike."""
        return self._terms.get(destination, NOTHING)

    def engine(self, type: str, destination: str) -> ReferenceEngine:
        """The engine of a type at a destination, in a flow or not.

        Raises KeyError if one is unknown, BadPolicy if none can be made.
        """
        if (type, destination) not in self._engines:
            self._engines[type, destination] = ReferenceEngine(
                self.compiler.plan(type, destination), counter=CategorySampler(self._categories.numbers)
            )
        return self._engines[type, destination]

    def at(self, type: str, site: RecipientTerms, most: int, reader: RecipientTerms | None = None) -> Flow:
        """A flow to one site, for messages of `most` bytes; releases are counted.

        Raises as `engine`, and BadContract.

        `reader` is who gets the answer.
        """
        plan = self.compiler.plan_for(type, site, reader=reader)
        key = (id(plan), most)  # the compiler keeps its plans
        if key not in self._at:
            minimiser = ReferenceEngine(plan, most, TotalCounter())
            self._at[key] = Flow(
                "", SubjectReader(self.compiler.subject(type)), (minimiser,), self._categories.places(type)
            )
        return self._at[key]

    def details(self, site: RecipientTerms) -> Callable[[str], ReferenceEngine | None]:
        """The minimisers of what a status's details may hold at a site, by type; None for a type that has none."""
        minimiser, known = cache(partial(self._detail, site)), frozenset(self.compiler.contract.messages)
        return lambda name: minimiser(name) if name in known else None

    def _detail(self, site: RecipientTerms, type: str) -> ReferenceEngine | None:
        try:
            return ReferenceEngine(self.compiler.plan_for(type, site))
        except BadSetup:
            return None

    def _flow(self, key: str, type: str, destinations: tuple[str, ...]) -> Flow:
        minimisers = tuple(self.engine(type, destination) for destination in destinations)
        return Flow(key, SubjectReader(self.compiler.subject(type)), minimisers, self._categories.places(type))
