"""The exporters of a policy's destinations, opened as the policy says, and kept over its changes where it says nothing else of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gateway.errors import BadConfig
from gateway.exporters.base import Exporter, MessageClass
from gateway.exporters.jsonl import Jsonl
from gateway.exporters.mixpanel import Mixpanel
from gateway.exporters.null import Null
from gateway.exporters.otlp import Otlp
from gateway.exporters.segment import Segment
from gateway.exporters.target import resolved_target
from gateway.exporters.web import Web
from gateway.exporters.webhook import Webhook
from gateway.exporters.zendesk import Zendesk
from gateway.policy import document, http_exporters

Known = tuple[document.Exporter, Exporter]
"""What the policy says of a destination's exporter, and the exporter."""


class Opened:
    """Opens exporters. Who uses them closes them, also those that a change of policy leaves without use."""

    def __init__(self, state: Path, message_class: MessageClass, web: Web, insecure_loopback: bool) -> None:
        """`state` is the folder of embedded exporters' files, `web` the way out over HTTP, whose opener closes it.

        `insecure_loopback`: OTLP may go to loopback in plaintext; of HTTP `web` knows.
        """
        self._state = state
        self._message_class = message_class
        self._web = web
        self._insecure_loopback = insecure_loopback
        self._open: dict[str, Known] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, policy: document.Policy) -> Mapping[str, Exporter]:
        """The exporter of each destination that a flow feeds. Raises BadConfig, and then none is left open that wasn't."""
        fed = sorted({name for names in policy.flows.values() for name in names})
        found: dict[str, Known] = {}
        try:
            for name in fed:
                found[name] = self._known(name, policy.destinations[name].exporter)
        except BadConfig:
            self._close(exporter for name, (_, exporter) in found.items() if found[name] is not self._open.get(name))
            raise
        self._open = found
        for name, (_, exporter) in found.items():
            if isinstance(exporter, Jsonl):
                exporter.keep(policy.destinations[name].retention)
        return {name: exporter for name, (_, exporter) in found.items()}

    def _known(self, name: str, given: document.Exporter) -> Known:
        known = self._open.get(name)
        return known if known is not None and known[0] == given else (given, self._opened(name, given))

    def _opened(self, name: str, given: document.Exporter) -> Exporter:
        key = f"destinations.{name}.exporter"
        match given:
            case document.JsonlExporter():
                path = resolved_target(self._state, name, given, key)
                return Jsonl(path, self._message_class, max_bytes=given.max_bytes, backups=given.backups)
            case document.OtlpExporter():
                if urlsplit(given.endpoint).scheme == "http" and not self._insecure_loopback:
                    raise BadConfig(f"{key}.endpoint: is plain http, which needs --insecure-loopback")
                return Otlp(given.endpoint, compression=given.compression, timeout=given.timeout, ca=given.ca)
            case document.NullExporter():
                return Null()
        return self._opened_over_http(given, key)

    def _opened_over_http(self, given: http_exporters.HttpExporter, key: str) -> Exporter:
        match given:
            case http_exporters.SegmentExporter():
                return Segment(self._web, given, self._message_class, key)
            case http_exporters.MixpanelExporter():
                return Mixpanel(self._web, given, self._message_class, key)
            case http_exporters.ZendeskExporter():
                return Zendesk(self._web, given, self._message_class, key)
            case http_exporters.WebhookExporter():
                return Webhook(self._web, given, self._message_class, key)

    def _close(self, exporters: Iterable[Exporter]) -> None:
        for exporter in exporters:
            task = asyncio.create_task(exporter.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
