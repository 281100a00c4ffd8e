"""The policy's routes, compiled: for each call that may pass, how its messages and the rest of it are minimised.

Connections come later, in `route_table.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from gateway.pipeline.envelope import Envelope
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import EnvelopePlan, MethodPlan, Plan, SubjectPlan
from gateway.policy.covers import covers, covers_envelope, covers_subject, covers_terms
from gateway.policy.document import Metadata, Route
from gateway.policy.envelope import envelope_plan
from gateway.policy.rules import RecipientTerms


class _MessageTerms(msgspec.Struct, frozen=True):
    """What one direction of a call goes by, apart from its envelope."""

    plan: Plan
    subject: SubjectPlan
    recipient: RecipientTerms


class MessagePolicy:
    """One direction of a call: its messages and its envelope, for one recipient."""

    def __init__(self, flows: Flows, flow: Flow, plan: Plan, recipient: RecipientTerms, envelope: EnvelopePlan) -> None:
        """`plan` is the one that the flow minimises by."""
        self.flow = flow
        (self.digest,) = flow.digests
        self._terms = _MessageTerms(plan, flows.compiler.subject(plan.type), recipient)
        self.envelope = Envelope(envelope, flows.details(recipient).of)
        self.projector = flows.compiler.projector_for(plan.type, recipient)

    def covers(self, earlier: MessagePolicy) -> bool:
        """Return whether all that passed by an earlier one passes by this one too."""
        now, then = self._terms, earlier._terms
        same = covers_subject(now.subject, then.subject) and (
            self.digest == earlier.digest or covers(now.plan, then.plan)
        )
        return (
            same
            and covers_terms(now.recipient, then.recipient)
            and covers_envelope(self.envelope.plan, earlier.envelope.plan)
        )


class CompiledRoute(msgspec.Struct, frozen=True):
    """Calls of one method by one caller over the route with an index, but for the connection that they take."""

    route_index: int
    method: MethodPlan
    authority: str
    caller: str
    request_policy: MessagePolicy
    response_policy: MessagePolicy


class CompiledRoutes:
    """All compiled routes of one policy over one contract. Compiling takes a while: it may be done in a thread."""

    def __init__(self, flows: Flows) -> None:
        """Raises BadPolicy or BadContract."""
        self._flows = flows
        self.table = flows.compiler.method_table
        self.classifications = flows.compiler.classifications
        self.routes = tuple(self._compile_all())

    def _compile_all(self) -> Iterator[CompiledRoute]:
        for authorities in self.table.route_indices.values():
            for authority, paths in authorities.items():
                for path, index in paths.items():
                    yield from self._compile_method(index, authority, self.table.methods[path])

    def _compile_method(self, index: int, authority: str, method: MethodPlan) -> Iterator[CompiledRoute]:
        route, compiler = self.table.routes[index], self._flows.compiler
        destination = compiler.terms(route.destination)
        metadata = compiler.policy.destinations[route.destination].metadata
        by_plan: dict[int, MessagePolicy] = {}
        for name, caller in route.callers.items():
            reader = compiler.caller_terms(name, caller)
            # Callers share the policy of requests, unless a read mask asks for what only some of them may have.
            plan = id(compiler.plan_for(method.request, destination, reader=reader))
            if plan not in by_plan:
                by_plan[plan] = self._message_policy(method.request, destination, metadata, route, reader)
            response_policy = self._message_policy(method.response, reader, caller.metadata, route)
            yield CompiledRoute(index, method, authority, name, by_plan[plan], response_policy)

    def _message_policy(
        self,
        type: str,
        recipient: RecipientTerms,
        metadata: Metadata,
        route: Route,
        reader: RecipientTerms | None = None,
    ) -> MessagePolicy:
        """`reader` is who gets the response to these messages."""
        flow = self._flows.at(type, recipient, route.max_message_bytes, reader)
        plan = self._flows.compiler.plan_for(type, recipient, reader=reader)
        envelope = envelope_plan(metadata, self._flows.compiler.terms_for(type, recipient))
        return MessagePolicy(self._flows, flow, plan, recipient, envelope)
