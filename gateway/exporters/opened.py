"""The exporters of a policy's destinations, opened as the policy says, and kept over its changes where it says nothing else of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.errors import BadConfig
from gateway.exporters.base import Exporter, MessageClass
from gateway.exporters.gathered import Bounds, Gathered
from gateway.exporters.jsonl import Jsonl
from gateway.exporters.null import Null
from gateway.exporters.otlp import REQUEST_BYTES, Otlp
from gateway.policy import document

Wanted = tuple[str, document.Exporter]
"""A destination and what the policy says of its exporter."""


class Opened:
    """Opens exporters. Who uses them closes them: see `Direct.replace`."""

    def __init__(self, state: Path, message_class: MessageClass) -> None:
        """`state` is the folder of embedded exporters' files."""
        self._state = state
        self._message_class = message_class
        self._open: dict[Wanted, Exporter] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, policy: document.Policy) -> Mapping[str, Exporter]:
        """The exporter of each destination that a flow feeds. Raises BadConfig, and then none is left open that wasn't."""
        fed = sorted({name for names in policy.flows.values() for name in names})
        found: dict[Wanted, Exporter] = {}
        try:
            for name in fed:
                wanted = (name, policy.destinations[name].exporter)
                found[wanted] = self._open[wanted] if wanted in self._open else self._opened(*wanted)
        except BadConfig:
            self._close(exporter for wanted, exporter in found.items() if wanted not in self._open)
            raise
        self._open = found
        return {name: exporter for (name, _), exporter in found.items()}

    def _opened(self, name: str, given: document.Exporter) -> Exporter:
        match given:
            case document.JsonlExporter():
                path = given.path if given.path == "-" else str(self._state / (given.path or f"{name}.jsonl"))
                return Jsonl(path, self._message_class, max_bytes=given.max_bytes, backups=given.backups)
            case document.OtlpExporter():
                otlp = Otlp(given.endpoint, compression=given.compression, timeout=given.timeout, ca=given.ca)
                return Gathered(otlp, Bounds(bytes=REQUEST_BYTES))
            case document.NullExporter():
                return Null()

    def _close(self, exporters: Iterable[Exporter]) -> None:
        for exporter in exporters:
            task = asyncio.create_task(exporter.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
