"""What `certificates` prints is applied to a server, and applied again when it is renewed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster.objects import object_of
from tests.cluster.release import NAMESPACE, VALUES, Release
from tests.support.issued_secrets import issue, material_of, names

pytestmark = pytest.mark.cluster


def test_secrets_are_applied_and_renewed_and_their_keys_are_nowhere_else(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {(NAMESPACE, "privacy-gateway-hub-tls"): "privacy-gateway-hub.privacy-gateway.svc"} | {
        (one["name"], f"privacy-gateway-tls-{account}"): f"spiffe://cluster.local/ns/{one['name']}/sa/{account}"
        for one in VALUES["namespaces"]
        for account in one["serviceAccounts"]
    }
    keys = set()
    for _ in range(2):
        printed = issue(values=yaml.safe_dump({"namespaces": VALUES["namespaces"]})).stdout
        release.cluster.kubectl("apply", "--server-side", "--filename", "-", standard_input=printed)
        for (namespace, name), subject in places.items():
            secret = release.cluster.api.read(object_of("v1", "Secret", name, namespace))
            assert names(material_of(secret)) == [subject]
            assert list(secret["metadata"]["annotations"]) == ["privacy.kannelle.com/certificate-not-after"]
            keys.add(secret["data"]["tls.key"])
    assert len(keys) == 2 * len(places)
