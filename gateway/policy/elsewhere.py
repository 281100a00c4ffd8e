"""What a policy says of other contracts' types and services: what of it is about a contract, and what isn't.

A policy may be many services': each has a contract of its own, and the flows, classifications and routes of the others
don't concern it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec

from gateway.contracts.builtin import builtin_files
from gateway.contracts.contract import Contract
from gateway.policy.document import Policy
from gateway.yamlfile import Keys

LIST_UNDER_ELSEWHERE: Final = "if another contract has it, list it under `elsewhere`"
"""What to do about a name that a contract lacks."""

WILDCARD_SUFFIX: Final = ".*"


class AbsentName(msgspec.Struct, frozen=True):
    """What the policy names and the contract lacks.

    `keys` are its place in the policy, `listed` whether `elsewhere` covers it.
    """

    keys: Keys
    name: str
    listed: bool


class ContractNames:
    """The names that a contract defines, and those that the policy says are elsewhere."""

    def __init__(self, contract: Contract, elsewhere: tuple[str, ...]) -> None:
        names = frozenset(_names(contract))
        self._known = names | contract.messages
        self._above = above = {prefix for name in names for prefix in _prefixes(name)}
        bases = (entry.removesuffix(WILDCARD_SUFFIX) for entry in elsewhere)
        # Where a contract has something of a package, the package isn't elsewhere: a name that is missing there is a
        # typo.
        self._elsewhere = frozenset(
            base for base in bases if base not in above | names and names.isdisjoint(_prefixes(base))
        )

    def may_be_elsewhere(self, name: str) -> bool:
        """Whether another contract may have a type of this name: it is none here, nor within one, nor a package."""
        known = name in self._known or not self._known.isdisjoint(_prefixes(name))
        return not known and name not in self._above and not is_builtin(name)

    def is_elsewhere(self, name: str) -> bool:
        """Whether a type, a service or a field of a type is another contract's, by what the policy lists."""
        return not is_builtin(name) and any(base in self._elsewhere for base in (name, *_prefixes(name)))


def split_policy(contract: Contract, policy: Policy) -> tuple[Policy, tuple[AbsentName, ...]]:
    """The part of a policy that is about a contract, and what is absent.

    A flow of an absent type leads nowhere: its items are refused, listed or not. An overlay or a route's method with a
    typo in it would leave a field or a call to what is looser; so those are absent only where they are listed.
    """
    scope = ContractNames(contract, policy.elsewhere)
    absent = (*_flows(scope, policy), *_overlays(scope, policy), *_methods(scope, policy))
    gone = {one.keys[:2] for one in absent}
    flows = {key: names for key, names in policy.flows.items() if ("flows", key) not in gone}
    overlays = {key: given for key, given in policy.classifications.items() if ("classifications", key) not in gone}
    return msgspec.structs.replace(policy, flows=flows, classifications=overlays), absent


def _flows(scope: ContractNames, policy: Policy) -> Iterator[AbsentName]:
    """A key that is no message type's names a signal or one of the gateway's services, which no other contract has."""
    for key in policy.flows:
        if "/" not in key and scope.may_be_elsewhere(key):
            yield AbsentName(("flows", key), key, scope.is_elsewhere(key))


def _overlays(scope: ContractNames, policy: Policy) -> Iterator[AbsentName]:
    for name in policy.classifications:
        if scope.is_elsewhere(name):
            yield AbsentName(("classifications", name), name, listed=True)


def _methods(scope: ContractNames, policy: Policy) -> Iterator[AbsentName]:
    for index, route in enumerate(policy.routes):
        for at, method in enumerate(route.methods):
            if scope.is_elsewhere(method.partition("/")[0]):
                yield AbsentName(("routes", index, "methods", at), method, listed=True)


def is_builtin(name: str) -> bool:
    """Whether a name is in a package that the gateway brings, so that every contract has all of it."""
    return any(prefix in _builtin_packages() for prefix in _prefixes(name))


@cache
def _builtin_packages() -> frozenset[str]:
    return frozenset(file.package for file in builtin_files())


def _names(contract: Contract) -> Iterator[str]:
    """The full names of message types and services that the gateway doesn't bring."""
    brought = _builtin_file_names()
    for file in contract.files.values():
        if file.name not in brought:
            names = (*(one.name for one in file.message_type), *(one.name for one in file.service))
            yield from (".".join(filter(None, (file.package, name))) for name in names)


@cache
def _builtin_file_names() -> frozenset[str]:
    return frozenset(file.name for file in builtin_files())


def _prefixes(name: str) -> Iterator[str]:
    """Yield what a full name begins with, the shortest first: `a`, `a.b` for `a.b.C`."""
    parts = name.split(".")
    yield from (".".join(parts[:count]) for count in range(1, len(parts)))
