"""Where the gateway beside this service is, and how it is dialled.

What goes there isn't minimised yet, so it stays on this machine.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Final

DEFAULT_ADDRESS: Final = "127.0.0.1:4317"
"""Where the gateway's listener `local` is unless configured otherwise."""

DEFAULT_OUTBOUND_ADDRESS: Final = "127.0.0.1:14001"
"""Where its listener `outbound` is unless configured otherwise."""

LOCAL_VARIABLE: Final = "PRIVACY_GATEWAY__LISTENERS__LOCAL__ADDRESS"
OUTBOUND_VARIABLE: Final = "PRIVACY_GATEWAY__LISTENERS__OUTBOUND__ADDRESS"
"""The gateway's own variables: set for a whole pod, they tell its service too, of a Unix socket for example."""

OPTIONS: Final = (("grpc.enable_http_proxy", 0),)
"""What a channel to the gateway is made with: no proxy of the environment comes between."""

FORM: Final = "must be host:port on loopback, or unix:PATH: what is sent there is not minimised yet"


def local_address() -> str:
    """The address of the listener `local`, by the environment or the default.

    Raises ValueError if that is not on this machine.
    """
    return _from_environment(LOCAL_VARIABLE, DEFAULT_ADDRESS)


def outbound_address() -> str:
    """The address of the listener `outbound`, by the environment or the default.

    Raises ValueError if that is not on this machine.
    """
    return _from_environment(OUTBOUND_VARIABLE, DEFAULT_OUTBOUND_ADDRESS)


def check(address: str, name: str = "address") -> str:
    """The address, if it is on this machine. Raises ValueError, which calls it by its name, if it isn't."""
    host, _, port = address.rpartition(":")
    local = _is_loopback(host.strip("[]")) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not address.startswith("unix:") and not local:
        raise ValueError(f"{name}: {FORM}")
    return address


def _from_environment(variable: str, default: str) -> str:
    return check(os.environ.get(variable) or default, variable)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
