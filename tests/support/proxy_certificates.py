"""Certificates of callers and of the proxy, made when tests run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from gateway.config import Tls
from gateway.tls import Material

CA: Final = trustme.CA()

OTHER_CA: Final = trustme.CA()

Name = x509.GeneralName


def uri(text: str) -> Name:
    return x509.UniformResourceIdentifier(text)


def dns(text: str) -> Name:
    return x509.DNSName(text)


def certificate_for(*names: Name, ca: trustme.CA = CA, lifetime: timedelta = timedelta(hours=1)) -> Material:
    """A certificate with these alternative names, which trustme makes of no URI.

    It began an hour ago and lasts so long from now.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    root = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(
        root.subject, x509.Name([]), key.public_key(), serial, now - timedelta(hours=1), now + lifetime
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    signer = load_pem_private_key(ca.private_key_pem.bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    certificate = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
    return Material(
        certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), CA.cert_pem.bytes()
    )


def write_tls(folder: Path, held: Material) -> Tls:
    """Files for the gateway."""
    for name, pem in (("tls.crt", held.certificate), ("tls.key", held.key), ("ca.crt", held.ca)):
        (folder / name).write_bytes(pem)
    return Tls(certificate=folder / "tls.crt", key=folder / "tls.key", ca=folder / "ca.crt")
