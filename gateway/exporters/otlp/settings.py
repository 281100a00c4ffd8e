"""What the policy says of a collector."""

from __future__ import annotations

from typing import ClassVar, Literal

from gateway.exporters.settings import EndpointSettings
from gateway.yamlfile.bounded import Seconds, Text


class OtlpSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="otlp"):
    """OTLP over gRPC, to a collector."""

    ENDPOINT_FORM: ClassVar[str] = "https://host:port"

    endpoint: Text
    """`https://host:port`; on loopback `http://` will do.

    The host must be listed under `hosts` for the destination's region.
    """

    compression: Literal["gzip", "none"] = "gzip"
    """How requests are compressed."""

    timeout: Seconds = 10.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the collector; without it, or with null, what this machine trusts."""
