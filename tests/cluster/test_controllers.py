"""The cluster is one: its version, and what controllers do."""

from __future__ import annotations

import json

import pytest

from tests.cluster import build
from tests.cluster.cluster import Cluster
from tests.support.proxy_process import wait_until

pytestmark = pytest.mark.cluster


def test_the_server_says_the_version_that_it_was_built_from(cluster: Cluster) -> None:
    assert json.loads(cluster.kubectl("version", "--output=json"))["serverVersion"]["gitVersion"] == build.version()


def test_namespaces_get_a_service_account_and_end(cluster: Cluster) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "short-lived"}}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "short-lived"}}
    cluster.api.create(namespace)
    wait_until(lambda: bool(cluster.api.list(account)))
    cluster.kubectl("delete", "namespace", "short-lived", "--timeout=60s")
