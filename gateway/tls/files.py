"""Reads the certificate, its key and whom the gateway trusts, and checks them against each other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import files, rfc3339
from gateway.config import Tls
from gateway.errors import BadConfig
from gateway.tls.material import Material, Validity

log = logging.getLogger(__package__)

T = TypeVar("T")

MAX_READ_ATTEMPTS: Final = 3
"""How often files are read that don't fit each other: they may have been swapped in between."""

_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
"""Those that gRPC's handshake works with: seen with grpcio 1.83.2, in which P-521 and Ed25519 fail."""


def tell(tls: Tls, material: Material, now: datetime) -> None:
    """Log which certificates have expired or soon will."""
    for expiry, key, path in zip(material.expiries(), ("certificate", "ca"), (tls.certificate, tls.ca), strict=True):
        validity = expiry.validity(now)
        if validity is not Validity.VALID:
            level = logging.ERROR if validity is Validity.EXPIRED else logging.WARNING
            log.log(level, "tls.%s: %s: %s, at %s", key, path, validity, rfc3339.from_datetime(expiry.not_after))


class BadTls(BadConfig):
    """What is wrong with the files: `faults` are keys below `tls`, each with a text."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__("\n".join(f"tls.{key}: {text}" for key, text in faults))
        self.faults = faults


def read(tls: Tls) -> Material:
    """What the files hold, as `examine` does.

    An expired certificate loads, and the log says so. Raises BadTls, with all faults.
    """
    material = examine(tls)
    tell(tls, material, datetime.now(UTC))
    return material


def examine(tls: Tls) -> Material:
    """What the files hold, through symbolic links. Raises BadTls, with all faults."""
    for _ in range(MAX_READ_ATTEMPTS - 1):
        try:
            return _read(tls)
        except BadConfig:
            continue
    return _read(tls)


def _read(tls: Tls) -> Material:
    faults: list[tuple[str, str]] = []
    raw = {key: _tried(faults, partial(_bytes, key, getattr(tls, key))) for key in ("certificate", "key", "ca")}
    chain = _tried(faults, partial(_certificates, "certificate", tls.certificate), raw["certificate"])
    public = _tried(faults, partial(_public, "key", tls.key), raw["key"])
    _tried(faults, partial(_certificates, "ca", tls.ca), raw["ca"])
    if chain and public and public != chain[0].public_key():
        faults.append(("key", f"{tls.key}: doesn't fit the certificate"))
    if faults or chain is None:
        raise BadTls(*faults)
    return Material(*(held for held in raw.values() if held is not None))


def _tried(faults: list[tuple[str, str]], step: Callable[..., T], *given: bytes | None) -> T | None:
    """What a step makes of what is given; None if that is None, or with what is wrong among the faults."""
    try:
        return None if None in given else step(*given)
    except BadTls as error:
        faults += error.faults
        return None


def _fault(key: str, path: Path, text: str) -> BadTls:
    return BadTls((key, f"{path}: {text}"))


def _bytes(key: str, path: Path) -> bytes:
    try:
        return files.read_regular(path, files.MAX_PEM_BYTES)
    except (OSError, files.Unreadable) as failure:
        raise _fault(key, path, files.read_error_text(failure)) from None


def parse_certificates(pem: bytes) -> list[x509.Certificate]:
    """The certificates in `pem`, at least one. Raises ValueError, with what it must be."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for certificate in certificates:
            certificate.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise ValueError("must be one or more certificates in PEM") from None
    return certificates


def _certificates(key: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    """The same, of a file. Raises BadTls."""
    try:
        return parse_certificates(pem)
    except ValueError as flaw:
        raise _fault(key, path, str(flaw)) from None


def _public(key: str, path: Path, pem: bytes) -> PublicKeyTypes:
    """The public half of the key in `pem`, of a kind that gRPC takes. Raises BadConfig."""
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:
        raise _fault(key, path, "is encrypted; it must be without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise _fault(key, path, "must be a private key in PEM") from None
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey) or (
        isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, _CURVES)
    ):
        return public
    raise _fault(key, path, "must be an RSA key, or one on P-256 or P-384")
