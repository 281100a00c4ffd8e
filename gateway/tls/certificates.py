"""The material in use, and the credentials that gRPC is given of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import grpc

from gateway import rfc3339
from gateway.telemetry.checks import Check
from gateway.tls.material import Material, Validity


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
    def current(self) -> tuple[int, Material]:
        """What is in use, behind its generation: both of one moment."""
        return self._now

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
        generation, material = self._now
        changes = CertificateChanges(self, generation)
        # The types don't say that None, for no change, is an answer; gRPC's documentation does.
        fetch: Any = changes.fetch
        return grpc.dynamic_ssl_server_credentials(_configuration(material), fetch, True)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """For a channel, with the material of this moment: a channel can't change its own."""
        material = self.material
        return grpc.ssl_channel_credentials(material.ca, material.key, material.certificate)

    def versioned_credentials(self) -> tuple[int, grpc.ChannelCredentials]:
        """The same, behind the generation of the material."""
        generation, material = self._now
        return generation, grpc.ssl_channel_credentials(material.ca, material.key, material.certificate)


class CertificateChanges:
    """Tells gRPC of each change of the material, once, from threads of its own."""

    def __init__(self, certificates: Certificates, generation: int) -> None:
        self._certificates = certificates
        self._generation = generation

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """What new connections get from now on; None if that is still the same."""
        generation, material = self._certificates.current
        if generation == self._generation:
            return None
        self._generation = generation
        return _configuration(material)


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.certificate)], material.ca)
