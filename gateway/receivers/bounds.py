"""What gRPC holds each connection to, on every listener.

How many there may be, what one may have open, and when one that idles ends.
"""

from __future__ import annotations

from typing import Final

MAX_CONNECTIONS: Final = 1024
"""Connections to one listener at once."""

HANDSHAKE_MS: Final = 10_000
"""How long a stranger may take to show a certificate, and to begin to speak HTTP/2."""

MAX_IDLE_MS: Final = 300_000
"""How long a connection without calls is kept. A client dials again with its next call."""

KEEPALIVE_MS: Final = 60_000
"""After how long a silent peer is asked whether it is still there."""

KEEPALIVE_ANSWER_MS: Final = 20_000
"""How long its answer may take."""

MIN_PING_INTERVAL_MS: Final = 10_000
"""How far apart the pings of a client must be."""

MAX_OPEN_CALLS: Final = 4096
"""Calls that one connection may have open, at least: far more than its share, of which it is told when to come back.

A caller at this bound may hear UNAVAILABLE instead, for its next call can come before gRPC has let go of its last.
"""

MAX_PENDING_CALLS: Final = 4 * MAX_OPEN_CALLS
"""Calls that may have come and not been begun yet. gRPC's own bound is 1,000 of all connections together.

From there on it cancels calls at random, so that a thousand headers on one connection cost others theirs (seen with
grpcio 1.83.2).
"""

Options = list[tuple[str, int | str]]
"""Channel arguments, as gRPC takes them."""


def bounds(calls: int, *, connections: int = MAX_CONNECTIONS, idle_ms: int = MAX_IDLE_MS) -> Options:
    """Return the options of a server that takes so many calls at once."""
    return [
        ("grpc.max_concurrent_streams", max(MAX_OPEN_CALLS, calls)),
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
        ("grpc.max_connection_idle_ms", idle_ms),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER_MS),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
    ]
