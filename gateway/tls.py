"""The gateway's certificate, its key and whom it trusts.

From files, held to each other, and handed to gRPC anew when they change.

Who a caller is by its certificate is read in `gateway.receivers.caller`; when files are looked at again is for
`gateway.reload`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

import grpc
import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway import files, rfc3339
from gateway.config import Tls
from gateway.errors import BadConfig
from gateway.telemetry.checks import Check

log = logging.getLogger(__name__)

T = TypeVar("T")

MONTH_SECONDS: Final = 30 * 24 * 3600.0
WEEK_SECONDS: Final = 7 * 24 * 3600.0

READS: Final = 3
"""How often files are read that don't fit each other: they may have been swapped in between."""

_CURVES: Final = (ec.SECP256R1, ec.SECP384R1)
"""Those that gRPC's handshake works with: seen with grpcio 1.83.2, in which P-521 and Ed25519 fail."""


class Validity(StrEnum):
    """How near the end of a certificate is.

    EXPIRES_SOON in its last month, EXPIRES_VERY_SOON in its last week; of one that lives shortly, in the last third and
    tenth of its time.
    """

    VALID = "valid"
    EXPIRES_SOON = "expires soon"
    EXPIRES_VERY_SOON = "expires very soon"
    EXPIRED_IN_PART = "expired in part"
    EXPIRED = "expired"


class Expiry(msgspec.Struct, frozen=True):
    """When the certificates of a file expire.

    `not_after` the first of them, which lives for `seconds` in all, and `last` the last.
    """

    certificate: Literal["own", "ca"]
    not_after: datetime
    last: datetime
    seconds: float

    def validity(self, now: datetime) -> Validity:
        """How near the end is.

        A chain needs all of it; among those who are trusted one may be there beside its successor.
        """
        left = (self.not_after - now).total_seconds()
        if left < 0:
            return Validity.EXPIRED_IN_PART if self.certificate == "ca" and now <= self.last else Validity.EXPIRED
        if left < min(WEEK_SECONDS, self.seconds / 10):
            return Validity.EXPIRES_VERY_SOON
        return Validity.EXPIRES_SOON if left < min(MONTH_SECONDS, self.seconds / 3) else Validity.VALID


def _expiry(name: Literal["own", "ca"], certificates: Sequence[x509.Certificate]) -> Expiry:
    first = min(certificates, key=lambda one: one.not_valid_after_utc)
    seconds = (first.not_valid_after_utc - first.not_valid_before_utc).total_seconds()
    return Expiry(name, first.not_valid_after_utc, max(one.not_valid_after_utc for one in certificates), seconds)


def tell(tls: Tls, material: Material, now: datetime) -> None:
    """Log which certificates have expired or soon will."""
    for expiry, key, path in zip(material.expiries(), ("certificate", "ca"), (tls.certificate, tls.ca), strict=True):
        validity = expiry.validity(now)
        if validity is not Validity.VALID:
            level = logging.ERROR if validity is Validity.EXPIRED else logging.WARNING
            log.log(level, "tls.%s: %s: %s, at %s", key, path, validity, rfc3339.from_datetime(expiry.not_after))


@dataclass(frozen=True, slots=True)
class Material:
    """What TLS needs, as PEM.

    The certificate with its chain behind it, its key, and whom callers and upstreams must go back to.

    Equal if all three are. It isn't checked: `read` does that.
    """

    certificate: bytes
    key: bytes
    ca: bytes

    def expiries(self) -> tuple[Expiry, Expiry]:
        """When the certificate, with its chain, and those of whom are trusted expire."""
        own, ca = (x509.load_pem_x509_certificates(pem) for pem in (self.certificate, self.ca))
        return _expiry("own", own), _expiry("ca", ca)

    def __repr__(self) -> str:
        return "Material(…)"


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
    for _ in range(READS - 1):
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


def _certificates(key: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    """The certificates in `pem`, at least one. Raises BadConfig."""
    try:
        certificates = x509.load_pem_x509_certificates(pem)
        for certificate in certificates:
            certificate.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise _fault(key, path, "must be one or more certificates in PEM") from None
    return certificates


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


class Certificates:
    """The material in use.

    `generation` counts its changes, so that whoever built a channel knows when to build it anew.

    gRPC asks from threads of its own, so what changes is one attribute.
    """

    def __init__(self, material: Material) -> None:
        self._now = (0, material)
        self.expiries, self._loaded = material.expiries(), datetime.now(UTC)
        """When what is in use expires, and since when it is."""

    @property
    def generation(self) -> int:
        """How often the material has changed."""
        return self._now[0]

    @property
    def material(self) -> Material:
        """What is in use."""
        return self._now[1]

    def swap(self, material: Material) -> bool:
        """Use `material` for connections from now on; whether that is a change."""
        generation, old = self._now
        if material == old:
            return False
        self._now = (generation + 1, material)
        self.expiries, self._loaded = material.expiries(), datetime.now(UTC)
        return True

    def checks(self) -> Iterator[Check]:
        """How near the end of each is, now. None is needed to be ready: what needs no certificate goes on."""
        now = datetime.now(UTC)
        for expiry in self.expiries:
            validity = expiry.validity(now)
            since = expiry.not_after if validity is Validity.EXPIRED else self._loaded
            cause = "" if validity is Validity.VALID else validity.name
            yield Check(
                f"certificate-{expiry.certificate}",
                not cause,
                since,
                cause,
                f"not after {rfc3339.from_datetime(expiry.not_after)}",
            )

    def server_credentials(self) -> grpc.ServerCredentials:
        """For a server whose callers must have a certificate.

        A new connection gets the material of its moment; TLS 1.2 is the least.
        """
        served, material = self._now

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal served
            generation, current = self._now
            if generation == served:
                return None
            served = generation
            return _configuration(current)

        # The types don't say that None, for no change, is an answer; gRPC's documentation does.
        return grpc.dynamic_ssl_server_credentials(_configuration(material), fetch, True)  # type: ignore[arg-type]

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a channel, with the material of this moment: a channel can't change its own."""
        material = self.material
        return grpc.ssl_channel_credentials(material.ca, material.key, material.certificate)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.ca)
