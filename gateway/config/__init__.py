"""How one gateway runs: its listeners, its files, its limits. YAML and environment in, one frozen struct out.

What data may go where is the policy's; the environment can't touch that. `document.py` holds the keys, `reading.py`
reads them, `checks.py` says what can't be together.
"""

from __future__ import annotations

from gateway.config.document import (
    DEFAULT_STATE_FOLDER,
    DNS_NAME,
    SPIFFE_ID,
    Config,
    Delivery,
    HashSecret,
    Health,
    Http,
    Hub,
    Inbound,
    Listeners,
    Local,
    LocalHttp,
    Log,
    Outbound,
    Outbox,
    Reload,
    Stop,
    Telemetry,
    Tls,
    Traces,
)
from gateway.config.reading import ENV_PREFIX, load, read

__all__ = [
    "DEFAULT_STATE_FOLDER",
    "DNS_NAME",
    "ENV_PREFIX",
    "SPIFFE_ID",
    "Config",
    "Delivery",
    "HashSecret",
    "Health",
    "Http",
    "Hub",
    "Inbound",
    "Listeners",
    "Local",
    "LocalHttp",
    "Log",
    "Outbound",
    "Outbox",
    "Reload",
    "Stop",
    "Telemetry",
    "Tls",
    "Traces",
    "load",
    "read",
]
