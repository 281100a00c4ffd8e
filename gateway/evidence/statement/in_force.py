"""The policy and contracts in force, as checks ask about them: who receives what, and what becomes of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from gateway.evidence.statement.probing import Prober
from gateway.evidence.statement.recipients import NamedRecipient, Selection
from gateway.model import MAX_ITEM_BYTES, Recipient
from gateway.pipeline.flows import Flow, Flows
from gateway.policy.compile import Compiler
from gateway.policy.document import Destination
from gateway.policy.flow_targets import flow_targets


class InForce:
    """One policy with its contracts, at one time, in nanoseconds since 1970."""

    def __init__(self, compiler: Compiler, now_ns: int) -> None:
        """Raises BadPolicy or BadContract if something does not compile."""
        self.compiler = compiler
        self.policy = compiler.policy
        self.flows = Flows(compiler)
        self.now_ns = now_ns
        self.prober = Prober(compiler, self.flow, now_ns)

    @cached_property
    def recipients(self) -> tuple[NamedRecipient, ...]:
        """All destinations, then all callers of routes."""
        types = self._types_by_destination
        destinations = (
            _destination(name, given, tuple(types.get(name, ()))) for name, given in self.policy.destinations.items()
        )
        return (*destinations, *self._callers())

    def items_to(self, selection: Selection) -> Iterator[tuple[NamedRecipient, str]]:
        """Yield each recipient of a selection with each type of items that leads there."""
        for one in selection.of(self.recipients):
            yield from ((one, item_type) for item_type in one.types)

    def flow(self, recipient: NamedRecipient, type: str) -> Flow:
        """The way of items of a type to a recipient. Raises as `Flows.only`."""
        if recipient.caller_terms is None:
            return self.flows.only(type, recipient.name)
        return self.flows.at(type, recipient.caller_terms, MAX_ITEM_BYTES)

    @cached_property
    def _types_by_destination(self) -> dict[str, dict[str, None]]:
        found: dict[str, dict[str, None]] = {}
        for item_type, name in flow_targets(self.compiler):
            found.setdefault(name, {})[item_type] = None
        for index, method in self.compiler.method_table.route_methods():
            found.setdefault(self.policy.routes[index].destination, {})[method.request] = None
        return found

    def _callers(self) -> Iterator[NamedRecipient]:
        answers: dict[int, dict[str, None]] = {}
        for index, method in self.compiler.method_table.route_methods():
            answers.setdefault(index, {})[method.response] = None
        for index, route in enumerate(self.policy.routes):
            for name, caller in route.callers.items():
                yield NamedRecipient(
                    name,
                    ("routes", index, "callers", name),
                    Recipient.SERVICE,
                    caller.region,
                    self.policy.destinations[route.destination].purpose,
                    caller.allow,
                    tuple(answers.get(index, ())),
                    metadata=caller.metadata,
                    caller_terms=self.compiler.caller_terms(name, caller),
                )


def _destination(name: str, given: Destination, types: tuple[str, ...]) -> NamedRecipient:
    return NamedRecipient(
        name,
        ("destinations", name),
        given.recipient,
        given.region,
        given.purpose,
        given.allow,
        types,
        given.legal_basis,
        given.retention,
        given.metadata,
    )
