"""Certificates of callers and of the proxy, made when tests run."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.config import Tls
from gateway.tls import Material
from gateway.tls.authority import CertificateAuthority

Name = x509.GeneralName

_HOUR: Final = timedelta(hours=1)
_CA_LIFETIME: Final = timedelta(days=3650)


def new_ca() -> CertificateAuthority:
    """A CA that nobody knows yet."""
    now = datetime.now(UTC)
    return CertificateAuthority.create("tests", now - _HOUR, now + _CA_LIFETIME)


CA: Final = new_ca()

OTHER_CA: Final = new_ca()


def uri(text: str) -> Name:
    return x509.UniformResourceIdentifier(text)


def dns(text: str) -> Name:
    return x509.DNSName(text)


def certificate_for(*names: Name, ca: CertificateAuthority = CA, lifetime: timedelta = _HOUR) -> Material:
    """A certificate with these alternative names, for who trusts `CA`.

    It began an hour ago and lasts so long from now.
    """
    now = datetime.now(UTC)
    return dataclasses.replace(ca.issue(names, now - _HOUR, now + lifetime), ca=CA.certificate)


def write_tls(folder: Path, held: Material) -> Tls:
    """Files for the gateway."""
    for name, pem in (("tls.crt", held.certificate), ("tls.key", held.key), ("ca.crt", held.ca)):
        (folder / name).write_bytes(pem)
    return Tls(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")
