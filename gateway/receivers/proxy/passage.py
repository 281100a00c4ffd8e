"""The route table, ready to run.

For each call that may pass, how its messages and the rest of it are minimised, and where it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import grpc
import msgspec

from gateway.model import FieldPrivacy
from gateway.pipeline.envelope import Envelope
from gateway.pipeline.flows import Flow, Flows
from gateway.plan import EnvelopePlan, MethodPlan, Plan, Streams, SubjectPlan
from gateway.policy.covers import covers, covers_envelope, covers_subject, covers_terms
from gateway.policy.document import Metadata, Mode, Route, TrafficDirection
from gateway.policy.envelope import envelope_plan
from gateway.policy.method_table import MethodTable
from gateway.policy.rules import RecipientTerms
from gateway.receivers.proxy.core import UnaryUnary
from gateway.receivers.proxy.upstream import Target, Upstream, Upstreams

CALLS: Final[Mapping[Streams, Callable[[grpc.aio.Channel, str], Callable[..., Any]]]] = {
    (False, False): UnaryUnary,
    (False, True): lambda channel, path: channel.unary_stream(path),
    (True, False): lambda channel, path: channel.stream_unary(path),
    (True, True): lambda channel, path: channel.stream_stream(path),
}
"""How a method of each kind is called on a channel."""


class _Terms(msgspec.Struct, frozen=True):
    """What one direction of a call goes by, apart from its envelope."""

    plan: Plan
    subject: SubjectPlan
    site: RecipientTerms


class Way:
    """One direction of a call: its messages and its envelope, for one recipient."""

    def __init__(self, flows: Flows, flow: Flow, held: Plan, site: RecipientTerms, plan: EnvelopePlan) -> None:
        """`held` is the plan that the flow minimises by."""
        self.flow = flow
        (self.digest,) = flow.digests
        self._terms = _Terms(held, flows.compiler.subject(held.type), site)
        self.envelope = Envelope(plan, flows.details(site).of)
        self.projector = flows.compiler.projector_for(site)

    def covers(self, then: Way) -> bool:
        """Whether all that passed by an earlier one passes by this one too."""
        now, was = self._terms, then._terms
        same = covers_subject(now.subject, was.subject) and (self.digest == then.digest or covers(now.plan, was.plan))
        return same and covers_terms(now.site, was.site) and covers_envelope(self.envelope.plan, then.envelope.plan)


class Course(msgspec.Struct, frozen=True):
    """Calls of one method by one caller over one route, but for the connection that they take."""

    route: int
    method: MethodPlan
    authority: str
    caller: str
    out: Way
    back: Way


class Courses:
    """All courses of one policy over one contract. Compiling takes a while: it may be done in a thread."""

    def __init__(self, flows: Flows) -> None:
        """Raises BadPolicy or BadContract."""
        self._flows = flows
        self.table = flows.compiler.method_table
        self.classes = flows.compiler.classifications
        self.courses = tuple(self._all())

    def _all(self) -> Iterator[Course]:
        for authorities in self.table.route_indices.values():
            for authority, paths in authorities.items():
                for path, index in paths.items():
                    yield from self._of_method(index, authority, self.table.methods[path])

    def _of_method(self, index: int, authority: str, method: MethodPlan) -> Iterator[Course]:
        route, compiler = self.table.routes[index], self._flows.compiler
        to = compiler.terms(route.destination)
        metadata, outs = compiler.policy.destinations[route.destination].metadata, dict[int, Way]()
        for name, caller in route.callers.items():
            reader = compiler.caller_terms(name, caller)
            # Callers share the way there, unless a read mask asks for what only some of them may have.
            plan = id(compiler.plan_for(method.request, to, reader=reader))
            if plan not in outs:
                outs[plan] = self._way(method.request, to, metadata, route, reader)
            back = self._way(method.response, reader, caller.metadata, route)
            yield Course(index, method, authority, name, outs[plan], back)

    def _way(
        self, type: str, site: RecipientTerms, metadata: Metadata, route: Route, reader: RecipientTerms | None = None
    ) -> Way:
        """`reader` is who gets the answer to what goes this way."""
        flow = self._flows.at(type, site, route.max_message_bytes, reader)
        held = self._flows.compiler.plan_for(type, site, reader=reader)
        return Way(self._flows, flow, held, site, envelope_plan(metadata, site))


class Passage:
    """A course with its connection.

    `classes` are the classifications by which all of its policy's messages are minimised.
    """

    def __init__(self, course: Course, route: Route, upstream: Upstream, classes: Mapping[str, FieldPrivacy]) -> None:
        self.course = course
        self.classes = classes
        self.route = route
        self.caller = course.caller
        self.out = course.out
        self.back = course.back
        self.shadow = route.mode is Mode.SHADOW
        self.timeout = route.timeout
        self.wait_for_ready = route.wait_for_ready
        self.upstream = upstream
        self.call: Callable[..., Any] = CALLS[course.method.streams](upstream.channel, course.method.path)


def _covers(now: Passage, then: Passage) -> bool:
    """Whether all that passes by `then` passes by `now` too, to the same upstream."""
    same = (now.course.method, _upstream(now.route)) == (then.course.method, _upstream(then.route))
    if not same or now.route.max_message_bytes < then.route.max_message_bytes:
        return False
    if now.shadow or then.shadow:
        return now.shadow
    # A status may hold details of any type: of classifications, none may have changed.
    kept = now.classes is then.classes or then.classes.items() <= now.classes.items()
    return kept and now.out.covers(then.out) and now.back.covers(then.back)


def _upstream(route: Route) -> tuple[object, ...]:
    return route.upstream, route.authority, route.local


class Method:
    """The passages of one method, by authority and caller."""

    def __init__(self, plan: MethodPlan) -> None:
        self.plan = plan
        self.passages: dict[str, dict[str, Passage]] = {}


class Routing:
    """All passages: a snapshot, which a call keeps to its end."""

    def __init__(self, courses: Courses, upstreams: Upstreams, generation: int) -> None:
        """Open the channels that aren't open yet, with TLS material of a generation. `targets` are those in use."""
        routes = courses.table.routes
        targets = self.targets = [Target.of(route, generation) for route in routes]
        self.methods = {side: _methods(courses.table, side) for side in TrafficDirection}
        """The methods that each listener serves, by path."""
        self.authorities = {side: frozenset(courses.table.route_indices.get(side, ())) for side in TrafficDirection}
        """The authorities that each listener has routes for."""
        for course in courses.courses:
            route = routes[course.route]
            passages = self.methods[route.listener][course.method.path].passages
            passages[course.authority][course.caller] = Passage(
                course, route, upstreams.of(targets[course.route]), courses.classes
            )

    def lets(self, passage: Passage) -> bool:
        """Whether a call may go on by the passage of an earlier moment.

        One of now lets all of it pass too, to the same upstream.
        """
        method = self.methods[passage.route.listener].get(passage.course.method.path)
        now = None if method is None else method.passages.get(passage.course.authority, {}).get(passage.caller)
        return now is not None and _covers(now, passage)


def _methods(table: MethodTable, side: TrafficDirection) -> Mapping[str, Method]:
    """The methods of a listener, without passages: where a route names no caller, there are none."""
    found: dict[str, Method] = {}
    for authority, paths in table.route_indices.get(side, {}).items():
        for path in paths:
            found.setdefault(path, Method(table.methods[path])).passages[authority] = {}
    return found
