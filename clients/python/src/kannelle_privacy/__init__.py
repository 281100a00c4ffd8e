"""The way in for a Python service: one connection to the gateway beside it, and a stub for each of its services.

Messages and stubs themselves are generated and live in `kannelle.privacy.v1`.
"""

from __future__ import annotations

from kannelle_privacy.address import DEFAULT_ADDRESS, DEFAULT_OUTBOUND_ADDRESS
from kannelle_privacy.client import Gateway, connect, outbound_channel, pack
from kannelle_privacy.errors import GatewayError, Refused, Unavailable

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_ADDRESS",
    "DEFAULT_OUTBOUND_ADDRESS",
    "Gateway",
    "GatewayError",
    "Refused",
    "Unavailable",
    "connect",
    "outbound_channel",
    "pack",
]
