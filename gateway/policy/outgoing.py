"""What must hold of an exporter that sends over HTTP: its credentials are elsewhere, and its templates fit the vendor and the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor

from gateway.contracts.contract import Contract
from gateway.policy.document import Exporter
from gateway.policy.http_exporters import HttpExporter, Mapped, Secret, ZendeskExporter
from gateway.policy.mapping import misled, misspelt, sort_of
from gateway.policy.residency import Fault
from gateway.policy.vendors import SHAPES, Shape, misplaced

ONE_PLACE: Final = "must say one of env and file"
ONE_WAY: Final = "must say oauth, or email and token"


def secrets(exporter: HttpExporter) -> Mapping[str, Secret]:
    """Where each of its credentials is, by its key."""
    named = {name: getattr(exporter, name) for name in exporter.__struct_fields__}
    return {name: given for name, given in named.items() if isinstance(given, Secret)}


def faults(keys: tuple[str, ...], exporter: Exporter) -> Iterator[Fault]:
    """What can't be in the exporter that stands at `keys`, whatever the contract says."""
    if isinstance(exporter, HttpExporter):
        for name, given in secrets(exporter).items():
            if (given.env is None) == (given.file is None):
                yield (*keys, name), ONE_PLACE
    if isinstance(exporter, ZendeskExporter) and set(secrets(exporter)) not in ({"oauth"}, {"email", "token"}):
        yield keys, ONE_WAY
    if isinstance(exporter, Mapped):
        yield from _faults_of_items((*keys, "items"), exporter)


def _faults_of_items(keys: tuple[str, ...], exporter: Mapped) -> Iterator[Fault]:
    for name, template in exporter.items.items():
        if wrong := misplaced(str(exporter.__struct_config__.tag), template):
            yield (*keys, name, *wrong[0]), wrong[1]
        yield from (((*keys, name, *at), text) for at, text in misspelt(template))


def misfits(exporter: Exporter, type: str, contract: Contract) -> Iterator[Fault]:
    """What keeps items of a type from going to an exporter: the keys, from the exporter's, and why."""
    if not isinstance(exporter, Mapped):
        return
    if type not in exporter.items:
        yield ("items",), f"has no entry for {type}, which a flow leads here"
    for name, template in exporter.items.items():
        if name not in contract.messages:
            yield ("items", name), "no contract has a message type of this name"
            continue
        message = contract.message(name)
        astray = list(misled(template, message)) or _missorted(template, SHAPES[str(exporter.__struct_config__.tag)], message)
        yield from ((("items", name, *at), text) for at, text in astray)


def _missorted(tree: Mapping[str, Any], shape: Shape, message: Descriptor) -> Iterator[Fault]:
    """Where a vendor's field would get a value of another sort than it has."""
    for field, value in tree.items():
        sort, wanted = sort_of(value, message), shape.fields[field]
        if sort not in wanted:
            yield (field,), f"must be {' or '.join(map(_a, wanted))}, and would be {_a(sort)}"
        elif field in shape.inner:
            yield from (((field, *at), text) for at, text in _missorted(value, shape.inner[field], message))


def _a(sort: str) -> str:
    return f"an {sort}" if sort == "object" else f"a {sort}"
