"""Certificates for the demo's gateways, made while it runs by an authority that nobody else knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.config import Tls
from gateway.tls.authority import CertificateAuthority

LIFETIME: Final = timedelta(hours=1)
"""How long they are good for, on both sides of now."""


class Authority:
    """Signs what both gateways trust, and writes it to a folder. Its key is in memory only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        now = datetime.now(UTC)
        self._period = (now - LIFETIME, now + LIFETIME)
        self._signer = CertificateAuthority.create("Kannelle privacy gateway demo", *self._period)

    def issue(self, workload: str, authority: str) -> Tls:
        """A certificate for a workload, by its SPIFFE ID, and for the authority that others call it by."""
        names = (x509.UniformResourceIdentifier(workload), x509.DNSName(authority))
        issued = self._signer.issue(names, *self._period)
        return Tls(
            certificate=self._write(f"{authority}.crt", issued.certificate),
            key=self._write(f"{authority}.key", issued.key),
            ca=self._write("ca.crt", issued.ca),
        )

    def _write(self, name: str, pem: bytes) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_bytes(pem)
        return path
