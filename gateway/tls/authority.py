"""Makes certificates: those of a CA, and those that it signs.

They are as cert-manager makes them for the chart, and as SPIFFE wants them (X509-SVID, sections 2 to 4). Nothing is
written here; see `files.py` for how certificates are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Self, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.tls.material import Material

SigningKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

NAME_DIGITS: Final = 12
"""How many hexadecimal digits of its key's digest a CA has in its name, so that two never have the same."""


class NotAnAuthority(Exception):
    """Why a certificate and its key are no CA's, in words that follow their name."""


class CertificateAuthority:
    """A CA: its certificate, with those of the CAs above it behind it, and its key, of which only `key` tells."""

    def __init__(self, certificates: Sequence[x509.Certificate], key: SigningKey) -> None:
        self._certificate, *self._above = certificates
        self._key = key

    @classmethod
    def create(cls, name: str, since: datetime, until: datetime) -> Self:
        """A new CA with a key of its own, which signs no other CA. `name` is what its name begins with."""
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        subject = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {identifier.digest.hex()[:NAME_DIGITS]}")]
        )
        certificate = (
            x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), since, until)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, SHA256())
        )
        return cls([certificate], key)

    @classmethod
    def load(cls, certificate: bytes, key: bytes) -> Self:
        """The CA of a certificate and its key, both in PEM; certificates of CAs above it may follow its own.

        Raises NotAnAuthority.
        """
        certificates = x509.load_pem_x509_certificates(certificate)
        if not _may_sign(certificates[0]):
            raise NotAnAuthority("is no CA's certificate: it may not sign others")
        private = load_pem_private_key(key, password=None)
        if not isinstance(private, SigningKey):
            raise NotAnAuthority("must be of an RSA key, or of one on P-256 or P-384")
        return cls(certificates, private)

    @property
    def certificate(self) -> bytes:
        """Its certificate in PEM, with those above it: whoever trusts them trusts what it signs."""
        return _pem(self._certificate, *self._above)

    @property
    def key(self) -> bytes:
        """Its private key in PEM, for the one place where it is kept."""
        return _key_pem(self._key)

    @property
    def since(self) -> datetime:
        """From when its certificate is good."""
        return self._certificate.not_valid_before_utc

    @property
    def until(self) -> datetime:
        """Until when its certificate is good."""
        return self._certificate.not_valid_after_utc

    def issue(self, names: Sequence[x509.GeneralName], since: datetime, until: datetime) -> Material:
        """A certificate for both ends of a connection, with a key of its own; whom it trusts is this CA.

        The names stand in it as alternative names; without any it names nobody. CAs between it and a root follow it.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        serial = x509.random_serial_number()
        builder = (
            x509.CertificateBuilder(self._certificate.subject, x509.Name([]), public, serial, since, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(_BOTH_ENDS, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(self._key_identifier(), critical=False)
        )
        if names:  # critical, since there is no subject: RFC 5280, section 4.2.1.6
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
        chain = [one for one in (self._certificate, *self._above) if one.subject != one.issuer]
        return Material(_pem(builder.sign(self._key, SHA256()), *chain), _key_pem(key), self.certificate)

    def _key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """Which of several CAs signed: as its own certificate names its key, if it does."""
        for extension in self._certificate.extensions:
            if isinstance(extension.value, x509.SubjectKeyIdentifier):
                return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(extension.value)
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())


_BOTH_ENDS: Final = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether a certificate is a CA's: RFC 5280, sections 4.2.1.3 and 4.2.1.9."""
    values = [extension.value for extension in certificate.extensions]
    return any(isinstance(value, x509.BasicConstraints) and value.ca for value in values) and all(
        value.key_cert_sign for value in values if isinstance(value, x509.KeyUsage)
    )


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _key_pem(key: SigningKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
