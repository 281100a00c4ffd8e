"""Certificates of cert-manager's CSI driver: no secret holds them, and no other volume asks for a gateway's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.cluster.api import said
from tests.cluster.objects import Object, pod
from tests.cluster.release import VALUES, Release

pytestmark = pytest.mark.cluster

ISSUER: Final = {"name": "internal", "kind": "ClusterIssuer"}
BY_DRIVER: Final[Mapping[str, Any]] = {**VALUES, "certificates": {"mode": "csi-driver", "issuer": ISSUER}}
REFUSED: Final = (
    "the volume own has the name or the certificate of one of the privacy gateway's: rename it, or leave it out"
)
ID: Final = "spiffe://cluster.local/ns/video/sa/default"

VOLUMES: Final[Mapping[str, tuple[Mapping[str, str], str | None]]] = {
    "as the gateway's": ({"issuer-name": "internal", "uri-sans": ID}, REFUSED),
    "by variables": ({"issuer-name": "internal", "uri-sans": "${POD_NAME}://cluster.local/ns/video/sa/a"}, REFUSED),
    "of another issuer": ({"issuer-name": "other", "uri-sans": ID}, None),
    "without a URI": ({"issuer-name": "internal", "dns-names": "app.video.svc"}, None),
}


@pytest.fixture(scope="module", autouse=True)
def applied(release: Release) -> None:
    release.apply(BY_DRIVER)


def asking(attributes: Mapping[str, str], driver: str = "csi.cert-manager.io") -> Object:
    """A pod with a volume of a driver."""
    named = {f"csi.cert-manager.io/{name}": value for name, value in attributes.items()}
    return pod(volumes=[{"name": "own", "csi": {"driver": driver, "readOnly": True, "volumeAttributes": named}}])


@pytest.mark.parametrize(("attributes", "text"), [pytest.param(*row, id=name) for name, row in VOLUMES.items()])
def test_a_volume_that_asks_for_a_gateway_s_certificate_is_refused(
    attributes: Mapping[str, str], text: str | None, release: Release
) -> None:
    assert said(lambda: release.cluster.api.create(asking(attributes), dry_run=True)) == text


def test_another_driver_s_volumes_are_its_own(release: Release) -> None:
    asked = asking({"issuer-name": "internal", "uri-sans": ID}, driver="csi.example.com")
    assert said(lambda: release.cluster.api.create(asked, dry_run=True)) is None
