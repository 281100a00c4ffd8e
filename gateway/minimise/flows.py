"""Flows, ready to run: for each call, message type or signal, whom its items are about and who gets what of them."""

from __future__ import annotations

from gateway.errors import Reason, Refused
from gateway.minimise.engine import Minimiser
from gateway.minimise.subject import Reader
from gateway.model import Facts, Verdict
from gateway.policy.compile import Compiler


class Flow:
    """Items of one type on their way to their destinations."""

    def __init__(self, reader: Reader, minimisers: tuple[Minimiser, ...]) -> None:
        self.subject = reader.read
        self._minimisers = minimisers

    def decide(self, raw: bytes, facts: Facts) -> tuple[Verdict, ...]:
        """The verdicts on one item, one for each destination. Raises Refused if any destination's plan refuses it: then none gets it."""
        return tuple([minimiser.decide(raw, facts) for minimiser in self._minimisers])


class Flows:
    """All flows of one policy over one contract: a snapshot, which a call keeps to its end."""

    def __init__(self, compiler: Compiler) -> None:
        """Compile all of them. Raises BadPolicy or BadContract."""
        compiler.plans()
        self.compiler = compiler
        self._minimisers: dict[tuple[str, str], Minimiser] = {}
        self._flows = {key: self._flow(compiler.item_type(key), destinations) for key, destinations in compiler.flows.items()}

    def of(self, key: str) -> Flow:
        """The flow of a key of the policy. Raises Refused."""
        flow = self._flows.get(key)
        if flow is None:
            raise Refused(Reason.UNKNOWN_FLOW)
        return flow

    def of_method(self, service: str, method: str) -> Flow:
        """The flow of a call: its own, else its service's. Raises Refused."""
        return self._flows.get(f"{service}/{method}") or self.of(f"{service}/*")

    def of_type(self, type: str) -> Flow:
        """The flow of a message type. Raises Refused."""
        flow = self._flows.get(type)
        if flow is None:
            raise Refused(Reason.UNKNOWN_FLOW if type in self.compiler.contract.messages else Reason.UNKNOWN_TYPE)
        return flow

    def only(self, type: str, destination: str) -> Flow:
        """A flow to one destination, whatever the policy's flows say. Raises as `minimiser`."""
        return self._flow(type, (destination,))

    def minimiser(self, type: str, destination: str) -> Minimiser:
        """The minimiser of a type at a destination, in a flow or not. Raises KeyError if one is unknown, BadPolicy if none can be made."""
        if (type, destination) not in self._minimisers:
            self._minimisers[type, destination] = Minimiser(self.compiler.plan(type, destination))
        return self._minimisers[type, destination]

    def _flow(self, type: str, destinations: tuple[str, ...]) -> Flow:
        return Flow(Reader(self.compiler.subject(type)), tuple(self.minimiser(type, destination) for destination in destinations))
