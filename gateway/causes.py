"""Why a call that gRPC itself ended did not reach its upstream, or never had an answer.

One of a closed set of causes.

gRPC says so in a text alone, which holds addresses and names, and may hold what a peer sent: it is read here, and goes
nowhere. What isn't recognised counts as UPSTREAM_FAILED. The texts are those of grpcio 1.83; a test meets each cause
with a real server.
"""

from __future__ import annotations

from typing import Final

import grpc

from gateway.errors import Cause

Texts = tuple[tuple[str, Cause], ...]

_CONNECTING: Final = (
    "connections to all backends failing",
    "failed to connect to all addresses",
    "errors resolving ",
    "DNS resolution failed",
    "empty address list",
)
"""How a text begins of a call for which there was no connection: round_robin's words, pick_first's, the resolver's."""

_NO_CONNECTION: Final[Texts] = (
    ("errors resolving ", Cause.UPSTREAM_UNRESOLVED),
    ("DNS resolution failed", Cause.UPSTREAM_UNRESOLVED),
    ("empty address list", Cause.UPSTREAM_UNRESOLVED),
    ("Connection refused", Cause.UPSTREAM_REFUSED),
    ("No such file or directory", Cause.UPSTREAM_REFUSED),
    ("Hostname Verification Check failed", Cause.UPSTREAM_NAME_MISMATCH),
    ("certificate has expired", Cause.UPSTREAM_EXPIRED),
    ("certificate is not yet valid", Cause.UPSTREAM_EXPIRED),
    ("CERTIFICATE_VERIFY_FAILED", Cause.UPSTREAM_UNTRUSTED),
    ("WRONG_VERSION_NUMBER", Cause.UPSTREAM_PLAINTEXT),
    ("_ALERT_CERTIFICATE_", Cause.UPSTREAM_REFUSES_US),
    ("_ALERT_BAD_CERTIFICATE", Cause.UPSTREAM_REFUSES_US),
    ("_ALERT_UNSUPPORTED_CERTIFICATE", Cause.UPSTREAM_REFUSES_US),
    ("_ALERT_UNKNOWN_CA", Cause.UPSTREAM_REFUSES_US),
    ("_ALERT_ACCESS_DENIED", Cause.UPSTREAM_REFUSES_US),
    ("missing selected ALPN property", Cause.UPSTREAM_NOT_GRPC),
    ("Failed parsing HTTP/2", Cause.UPSTREAM_NOT_GRPC),
    ("timed out", Cause.UPSTREAM_SILENT),
    ("Timeout occurred", Cause.UPSTREAM_SILENT),
    ("Endpoint closing", Cause.UPSTREAM_SILENT),
    ("No route to host", Cause.UPSTREAM_SILENT),
    ("Network is unreachable", Cause.UPSTREAM_SILENT),
    ("Host is down", Cause.UPSTREAM_SILENT),
    ("Handshake read failed", Cause.UPSTREAM_RESET),
)
"""What a text holds of a call for which there was no connection; the first that is found counts."""

_HUNG_UP: Final = ("Socket closed", "Connection reset by peer", "Broken pipe", "GOAWAY received")
"""The same of a connection that its other side ended."""

_IN_CALL: Final = (*_HUNG_UP, "keepalive watchdog timeout", "ping timeout", "Stream removed", "Cancelling all calls")
"""How a text begins, behind what failed, of a call whose connection ended.

The last is what a server of gRPC's core says that stops.
"""

_CUT_SHORT: Final = "Internal error from Core"
"""What grpc.aio says, as INTERNAL, where the core ended a call while something of it was still being sent or read."""


def cause_of(code: grpc.StatusCode, text: str, *, ready: bool, tls: bool) -> Cause | None:
    """The cause of a failure that is gRPC's own; None for a status that the upstream sent.

    Nothing marks gRPC's own. It is for the caller to see that the status has no trailers. A call without a connection
    fails only while there is none (`ready`), so that an upstream that passes on what it was told of another can't be
    mistaken for one that is away.
    """
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Cause.UPSTREAM_TIMEOUT if text == "Deadline Exceeded" else None
    if code is grpc.StatusCode.INTERNAL and text == _CUT_SHORT:
        return Cause.UPSTREAM_RESET
    if code is not grpc.StatusCode.UNAVAILABLE:
        return None
    if text.startswith(_CONNECTING):
        return None if ready else _unconnected(text, tls=tls)
    if text.rpartition(":")[2].strip().startswith(_IN_CALL) or text.startswith(_IN_CALL):
        return Cause.UPSTREAM_RESET
    return None


def _unconnected(text: str, *, tls: bool) -> Cause:
    for part, cause in _NO_CONNECTION:
        if part in text:
            return cause
    if any(part in text for part in _HUNG_UP):
        # The handshake is over for us, and the other side hangs up before it says a word of HTTP/2: it has seen our
        # certificate.
        return Cause.UPSTREAM_REFUSES_US if tls else Cause.UPSTREAM_RESET
    return Cause.UPSTREAM_FAILED
