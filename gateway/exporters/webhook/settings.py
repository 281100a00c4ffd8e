"""What the policy says of a webhook."""

from __future__ import annotations

from typing import ClassVar

from gateway.exporters.settings import HttpSettings, Secret
from gateway.yamlfile.bounded import Seconds, Text


class WebhookSettings(HttpSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """JSON, signed as https://www.standardwebhooks.com has it."""

    ENDPOINT_FORM: ClassVar[str] = "https://host/path"

    endpoint: Text
    """`https://host/path`; the host must be listed under `hosts` for the destination's region."""

    secret: Secret
    """Where the signing secret is: `whsec_` and base64 of 24 to 64 bytes."""
    timeout: Seconds = 10.0
    """How long one request may take."""

    ca: Text | None = None
    """A file in PEM that verifies the receiver; without it, or with null, what this machine trusts."""
