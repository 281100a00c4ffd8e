"""Where a gRPC recipient is, and the connection to it: TLS, or plaintext on loopback.

What is said over it is the exporter's.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import grpc
import grpc.aio
import msgspec

from gateway.errors import BadConfig
from gateway.exporters.ca_certificates import read_ca
from gateway.policy.endpoints import is_loopback

_CHANNEL_OPTIONS: Final = (
    ("grpc.primary_user_agent", "kannelle-privacy-gateway"),
    # A recipient that is back is found within seconds; gRPC's own bound is two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    # No proxy of the environment comes between.
    ("grpc.enable_http_proxy", 0),
)


class GrpcEndpoint(msgspec.Struct, frozen=True):
    """A gRPC target, and the root certificates to trust: PEM bytes, or None for gRPC's own.

    `secure` false is plaintext, on loopback.
    """

    target: str
    secure: bool
    roots: bytes | None = None

    @staticmethod
    def parse(url: str, ca: str | None = None) -> GrpcEndpoint:
        """Read `https://host:port`, or `http://host:port` on loopback.

        `ca` is the path of a PEM file. Raises BadConfig.
        """
        scheme, host, port = _split_url(url)
        if scheme == "http" and not is_loopback(host):
            raise BadConfig("endpoint: http:// goes to loopback only; elsewhere it must be https://")
        if scheme == "http" and ca is not None:
            raise BadConfig("ca: of no use with http://")
        host = f"[{host}]" if ":" in host else host
        return GrpcEndpoint(f"dns:///{host}:{port}", scheme == "https", None if ca is None else read_ca(ca, "ca"))

    def channel(self) -> grpc.aio.Channel:
        """A new connection, on the running loop; made when first used."""
        if not self.secure:
            return grpc.aio.insecure_channel(self.target, options=_CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(self.target, grpc.ssl_channel_credentials(self.roots), options=_CHANNEL_OPTIONS)


def _split_url(url: str) -> tuple[str, str, int]:
    # The URL is in no error text: somebody may have put a password into it.
    try:
        split = urlsplit(url)
        scheme, host, port = split.scheme, split.hostname, split.port
    except ValueError:
        raise BadConfig("endpoint: is no URL") from None
    if scheme not in {"http", "https"} or not host or not port:
        raise BadConfig("endpoint: must be https://host:port, or http://host:port on loopback")
    if split.username is not None or split.path not in {"", "/"} or split.query or split.fragment:
        raise BadConfig("endpoint: must be https://host:port and nothing more")
    return scheme, host, port
