"""The route table: which method of which authority goes by which route, as data that any engine can read.

`build_method_table` finds the methods. That their messages compile for those who get them is for `compile.py` to check.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gateway.contracts.contract import Contract
from gateway.plan import MethodPlan
from gateway.policy import elsewhere
from gateway.policy.document import Route, TrafficDirection
from gateway.policy.routes import ALL_METHODS
from gateway.yamlfile import Keys, Origin

GATEWAY_PACKAGES: Final = ("kannelle.privacy.v1", "opentelemetry.proto")
"""Packages whose services the gateway takes itself: a route carries them only where its methods name them."""

MAX_CARRIED_METHODS: Final = 200_000
"""Methods that all routes together may carry, each counted once for each of them."""


class MethodTable(msgspec.Struct, frozen=True):
    """All routes, and what each carries.

    `methods` by path, every one that some route carries; `route_indices` from listener, authority and path to an index
    into `routes`.
    """

    routes: tuple[Route, ...]
    methods: Mapping[str, MethodPlan]
    route_indices: Mapping[TrafficDirection, Mapping[str, Mapping[str, int]]]

    def route_methods(self) -> Iterator[tuple[int, MethodPlan]]:
        """Yield each route's index with each method that it carries."""
        for authorities in self.route_indices.values():
            for paths in authorities.values():
                yield from ((index, self.methods[path]) for path, index in paths.items())

    def keys_of(self, index: int, path: str) -> Keys:
        """Return the keys in the policy by which route `index` carries the method at `path`."""
        methods, name = self.routes[index].methods, path.removeprefix("/")
        found = [methods.index(key) for key in (name, _all_of_service(name)) if key in methods]
        return ("routes", index, "methods", found[0]) if found else ("routes", index)


def build_method_table(
    contract: Contract, routes: tuple[Route, ...], origin: Origin, absent: Collection[Keys] = frozenset()
) -> MethodTable:
    """Return the table of `routes`: an exact method before `pkg.Service/*`, and that before a route without methods.

    `absent` are the methods, by their places in the policy, that other contracts have: they are carried nowhere.
    Raises BadPolicy, with the line in `origin`, if no contract has a method that a route names.
    """
    known = {method.path: method for method in _methods(contract)}
    calls: dict[TrafficDirection, dict[str, dict[str, int]]] = {direction: {} for direction in TrafficDirection}
    of_service = _by_service(known)
    carried = 0
    for key, index, keys in sorted(_claims(routes), key=lambda claim: _precedence(claim[0])):
        paths = (
            of_service.get(key, ())
            if key in (ALL_METHODS, _all_of_service(key))
            else [path for path in (f"/{key}",) if path in known]
        )
        carried += len(paths)
        if carried > MAX_CARRIED_METHODS:
            raise origin.error_at(keys, f"with it, routes carry more than {MAX_CARRIED_METHODS} methods; name fewer")
        if not paths and key != ALL_METHODS and keys not in absent:
            raise origin.error_at(keys, _unknown(key, of_service))
        calls[routes[index].listener].setdefault(routes[index].authority, {}).update(dict.fromkeys(paths, index))
    used = {path for authorities in calls.values() for paths in authorities.values() for path in paths}
    return MethodTable(routes, {path: known[path] for path in sorted(used)}, calls)


def _unknown(key: str, of_service: Container[str]) -> str:
    """Return what is wrong with a method that a route names."""
    if _all_of_service(key) in of_service:
        return "no contract has a method of this name"
    kind = "service" if key == _all_of_service(key) else "method"
    return f"no contract has a {kind} of this name; {elsewhere.LIST_UNDER_ELSEWHERE}"


def _claims(routes: tuple[Route, ...]) -> Iterator[tuple[str, int, Keys]]:
    """Yield each key of a method that a route carries, with the route's index and the key's place in the policy."""
    for index, route in enumerate(routes):
        for at, key in enumerate(route.methods):
            yield key, index, ("routes", index, "methods", at)
        if not route.methods:
            yield ALL_METHODS, index, ("routes", index)


def _precedence(key: str) -> int:
    """Return the order in which claims are entered, each over those before."""
    return 0 if key == ALL_METHODS else 1 if key == _all_of_service(key) else 2


def _all_of_service(method: str) -> str:
    """Return the service of a method, as the policy names all of it."""
    return f"{method.rpartition('/')[0]}/{ALL_METHODS}"


def _by_service(known: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return the paths that `pkg.Service/*` stands for, and by `ALL_METHODS` those of a route without methods."""
    found: dict[str, list[str]] = {ALL_METHODS: []}
    for path in known:
        found.setdefault(_all_of_service(path[1:]), []).append(path)
        if not path[1:].startswith(tuple(f"{package}." for package in GATEWAY_PACKAGES)):
            found[ALL_METHODS].append(path)
    return found


def _methods(contract: Contract) -> Iterator[MethodPlan]:
    """Yield all methods that there are, by path."""
    services = (
        f"{file.package}.{service.name}".lstrip(".") for file in contract.files.values() for service in file.service
    )
    for name in sorted(services):
        for method in contract.pool.FindServiceByName(name).methods:
            types = (method.input_type.full_name, method.output_type.full_name)
            yield MethodPlan(f"/{name}/{method.name}", *types, method.client_streaming, method.server_streaming)
