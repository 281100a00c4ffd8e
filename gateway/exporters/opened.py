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
from gateway.exporters.file import TAKEN, Keeping
from gateway.exporters.jsonl import Files, Jsonl
from gateway.exporters.lines import STDOUT, Lines
from gateway.exporters.mixpanel import Mixpanel
from gateway.exporters.null import Null
from gateway.exporters.otlp import Otlp
from gateway.exporters.segment import Segment
from gateway.exporters.target import look_at, resolved_target
from gateway.exporters.trust import pem
from gateway.exporters.web import Web
from gateway.exporters.webhook import Webhook
from gateway.exporters.zendesk import Zendesk
from gateway.policy import document, http_exporters, targets
from gateway.yamlfile import NOWHERE, Origin


class Known(msgspec.Struct, frozen=True):
    """An exporter, and what made it.

    What the policy says of it, the certificates that it trusts, the contract that its items are of.
    """

    given: document.Exporter
    ca: bytes | None
    contract: Contract | None
    exporter: Exporter


class Opening(msgspec.Struct, frozen=True):
    """The exporters of a policy, by destination, before they are in use. `known` tells how they were made."""

    exporters: Mapping[str, Exporter]
    known: Mapping[str, Known] = {}
    fresh: frozenset[str] = frozenset()
    """Those that were not in use before."""
    keeping: Mapping[str, Keeping] = {}
    """How files are to be kept."""


class Opened:
    """Opens exporters. Who uses them closes them, also those that a change of policy leaves without use."""

    def __init__(self, state: Path, web: Web, insecure_loopback: bool) -> None:
        """`state` is the folder of embedded exporters' files, `web` the way out over HTTP, whose opener closes it.

        `insecure_loopback`: OTLP may go to loopback in plaintext; of HTTP `web` knows.
        """
        self._state = state
        self._web = web
        self._insecure_loopback = insecure_loopback
        self._files = Files()
        self._open: Mapping[str, Known] = {}

    def open(self, policy: document.Policy, contract: Contract, origin: Origin = NOWHERE) -> Opening:
        """The exporter of each destination that a flow feeds.

        Those in use notice nothing. Blocks: use it from a thread, one at a time.

        `origin` tells the policy's lines. Raises BadConfig, with a line for each fault, and then none is left open that
        wasn't.
        """
        fed = _fed(policy)
        keeping = {name: _keeping(policy.destinations[name]) for name in fed}
        found: dict[str, Known] = {}
        faults: list[str] = []
        for name in fed:
            try:
                found[name] = self._known(
                    name, policy.destinations[name].exporter, contract, keeping[name], _key(origin, name)
                )
            except BadConfig as error:
                faults.append(str(error))
        faults += _shared(found, origin)
        if faults:
            self.discard(Opening({}, found, self._fresh(found)))
            raise BadConfig("\n".join(faults))
        return Opening({name: known.exporter for name, known in found.items()}, found, self._fresh(found), keeping)

    def faults(self, policy: document.Policy, contract: Contract, origin: Origin = NOWHERE) -> Iterator[str]:
        """Yield why `open` would fail, with a line for each fault. Files are looked at, neither made nor locked."""
        for name in _fed(policy):
            given, key = policy.destinations[name].exporter, _key(origin, name)
            try:
                _ca(given, f"{key}.ca")
                if isinstance(given, document.JsonlExporter):
                    path = resolved_target(self._state, name, given, key)
                    if path != targets.STDOUT:
                        look_at(Path(path), self._state, f"{key}.path")
                else:
                    self._opened(name, given, contract, _keeping(policy.destinations[name]), key)
            except BadConfig as error:
                yield str(error)

    def adopt(self, opening: Opening) -> Mapping[str, Exporter]:
        """Know these from now on, and keep their files as the policy says. Raises nothing."""
        self._open = opening.known
        for name, known in opening.known.items():
            if isinstance(known.exporter, Jsonl) and known.exporter.lines.sink is not STDOUT:
                known.exporter.keep(opening.keeping[name])
        return opening.exporters

    def discard(self, opening: Opening) -> None:
        """Let go of what was opened in vain. What has sent nothing yet holds nothing but its file."""
        for name in opening.fresh:
            exporter = opening.known[name].exporter
            if isinstance(exporter, Jsonl):
                exporter.let_go()

    def _fresh(self, found: Mapping[str, Known]) -> frozenset[str]:
        return frozenset(name for name, known in found.items() if known is not self._open.get(name))

    def _known(self, name: str, given: document.Exporter, contract: Contract, keeping: Keeping, key: str) -> Known:
        ca = _ca(given, f"{key}.ca")
        draws = None if isinstance(given, document.OtlpExporter | document.NullExporter) else contract
        known = self._open.get(name)
        if known is not None and (known.given, known.ca) == (given, ca) and _alike(known.contract, draws):
            return known
        return Known(given, ca, draws, self._opened(name, given, contract, keeping, key))

    def _opened(self, name: str, given: document.Exporter, contract: Contract, keeping: Keeping, key: str) -> Exporter:
        match given:
            case document.JsonlExporter():
                return Jsonl(self._lines(name, given, keeping, key), contract.message_class)
            case document.OtlpExporter():
                if urlsplit(given.endpoint).scheme == "http" and not self._insecure_loopback:
                    raise BadConfig(f"{key}.endpoint: is plain http, which needs --insecure-loopback")
                return _otlp(given, key)
            case document.NullExporter():
                return Null()
        return self._opened_over_http(given, contract, key)

    def _lines(self, name: str, given: document.JsonlExporter, keeping: Keeping, key: str) -> Lines:
        path = resolved_target(self._state, name, given, key)
        if path != targets.STDOUT:
            look_at(Path(path), self._state, f"{key}.path")
            return self._files.held(Path(path), keeping, f"{key}.path: ")
        lines = Lines(STDOUT)
        lines.hold()
        return lines

    def _opened_over_http(self, given: http_exporters.HttpExporter, contract: Contract, key: str) -> Exporter:
        match given:
            case http_exporters.SegmentExporter():
                return Segment(self._web, given, contract.message_class, key)
            case http_exporters.MixpanelExporter():
                return Mixpanel(self._web, given, contract.message_class, key)
            case http_exporters.ZendeskExporter():
                return Zendesk(self._web, given, contract.message_class, key)
            case http_exporters.WebhookExporter():
                return Webhook(self._web, given, contract.message_class, key)


def _keeping(destination: document.Destination) -> Keeping:
    given = destination.exporter
    if isinstance(given, document.JsonlExporter):
        return Keeping(given.max_bytes, given.backups, destination.retention)
    return Keeping(0, None, timedelta(0))


def _fed(policy: document.Policy) -> list[str]:
    """The destinations that a flow feeds."""
    return sorted({name for names in policy.flows.values() for name in names})


def _key(origin: Origin, name: str) -> str:
    """Where the policy speaks of the exporter of a destination."""
    return origin.at("destinations", name, "exporter")


def _otlp(given: document.OtlpExporter, key: str) -> Otlp:
    try:
        return Otlp(given.endpoint, compression=given.compression, timeout=given.timeout, ca=given.ca)
    except BadConfig as error:
        raise BadConfig(f"{key}.{error}") from None


def _shared(found: Mapping[str, Known], origin: Origin) -> Iterator[str]:
    """Yield what is wrong where two destinations have one file."""
    taken: set[int] = set()
    for name, known in found.items():
        if isinstance(known.exporter, Jsonl) and known.exporter.lines.sink is not STDOUT:
            lines = id(known.exporter.lines)
            if lines in taken:
                yield f"{_key(origin, name)}.path: {TAKEN}"
            taken.add(lines)


def _ca(given: document.Exporter, key: str) -> bytes | None:
    """What the file of certificates says that an exporter trusts. Raises BadConfig, naming `key`."""
    path = getattr(given, "ca", None)
    return None if path is None else pem(path, key)


def _alike(old: Contract | None, new: Contract | None) -> bool:
    """Whether items are drawn alike: by equal descriptors."""
    return old is new or (old is not None and new is not None and old.files == new.files)
