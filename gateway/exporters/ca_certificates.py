"""Whose certificates an exporter trusts: a PEM file that the policy names, or the system's roots."""

from __future__ import annotations

import ssl
from pathlib import Path

from gateway.errors import BadConfig
from gateway.files import MAX_PEM_BYTES, Unreadable, read_error_text, read_regular


def read_pem(ca: str, key: str) -> bytes:
    """What the file `ca` says. Raises BadConfig that names `key`."""
    try:
        return read_regular(Path(ca), MAX_PEM_BYTES)
    except (OSError, Unreadable) as failure:
        raise BadConfig(f"{key}: {ca}: {read_error_text(failure)}") from None


def read_ca(ca: str, key: str) -> bytes:
    """The same, if it holds certificates."""
    content = read_pem(ca, key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_text(content))
    except (ssl.SSLError, ValueError):
        raise BadConfig(f"{key}: {ca}: holds no certificates in PEM form") from None
    return content


def tls_context(ca: str | None, key: str) -> ssl.SSLContext:
    """Whose certificates count: those signed by `ca`, or by the system's roots. Raises BadConfig that names `key`."""
    return ssl.create_default_context() if ca is None else ssl.create_default_context(cadata=_text(read_ca(ca, key)))


def _text(content: bytes) -> str:
    """PEM as OpenSSL takes it from memory: what isn't ASCII can only be a remark between certificates."""
    return content.decode("ascii", "ignore")
