"""Who calls on `inbound`: the names that the certificate of a connection gives.

What they may call is the route table's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
from cachetools import LRUCache
from cryptography import x509

from gateway.config import DNS_NAME, SPIFFE_ID
from gateway.errors import CallReason, Refused

MAX_CACHED_CERTIFICATES: Final = 1024
"""How many certificates are remembered, so that a call needn't read one."""

_SPIFFE_ID: Final = re.compile(SPIFFE_ID, re.ASCII)
_DNS_NAME: Final = re.compile(DNS_NAME, re.ASCII)


class Identity(msgspec.Struct, frozen=True):
    """Whom a certificate names, and from when until when, in seconds since 1970. Without names it names nobody."""

    names: tuple[str, ...] = ()
    since: float = 0.0
    until: float = 0.0


class Callers:
    """Reads callers off their connections, and remembers `max_certificates` of their certificates."""

    def __init__(self, max_certificates: int = MAX_CACHED_CERTIFICATES) -> None:
        self._known: LRUCache[bytes, Identity] = LRUCache(max_certificates)

    def caller(self, auth: Mapping[str, Iterable[bytes]], now: float) -> tuple[str, ...]:
        """Return the caller's names at `now`, in seconds since 1970.

        Its one SPIFFE ID, or its DNS names in lower case, at least one.

        `auth` is a call's `auth_context()`. A connection outlives its certificate, so each call asks. Raises Refused.
        """
        identity = self._identity(auth)
        if identity.names and identity.since <= now <= identity.until:
            return identity.names
        raise Refused(CallReason.CALLER_NOT_ALLOWED)

    def _identity(self, auth: Mapping[str, Iterable[bytes]]) -> Identity:
        """Return whom the connection's certificate names. gRPC's own list of names isn't asked.

        It cuts a name off at a NUL.
        """
        match auth.get("transport_security_type"), auth.get("x509_pem_cert"):
            case [b"ssl"], [bytes(pem)]:
                known = self._known.get(pem)
                if known is None:
                    known = self._known[pem] = identity(pem)
                return known
        return Identity()


def identity(pem: bytes) -> Identity:
    """Return whom the certificate in `pem` names: nobody if it can't be read."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        names = () if _is_authority(certificate) else tuple(dict.fromkeys(_names(certificate)))
        return Identity(
            names, certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        )
    except (ValueError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return Identity()


def _is_authority(certificate: x509.Certificate) -> bool:
    """Return whether it signs others, as no caller's own may: X509-SVID, section 5.2."""
    return any(
        isinstance(extension.value, x509.BasicConstraints) and extension.value.ca
        for extension in certificate.extensions
    )


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """Yield one URI, if it is a SPIFFE ID (X509-SVID, section 2); without URIs, the DNS names that aren't wildcards."""
    alternatives = [
        name
        for extension in certificate.extensions
        if isinstance(extension.value, x509.SubjectAlternativeName)
        for name in extension.value
    ]
    match [name.value for name in alternatives if isinstance(name, x509.UniformResourceIdentifier)]:
        case []:
            names = (name.value.lower() for name in alternatives if isinstance(name, x509.DNSName))
            yield from filter(_DNS_NAME.fullmatch, names)
        case [uri] if _SPIFFE_ID.fullmatch(uri):
            yield uri
