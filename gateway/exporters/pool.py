"""The exporters of a policy's destinations, opened as the policy says, and kept over its changes where it says nothing else of them.

In two steps, so that a policy that can't be put in force leaves everything as it was: first all are opened, then they are adopted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from gateway.contracts.contract import Contract
from gateway.errors import BadConfig
from gateway.exporters.base import Exporter
from gateway.exporters.ca_certificates import read_pem
from gateway.exporters.http_client import HttpClient
from gateway.exporters.jsonl.exporter import JsonlExporter, OpenFiles
from gateway.exporters.jsonl.line_writer import STDOUT, LineWriter
from gateway.exporters.jsonl.path import check_writable, resolve_path
from gateway.exporters.jsonl.rotating_file import FILE_IN_USE, RotationSettings
from gateway.exporters.mixpanel.exporter import MixpanelExporter
from gateway.exporters.null.exporter import NullExporter
from gateway.exporters.otlp.exporter import OtlpExporter
from gateway.exporters.segment.exporter import SegmentExporter
from gateway.exporters.webhook.exporter import WebhookExporter
from gateway.exporters.zendesk.exporter import ZendeskExporter
from gateway.policy import document, http_exporters
from gateway.policy import exporter_files as targets
from gateway.yamlfile import NO_ORIGIN, Origin


class PooledExporter(msgspec.Struct, frozen=True):
    """An exporter, and what made it.

    What the policy says of it, the certificates that it trusts, the contract that its items are of.
    """

    settings: document.ExporterSettings
    ca: bytes | None
    contract: Contract | None
    exporter: Exporter


class OpenedExporters(msgspec.Struct, frozen=True):
    """The exporters of a policy, by destination, before they are in use. `known` tells how they were made."""

    exporters: Mapping[str, Exporter]
    pooled: Mapping[str, PooledExporter] = {}
    new: frozenset[str] = frozenset()
    """Those that were not in use before."""
    rotations: Mapping[str, RotationSettings] = {}
    """How files are to be kept."""


class ExporterPool:
    """Opens exporters. Who uses them closes them, also those that a change of policy leaves without use."""

    def __init__(self, state: Path, web: HttpClient, insecure_loopback: bool) -> None:
        """`state` is the folder of embedded exporters' files, `web` the way out over HTTP, whose opener closes it.

        `insecure_loopback`: OTLP may go to loopback in plaintext; of HTTP `web` knows.
        """
        self._state = state
        self._http = web
        self._insecure_loopback = insecure_loopback
        self._files = OpenFiles()
        self._open: Mapping[str, PooledExporter] = {}

    def open(self, policy: document.Policy, contract: Contract, origin: Origin = NO_ORIGIN) -> OpenedExporters:
        """The exporter of each destination that a flow feeds.

        Those in use notice nothing. Blocks: use it from a thread, one at a time.

        `origin` tells the policy's lines. Raises BadConfig, with a line for each fault, and then none is left open that
        wasn't.
        """
        fed = _fed_destinations(policy)
        keeping = {name: _rotation(policy.destinations[name]) for name in fed}
        found: dict[str, PooledExporter] = {}
        faults: list[str] = []
        for name in fed:
            try:
                found[name] = self._pooled(
                    name, policy.destinations[name].exporter, contract, keeping[name], _key(origin, name)
                )
            except BadConfig as error:
                faults.append(str(error))
        faults += _shared_files(found, origin)
        if faults:
            self.discard(OpenedExporters({}, found, self._new_names(found)))
            raise BadConfig("\n".join(faults))
        return OpenedExporters(
            {name: known.exporter for name, known in found.items()}, found, self._new_names(found), keeping
        )

    def problems(self, policy: document.Policy, contract: Contract, origin: Origin = NO_ORIGIN) -> Iterator[str]:
        """Yield why `open` would fail, with a line for each fault. Files are looked at, neither made nor locked."""
        for name in _fed_destinations(policy):
            given, key = policy.destinations[name].exporter, _key(origin, name)
            try:
                _ca_bytes(given, f"{key}.ca")
                if isinstance(given, document.JsonlSettings):
                    path = resolve_path(self._state, name, given, key)
                    if path != targets.STDOUT_PATH:
                        check_writable(Path(path), self._state, f"{key}.path")
                else:
                    self._open_exporter(name, given, contract, _rotation(policy.destinations[name]), key)
            except BadConfig as error:
                yield str(error)

    def adopt(self, opening: OpenedExporters) -> Mapping[str, Exporter]:
        """Know these from now on, and keep their files as the policy says. Raises nothing."""
        self._open = opening.pooled
        for name, known in opening.pooled.items():
            if isinstance(known.exporter, JsonlExporter) and known.exporter.writer.sink is not STDOUT:
                known.exporter.set_rotation(opening.rotations[name])
        return opening.exporters

    def discard(self, opening: OpenedExporters) -> None:
        """Let go of what was opened in vain. What has sent nothing yet holds nothing but its file."""
        for name in opening.new:
            exporter = opening.pooled[name].exporter
            if isinstance(exporter, JsonlExporter):
                exporter.release()

    def _new_names(self, found: Mapping[str, PooledExporter]) -> frozenset[str]:
        return frozenset(name for name, known in found.items() if known is not self._open.get(name))

    def _pooled(
        self, name: str, given: document.ExporterSettings, contract: Contract, keeping: RotationSettings, key: str
    ) -> PooledExporter:
        ca = _ca_bytes(given, f"{key}.ca")
        draws = None if isinstance(given, document.OtlpSettings | document.NullSettings) else contract
        known = self._open.get(name)
        if known is not None and (known.settings, known.ca) == (given, ca) and _same_descriptors(known.contract, draws):
            return known
        return PooledExporter(given, ca, draws, self._open_exporter(name, given, contract, keeping, key))

    def _open_exporter(
        self, name: str, given: document.ExporterSettings, contract: Contract, keeping: RotationSettings, key: str
    ) -> Exporter:
        match given:
            case document.JsonlSettings():
                return JsonlExporter(self._line_writer(name, given, keeping, key), contract.message_class)
            case document.OtlpSettings():
                if urlsplit(given.endpoint).scheme == "http" and not self._insecure_loopback:
                    raise BadConfig(f"{key}.endpoint: is plain http, which needs --insecure-loopback")
                return _otlp(given, key)
            case document.NullSettings():
                return NullExporter()
        return self._open_http_exporter(given, contract, key)

    def _line_writer(self, name: str, given: document.JsonlSettings, keeping: RotationSettings, key: str) -> LineWriter:
        path = resolve_path(self._state, name, given, key)
        if path != targets.STDOUT_PATH:
            check_writable(Path(path), self._state, f"{key}.path")
            return self._files.acquire(Path(path), keeping, f"{key}.path: ")
        lines = LineWriter(STDOUT)
        lines.acquire()
        return lines

    def _open_http_exporter(self, given: http_exporters.HttpSettings, contract: Contract, key: str) -> Exporter:
        match given:
            case http_exporters.SegmentSettings():
                return SegmentExporter(self._http, given, contract.message_class, key)
            case http_exporters.MixpanelSettings():
                return MixpanelExporter(self._http, given, contract.message_class, key)
            case http_exporters.ZendeskSettings():
                return ZendeskExporter(self._http, given, contract.message_class, key)
            case http_exporters.WebhookSettings():
                return WebhookExporter(self._http, given, contract.message_class, key)


def _rotation(destination: document.Destination) -> RotationSettings:
    given = destination.exporter
    if isinstance(given, document.JsonlSettings):
        return RotationSettings(given.max_bytes, given.backups, destination.retention)
    return RotationSettings(0, None, timedelta(0))


def _fed_destinations(policy: document.Policy) -> list[str]:
    """The destinations that a flow feeds."""
    return sorted({name for names in policy.flows.values() for name in names})


def _key(origin: Origin, name: str) -> str:
    """Where the policy speaks of the exporter of a destination."""
    return origin.at("destinations", name, "exporter")


def _otlp(given: document.OtlpSettings, key: str) -> OtlpExporter:
    try:
        return OtlpExporter(given.endpoint, compression=given.compression, timeout=given.timeout, ca=given.ca)
    except BadConfig as error:
        raise BadConfig(f"{key}.{error}") from None


def _shared_files(found: Mapping[str, PooledExporter], origin: Origin) -> Iterator[str]:
    """Yield what is wrong where two destinations have one file."""
    taken: set[int] = set()
    for name, known in found.items():
        if isinstance(known.exporter, JsonlExporter) and known.exporter.writer.sink is not STDOUT:
            lines = id(known.exporter.writer)
            if lines in taken:
                yield f"{_key(origin, name)}.path: {FILE_IN_USE}"
            taken.add(lines)


def _ca_bytes(given: document.ExporterSettings, key: str) -> bytes | None:
    """What the file of certificates says that an exporter trusts. Raises BadConfig, naming `key`."""
    path = getattr(given, "ca", None)
    return None if path is None else read_pem(path, key)


def _same_descriptors(old: Contract | None, new: Contract | None) -> bool:
    """Whether items are drawn alike: by equal descriptors."""
    return old is new or (old is not None and new is not None and old.files == new.files)
