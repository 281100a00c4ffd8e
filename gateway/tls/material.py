"""What TLS needs, and how near the end of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

import msgspec
from cryptography import x509

MONTH_SECONDS: Final = 30 * 24 * 3600.0
WEEK_SECONDS: Final = 7 * 24 * 3600.0


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
