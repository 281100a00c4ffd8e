"""What a policy leads where: which types feed which destinations; and which types are not the gateway's own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from google.protobuf.descriptor import FieldDescriptor

from gateway.contracts.builtin import builtin_files
from gateway.contracts.contract import Contract
from gateway.otlp.signals import BY_FLOW
from gateway.policy.compile import Compiler
from gateway.policy.document import Metadata, Policy
from gateway.policy.fields import message_of_values

IMPORTED_FOLDERS: Final = ("google/", "buf/", "validate/", "protoc-gen-openapiv2/", "gogoproto/", "opentelemetry/")
"""Folders of files that contracts import, and that nobody's own messages are in."""


def flow_targets(compiler: Compiler) -> tuple[tuple[str, str], ...]:
    """The item types and destinations of all flows, each pair once. Raises BadPolicy."""
    found = (
        (compiler.item_type(flow), destination)
        for flow, destinations in compiler.flows.items()
        for destination in destinations
    )
    return tuple(dict.fromkeys(found))


def method_targets(compiler: Compiler) -> frozenset[tuple[str, str]]:
    """Each method, message type or signal that flows, with each of its destinations.

    A method's own flow goes before its service's.
    """
    flows = compiler.flows
    found: set[tuple[str, str]] = set()
    for flow, destinations in flows.items():
        service, _, method = flow.partition("/")
        whole = method == "*" and flow not in BY_FLOW
        names = [name for name in methods(compiler.contract, service) if name not in flows] if whole else [flow]
        found |= {(name, destination) for name in names for destination in destinations}
    return frozenset(found)


def absent_targets(compiler: Compiler) -> frozenset[tuple[str, str]]:
    """The same of the flows of other contracts' types."""
    names = (one.name for one in compiler.absent if one.keys[0] == "flows")
    return frozenset((name, destination) for name in names for destination in compiler.full_policy.flows[name])


def methods(contract: Contract, service: str) -> tuple[str, ...]:
    """The methods of a service, as `pkg.Service/Method`. Raises KeyError."""
    return tuple(f"{service}/{method.name}" for method in contract.pool.FindServiceByName(service).methods)


def contract_types(contract: Contract) -> tuple[str, ...]:
    """The message types that neither the gateway, OTLP nor protobuf brings, sorted."""
    return tuple(name for name in contract.messages if contract.message(name).file.name not in _builtin_file_names())


def own_fields(compiler: Compiler) -> Iterator[FieldDescriptor]:
    """Yield the fields that somebody here can fix.

    Those of types that were brought, and those that the policy classifies.
    """
    theirs, overlaid = _own_types(compiler.contract), compiler.policy.classifications
    for name in compiler.contract.messages:
        fields = compiler.contract.fields(compiler.contract.message(name))
        yield from fields if name in theirs else (field for field in fields if field.full_name in overlaid)


def _own_types(contract: Contract) -> frozenset[str]:
    """The message types that were brought, but for those of imports that nobody's own messages hold.

    Options and the like.
    """
    types = [contract.message(name) for name in contract_types(contract)]
    found = {message.full_name for message in types if not message.file.name.startswith(IMPORTED_FOLDERS)}
    waiting = list(found)
    while waiting:
        below = {
            target.full_name
            for field in contract.fields(contract.message(waiting.pop()))
            if (target := message_of_values(field)) is not None
        }
        waiting += below - found
        found |= below
    return frozenset(found) & frozenset(message.full_name for message in types)


def metadata_sections(policy: Policy) -> Iterator[tuple[tuple[str | int, ...], Metadata]]:
    """Yield all metadata that the policy speaks of, and where."""
    for name, destination in policy.destinations.items():
        yield ("destinations", name, "metadata"), destination.metadata
    for index, route in enumerate(policy.routes):
        yield from (
            (("routes", index, "callers", name, "metadata"), caller.metadata) for name, caller in route.callers.items()
        )


@cache
def _builtin_file_names() -> frozenset[str]:
    return frozenset(file.name for file in builtin_files())
