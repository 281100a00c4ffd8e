"""Certificates for the demo's gateways, made while it runs by an authority that nobody else knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.config import Tls

LIFETIME: Final = timedelta(hours=1)
"""How long they are good for, on both sides of now."""

_ISSUER: Final = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Kannelle privacy gateway demo")])


class Authority:
    """Signs what both gateways trust, and writes it to a folder. Its key is in memory only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = _builder(_ISSUER, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._certificate = own.sign(self._key, SHA256())

    def issue(self, workload: str, authority: str) -> Tls:
        """A certificate for a workload, by its SPIFFE ID, and for the authority that others call it by."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(workload), x509.DNSName(authority)])
        builder = _builder(x509.Name([]), key.public_key()).add_extension(names, critical=True)
        return Tls(
            certificate=self._write(f"{authority}.crt", _pem(builder.sign(self._key, SHA256()))),
            key=self._write(f"{authority}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())),
            ca=self._write("ca.crt", _pem(self._certificate)),
        )

    def _write(self, name: str, pem: bytes) -> Path:
        path = self._folder / name
        path.touch(0o600)
        path.write_bytes(pem)
        return path


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return x509.CertificateBuilder(_ISSUER, subject, key, x509.random_serial_number(), now - LIFETIME, now + LIFETIME)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
