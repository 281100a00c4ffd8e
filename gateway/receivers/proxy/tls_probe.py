"""Finds out whether what listens where a plaintext route leads wants TLS, when it hung up.

gRPC's text is the same for a server that fell over and for one that wants TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

PROBE_SECONDS: Final = 2.0
"""How long a probe may take."""

_TLS_ERROR_WORDS: Final = ("ALERT", "CERTIFICATE")
"""What the reason holds of a handshake that failed with a peer that does speak TLS."""


async def speaks_tls(address: str) -> bool:
    """Return whether the first server of a gRPC target answers a handshake of TLS.

    It is sent nothing else, and not believed anything.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await _connect(address, context)
    except ssl.SSLError as error:
        return any(word in (error.reason or "") for word in _TLS_ERROR_WORDS)
    except (OSError, TimeoutError, ValueError):
        return False
    writer.transport.abort()
    return True


async def _connect(address: str, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    scheme, _, rest = address.partition(":")
    if scheme == "unix":
        return await asyncio.open_unix_connection(rest, ssl=context, server_hostname="localhost")
    host, _, port = rest.removeprefix("///").partition(",")[0].rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port), ssl=context, server_hostname="localhost")
