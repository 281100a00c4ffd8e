"""The kinds of exporters that there are: a vendor is a folder beside this file, and a line in this list.

Pure, as all settings are. Which exporter each makes: `opener.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, get_args

from gateway.exporters.jsonl.settings import JsonlSettings
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.null.settings import NullSettings
from gateway.exporters.otlp.settings import OtlpSettings
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import EndpointSettings, SettingsBase
from gateway.exporters.webhook.settings import WebhookSettings
from gateway.exporters.zendesk.settings import ZendeskSettings

VendorSettings = SegmentSettings | MixpanelSettings | ZendeskSettings | WebhookSettings
"""Those that send over HTTP."""

ExporterSettings = JsonlSettings | OtlpSettings | VendorSettings | NullSettings
"""What a destination's `exporter` is in the policy, and in its JSON Schema."""

KINDS: Final[tuple[type[SettingsBase], ...]] = get_args(ExporterSettings)

REGION_BY_HOST: Final[Mapping[str, str]] = {
    host: region for kind in KINDS if issubclass(kind, EndpointSettings) for host, region in kind.REGION_BY_HOST.items()
}
"""The region of every vendor's host that is known: no policy can say otherwise."""
