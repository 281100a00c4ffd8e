"""Keeps modules that are loaded from reading the system's certificates for contexts that nobody uses.

aiohttp makes two when it is imported, which takes 40 ms and 3 MiB. An exporter says for each request whom it trusts:
see `exporters/ca_certificates.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where OpenSSL looks for the system's certificates: SSL_CTX_set_default_verify_paths(3)."""


@contextmanager
def no_system_roots() -> Iterator[None]:
    """Have TLS contexts that are made meanwhile trust nobody, whomever the system trusts."""
    given = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, os.devnull))
    try:
        yield
    finally:
        for name, value in given.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value
