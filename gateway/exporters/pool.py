"""The exporters of a policy's destinations, opened as the policy says.

They are kept over its changes where it says nothing else of them. In two steps, so that a policy that can't be put in
force leaves everything as it was: first all are opened, then they are adopted. What is opened: `opener.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from gateway.contracts.contract import Contract
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.exporter import JsonlExporter
from gateway.exporters.jsonl.line_writer import STDOUT
from gateway.exporters.jsonl.rotating_file import FILE_IN_USE, RotationSettings
from gateway.exporters.opener import ExporterOpener, ExporterSpec
from gateway.exporters.registry import ExporterSettings
from gateway.policy.document import Policy
from gateway.yamlfile import NO_ORIGIN, Origin


class PooledExporter(msgspec.Struct, frozen=True):
    """An exporter, and what made it.

    What the policy says of it, the certificates that it trusts, the contract that its items are of.
    """

    settings: ExporterSettings
    ca: bytes | None
    contract: Contract | None
    exporter: Exporter

    def is_as(self, spec: ExporterSpec, ca: bytes | None) -> bool:
        """Whether another one, opened now, would be the same: by equal settings, certificates and descriptors."""
        return (self.settings, self.ca) == (spec.settings, ca) and _same_descriptors(self.contract, spec.item_contract)


class OpenedExporters(msgspec.Struct, frozen=True):
    """The exporters of a policy, by destination, before they are in use. `pooled` tells how they were made."""

    exporters: Mapping[str, Exporter]
    pooled: Mapping[str, PooledExporter] = {}
    new: frozenset[str] = frozenset()
    """Those that were not in use before."""
    rotations: Mapping[str, RotationSettings] = {}
    """How files are to be kept."""


class ExporterPool:
    """Opens exporters. Who uses them closes them, also those that a change of policy leaves without use."""

    def __init__(self, state: Path, http: HttpClient, insecure_loopback: bool) -> None:
        """`state` is the folder of embedded exporters' files, `http` the way out over HTTP, whose opener closes it.

        `insecure_loopback`: OTLP may go to loopback in plaintext; of HTTP `http` knows.
        """
        self._opener = ExporterOpener(state, http, insecure_loopback)
        self._open: Mapping[str, PooledExporter] = {}

    def open(self, policy: Policy, contract: Contract, origin: Origin = NO_ORIGIN) -> OpenedExporters:
        """The exporter of each destination that a flow feeds.

        Those in use notice nothing. Blocks: use it from a thread, one at a time.

        `origin` tells the policy's lines. Raises BadConfig, with a line for each problem, and then none is left open
        that wasn't.
        """
        specs = list(_specs(policy, contract, origin))
        pooled: dict[str, PooledExporter] = {}
        problems: list[str] = []
        for spec in specs:
            try:
                pooled[spec.destination] = self._pooled(spec)
            except BadConfig as error:
                problems.append(str(error))
        problems += _shared_files(pooled, origin)
        if problems:
            self.discard(OpenedExporters({}, pooled, self._new_names(pooled)))
            raise BadConfig("\n".join(problems))
        exporters = {name: known.exporter for name, known in pooled.items()}
        rotations = {spec.destination: spec.rotation for spec in specs}
        return OpenedExporters(exporters, pooled, self._new_names(pooled), rotations)

    def problems(self, policy: Policy, contract: Contract, origin: Origin = NO_ORIGIN) -> Iterator[str]:
        """Yield why `open` would fail, with a line for each problem. Files are looked at, neither made nor locked."""
        for spec in _specs(policy, contract, origin):
            try:
                self._opener.check(spec)
            except BadConfig as error:
                yield str(error)

    def adopt(self, exporters: OpenedExporters) -> Mapping[str, Exporter]:
        """Know these from now on, and keep their files as the policy says. Raises nothing."""
        self._open = exporters.pooled
        for name, known in exporters.pooled.items():
            if isinstance(known.exporter, JsonlExporter) and known.exporter.writer.sink is not STDOUT:
                known.exporter.set_rotation(exporters.rotations[name])
        return exporters.exporters

    def discard(self, exporters: OpenedExporters) -> None:
        """Let go of what was opened in vain. What has sent nothing yet holds nothing but its file."""
        for name in exporters.new:
            exporter = exporters.pooled[name].exporter
            if isinstance(exporter, JsonlExporter):
                exporter.release()

    def _new_names(self, pooled: Mapping[str, PooledExporter]) -> frozenset[str]:
        return frozenset(name for name, known in pooled.items() if known is not self._open.get(name))

    def _pooled(self, spec: ExporterSpec) -> PooledExporter:
        ca = spec.ca_bytes()
        known = self._open.get(spec.destination)
        if known is not None and known.is_as(spec, ca):
            return known
        return PooledExporter(spec.settings, ca, spec.item_contract, self._opener.open(spec))


def _specs(policy: Policy, contract: Contract, origin: Origin) -> Iterator[ExporterSpec]:
    """The exporters of the destinations that a flow feeds."""
    for name in sorted({name for names in policy.flows.values() for name in names}):
        destination = policy.destinations[name]
        yield ExporterSpec(name, destination.exporter, destination.retention, contract, _key(origin, name))


def _key(origin: Origin, name: str) -> str:
    """Where the policy speaks of the exporter of a destination."""
    return origin.at("destinations", name, "exporter")


def _shared_files(pooled: Mapping[str, PooledExporter], origin: Origin) -> Iterator[str]:
    """Yield what is wrong where two destinations have one file."""
    taken: set[int] = set()
    for name, known in pooled.items():
        if isinstance(known.exporter, JsonlExporter) and known.exporter.writer.sink is not STDOUT:
            lines = id(known.exporter.writer)
            if lines in taken:
                yield f"{_key(origin, name)}.path: {FILE_IN_USE}"
            taken.add(lines)


def _same_descriptors(old: Contract | None, new: Contract | None) -> bool:
    """Whether items are read alike: by equal descriptors."""
    return old is new or (old is not None and new is not None and old.files == new.files)
