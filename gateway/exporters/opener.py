"""What exporter the settings of each kind make."""

from __future__ import annotations

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
from gateway.exporters.jsonl.rotating_file import RotationSettings
from gateway.exporters.jsonl.settings import STDOUT_PATH, JsonlSettings
from gateway.exporters.mixpanel.exporter import MixpanelExporter
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.null.exporter import NullExporter
from gateway.exporters.null.settings import NullSettings
from gateway.exporters.otlp.exporter import OtlpExporter
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.exporters.registry import ExporterSettings, VendorSettings
from gateway.exporters.segment.exporter import SegmentExporter
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import EndpointSettings
from gateway.exporters.webhook.exporter import WebhookExporter
from gateway.exporters.webhook.settings import WebhookSettings
from gateway.exporters.zendesk.exporter import ZendeskExporter
from gateway.exporters.zendesk.settings import ZendeskSettings


class ExporterSpec(msgspec.Struct, frozen=True):
    """An exporter that is to be opened: that of a destination, as the policy says at `key`.

    Files are kept for `retention`; items are of types of `contract`.
    """

    destination: str
    settings: ExporterSettings
    retention: timedelta
    contract: Contract
    key: str

    @property
    def rotation(self) -> RotationSettings:
        """How its file is kept, if it has one."""
        if isinstance(self.settings, JsonlSettings):
            return RotationSettings(self.settings.max_bytes, self.settings.backups, self.retention)
        return RotationSettings(0, None, timedelta(0))

    @property
    def item_contract(self) -> Contract | None:
        """The contract, if the exporter reads items by it."""
        return None if isinstance(self.settings, OtlpSettings | NullSettings) else self.contract

    def ca_bytes(self) -> bytes | None:
        """What the file of certificates says that the exporter trusts. Raises BadConfig."""
        path = self.settings.ca if isinstance(self.settings, EndpointSettings) else None
        return None if path is None else read_pem(path, f"{self.key}.ca")


class ExporterOpener:
    """Opens exporters, each file once."""

    def __init__(self, state: Path, http: HttpClient, insecure_loopback: bool) -> None:
        """`state` is the folder of exporters' files; `insecure_loopback`: OTLP may go to loopback in plaintext."""
        self._state = state
        self._http = http
        self._insecure_loopback = insecure_loopback
        self._files = OpenFiles()

    def open(self, spec: ExporterSpec) -> Exporter:
        """Open an exporter. Blocks. Raises BadConfig, naming the key."""
        settings = spec.settings
        match settings:
            case JsonlSettings():
                return JsonlExporter(self._line_writer(settings, spec), spec.contract.message_class)
            case OtlpSettings():
                return self._otlp_exporter(settings, spec.key)
            case NullSettings():
                return NullExporter()
        return self._vendor_exporter(settings, spec)

    def check(self, spec: ExporterSpec) -> None:
        """Raise BadConfig where `open` would. Files are looked at, neither made nor locked."""
        spec.ca_bytes()
        if isinstance(spec.settings, JsonlSettings):
            self._writable_path(spec.settings, spec)
        else:
            self.open(spec)

    def _vendor_exporter(self, settings: VendorSettings, spec: ExporterSpec) -> Exporter:
        message_class, key = spec.contract.message_class, spec.key
        match settings:
            case SegmentSettings():
                return SegmentExporter(self._http, settings, message_class, key)
            case MixpanelSettings():
                return MixpanelExporter(self._http, settings, message_class, key)
            case ZendeskSettings():
                return ZendeskExporter(self._http, settings, message_class, key)
            case WebhookSettings():
                return WebhookExporter(self._http, settings, message_class, key)

    def _otlp_exporter(self, settings: OtlpSettings, key: str) -> OtlpExporter:
        if urlsplit(settings.endpoint).scheme == "http" and not self._insecure_loopback:
            raise BadConfig(f"{key}.endpoint: is plain http, which needs `insecure_loopback: true`")
        try:
            return OtlpExporter(
                settings.endpoint, compression=settings.compression, timeout=settings.timeout, ca=settings.ca
            )
        except BadConfig as error:
            raise BadConfig(f"{key}.{error}") from None

    def _line_writer(self, settings: JsonlSettings, spec: ExporterSpec) -> LineWriter:
        path = self._writable_path(settings, spec)
        if path is not None:
            return self._files.acquire(path, spec.rotation, f"{spec.key}.path: ")
        lines = LineWriter(STDOUT)
        lines.acquire()
        return lines

    def _writable_path(self, settings: JsonlSettings, spec: ExporterSpec) -> Path | None:
        """The path of an exporter's file; None for standard output. Raises BadConfig if it can't be written."""
        path = resolve_path(self._state, spec.destination, settings, spec.key)
        if path == STDOUT_PATH:
            return None
        check_writable(Path(path), self._state, f"{spec.key}.path")
        return Path(path)
