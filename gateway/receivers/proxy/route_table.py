"""The route table in force: for each call that may pass, its compiled route and the connection that it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from gateway.model import FieldPrivacy
from gateway.plan import MethodPlan
from gateway.policy.document import Mode, Route, TrafficDirection
from gateway.policy.method_table import MethodTable
from gateway.receivers.proxy.compiled_routes import CompiledRoute, CompiledRoutes
from gateway.receivers.proxy.relay import relay_of
from gateway.receivers.proxy.upstream import Target, Upstream, Upstreams


class BoundRoute:
    """A compiled route with its connection.

    `classifications` are those by which all messages of its policy are minimised.
    """

    def __init__(
        self,
        compiled: CompiledRoute,
        route: Route,
        upstream: Upstream,
        classifications: Mapping[str, FieldPrivacy],
    ) -> None:
        self.compiled = compiled
        self.classifications = classifications
        self.route = route
        self.shadow = route.mode is Mode.SHADOW
        self.upstream = upstream
        self.relay = relay_of(compiled.method, upstream.channel, route)

    def covers(self, earlier: BoundRoute) -> bool:
        """Return whether all that passes by an earlier one passes by this one too, to the same upstream."""
        now, then = self.compiled, earlier.compiled
        if (
            now.method != then.method
            or _upstream_key(self.route) != _upstream_key(earlier.route)
            or self.route.max_message_bytes < earlier.route.max_message_bytes
        ):
            return False
        if self.shadow or earlier.shadow:
            return self.shadow
        # A status may hold details of any type: of classifications, none may have changed.
        kept = (
            self.classifications is earlier.classifications
            or earlier.classifications.items() <= self.classifications.items()
        )
        return (
            kept and now.request_policy.covers(then.request_policy) and now.response_policy.covers(then.response_policy)
        )


def _upstream_key(route: Route) -> tuple[object, ...]:
    return route.upstream, route.authority, route.local


class MethodRoutes:
    """The bound routes of one method, by authority and caller."""

    def __init__(self, plan: MethodPlan) -> None:
        self.streams = plan.streams
        self.by_authority: dict[str, dict[str, BoundRoute]] = {}


class RouteTable:
    """All bound routes: a snapshot, which a call keeps to its end."""

    def __init__(
        self,
        compiled_routes: CompiledRoutes,
        upstreams: Upstreams,
        generation: int,
        directions: Collection[TrafficDirection],
    ) -> None:
        """Open the channels that aren't open yet, with TLS material of a generation. `targets` are those in use.

        Routes of other directions than these carry nothing: their listeners are off.
        """
        table = compiled_routes.table
        self.targets = [Target.of(route, generation) for route in table.routes if route.listener in directions]
        self.methods = {direction: _methods(table, direction) for direction in directions}
        """The methods that each listener serves, by path."""
        self.authorities = {direction: frozenset(table.route_indices.get(direction, ())) for direction in directions}
        """The authorities that each listener has routes for."""
        for compiled in compiled_routes.routes:
            route = table.routes[compiled.route_index]
            if route.listener in directions:
                callers = self.methods[route.listener][compiled.method.path].by_authority[compiled.authority]
                upstream = upstreams.of(Target.of(route, generation))
                callers[compiled.caller] = BoundRoute(compiled, route, upstream, compiled_routes.classifications)

    def allows(self, earlier: BoundRoute) -> bool:
        """Return whether a call may go on by the bound route of an earlier moment.

        One of now lets all of it pass too, to the same upstream.
        """
        compiled = earlier.compiled
        method = self.methods[earlier.route.listener].get(compiled.method.path)
        now = None if method is None else method.by_authority.get(compiled.authority, {}).get(compiled.caller)
        return now is not None and now.covers(earlier)


def _methods(table: MethodTable, direction: TrafficDirection) -> Mapping[str, MethodRoutes]:
    """Return the methods of a listener, without bound routes: where a route names no caller, there are none."""
    found: dict[str, MethodRoutes] = {}
    for authority, paths in table.route_indices.get(direction, {}).items():
        for path in paths:
            found.setdefault(path, MethodRoutes(table.methods[path])).by_authority[authority] = {}
    return found
