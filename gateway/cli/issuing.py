"""The secrets with certificates that the chart expects: how long these last, who signs them, what else is in there."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import files, rfc3339
from gateway.cli.chart_values import Secret, Values
from gateway.errors import BadSetup
from gateway.json_types import JsonObject
from gateway.tls import parse_certificates
from gateway.tls.authority import CertificateAuthority
from gateway.tls.authority_folder import CERTIFICATE_FILE, CLOCK_SKEW, KEY_FILE, load_authority, make_authority
from gateway.yamlfile import Origin
from gateway.yamlfile.durations import format_seconds

NOT_AFTER: Final = "privacy.kannelle.com/certificate-not-after"
"""The annotation of a secret that says when its certificate ends."""


MAX_CA_NAME_CHARS: Final = 48
"""How much of a CA's name says whose it is: a common name has 64 characters at most (RFC 5280, appendix A.1)."""


class Period(msgspec.Struct, frozen=True):
    """From when until when certificates are good, and when the chart's alert begins, unless there are others."""

    since: datetime
    until: datetime
    renew_before: datetime


class Signer(msgspec.Struct, frozen=True):
    """A CA, where it is kept, and whether it was made just now."""

    authority: CertificateAuthority
    folder: Path
    made: bool

    @property
    def certificate_file(self) -> Path:
        """Where its certificate is."""
        return self.folder / CERTIFICATE_FILE

    @property
    def key_file(self) -> Path:
        """Where its key is."""
        return self.folder / KEY_FILE


class Issuing:
    """What is made at `now` for values of the chart. `origin` says where each of them stands."""

    def __init__(self, values: Values, origin: Origin, now: datetime) -> None:
        self._values = values
        self._origin = origin
        self._now = now

    def period(self, days: int | None) -> Period:
        """How long certificates last: so many days, or as the values say. Raises BadSetup."""
        lifetime = self._values.certificates.lifetime if days is None else timedelta(days=days)
        alerted = timedelta(seconds=self._values.monitoring.rules.certificate_seconds)
        if alerted >= lifetime:
            text = (
                f"the alert begins {_shown(alerted)} before a certificate ends, and these last {_shown(lifetime)}, so "
                "that it would never end: make them last longer, by --days or certificates.duration, or lower it"
            )
            raise self._origin.error_at(("monitoring", "rules", "certificateSeconds"), text)
        return Period(self._now - CLOCK_SKEW, self._now + lifetime, self._now + lifetime - alerted)

    def signer(self, folder: Path, ca_days: int, period: Period) -> Signer:
        """The CA in a folder, made where there is none, which outlasts a period.

        Raises BadSetup, before anything is made.
        """
        kept, lifetime = load_authority(folder, self._now), timedelta(days=ca_days)
        self._check_trusted(kept, folder)
        until = self._now + lifetime if kept is None else kept.until
        if period.until > until:
            remedy = "raise --ca-days, or lower --days" if kept is None else "lower --days, or name another folder"
            raise BadSetup(
                f"{folder / CERTIFICATE_FILE}: the CA ends {rfc3339.from_datetime(until)}, and its certificates would "
                f"{rfc3339.from_datetime(period.until)}: {remedy}"
            )
        name = f"privacy-gateway {self._values.trust_domain}"[:MAX_CA_NAME_CHARS]
        return Signer(kept or make_authority(folder, name, self._now, lifetime), folder, kept is None)

    def _check_trusted(self, kept: CertificateAuthority | None, folder: Path) -> None:
        """Raise BadSetup where the values name whom all trust, and the CA isn't among them."""
        if not self._values.certificates.ca:
            return
        keys = ("certificates", "ca")
        try:
            trusted = parse_certificates(self._values.certificates.ca.encode())
        except ValueError as flaw:
            raise self._origin.error_at(keys, str(flaw)) from None
        if kept is None or not {*trusted} & {*parse_certificates(kept.certificate)}:
            other = "has none yet" if kept is None else "has another"
            text = (
                f"is the CA that hub and agents trust, and {folder} {other}: leave it out, since one is in each secret"
            )
            raise self._origin.error_at(keys, text)


def read_trusted(path: Path) -> bytes:
    """The certificates in a file, in PEM, and nothing else that it may hold. Raises BadSetup."""
    try:
        certificates = parse_certificates(files.read_regular(path, files.MAX_PEM_BYTES))
    except (OSError, files.Unreadable) as failure:
        raise BadSetup(f"{path}: {files.read_error_text(failure)}") from None
    except ValueError as flaw:
        raise BadSetup(f"{path}: {flaw}") from None
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def issue_secret(
    secret: Secret, authority: CertificateAuthority, trusted: Iterable[bytes], period: Period
) -> JsonObject:
    """The manifest of a secret with a new certificate, its key, and whom its owner trusts."""
    issued = authority.issue((_alternative_name(secret),), period.since, period.until)
    content = {"tls.crt": issued.certificate, "tls.key": issued.key, "ca.crt": b"".join((issued.ca, *trusted))}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": {"app.kubernetes.io/name": "privacy-gateway"},
            "annotations": {NOT_AFTER: rfc3339.from_datetime(period.until)},
        },
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(pem).decode() for name, pem in content.items()},
    }


def _alternative_name(secret: Secret) -> x509.GeneralName:
    kind = x509.UniformResourceIdentifier if secret.subject.startswith("spiffe:") else x509.DNSName
    return kind(secret.subject)


def _shown(length: timedelta) -> str:
    return format_seconds(length.total_seconds())
