"""The chart's one release in a cluster, and the namespaces that its values speak of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec
import yaml

from gateway.cli.injection import Pod, Table, inject
from tests.chart.helm import CHART
from tests.cluster.api import Refused, said
from tests.cluster.cluster import Cluster
from tests.cluster.objects import HARMLESS, INJECT, Object, container, namespace_of, object_of, pod
from tests.support.proxy_process import wait_until

NAME: Final = "privacy"
NAMESPACE: Final = "privacy-gateway"
SECURITY: Final = "pod-security.kubernetes.io/enforce"

LABELLED: Final[Mapping[str, Mapping[str, str]]] = {
    "video": {},
    "quota": {},
    "baseline": {SECURITY: "baseline"},
    "restricted": {SECURITY: "restricted"},
    "privileged": {SECURITY: "privileged"},
    "sales": {},
}
"""Namespaces whose pods are to have a gateway, with their further labels. Nobody lists sales."""

ACCOUNTS: Final = ("editor", "studio", "batch")
"""Service accounts of video beside its default one. Nobody lists studio; batch is exempt."""

VALUES: Final[Mapping[str, Any]] = {
    "namespaces": [
        {"name": "video", "serviceAccounts": ["default", "editor"]},
        *({"name": name, "serviceAccounts": ["default"]} for name in LABELLED if name not in {"video", "sales"}),
    ],
    "exempt": ["video/batch"],
}


class Release:
    """The release of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._applied: Mapping[str, Any] = {}
        self._upgrades = 0

    def prepare(self) -> None:
        """Make the namespaces and service accounts that values speak of."""
        api = self.cluster.api
        api.create(namespace_of(NAMESPACE))
        for name, labels in LABELLED.items():
            api.create(namespace_of(name, {INJECT: "enabled", **labels}))
        for name in ACCOUNTS:
            api.create(object_of("v1", "ServiceAccount", name, "video"))
        # A pod needs its namespace's own account, which a controller makes.
        own = [object_of("v1", "ServiceAccount", "default", name) for name in LABELLED]
        wait_until(
            lambda: all(any(one["metadata"]["name"] == "default" for one in api.list(account)) for account in own)
        )

    def apply(self, given: Mapping[str, Any]) -> str:
        """Have values in force, by an install or an upgrade where others are; what helm says. Raises Failed."""
        if given == self._applied:
            return ""
        self._upgrades += 1
        # Another image each time, so that it shows which policies the server goes by.
        image = {"repository": "example/gateway", "tag": f"r{self._upgrades}"}
        told = self.helm("upgrade", "--install", NAME, str(CHART), "--reset-values", given={"image": image, **given})
        self._applied = given
        wait_until(self._is_in_force)
        return told

    def roll_back(self) -> None:
        """Go back to the values of before."""
        self._applied = {}
        self.helm("rollback", NAME)
        wait_until(self._is_in_force)

    def uninstall(self) -> None:
        """Take it out of the cluster, where it is; pods are as they would be without it."""
        self._applied = {}
        self.helm("uninstall", NAME, "--wait", "--ignore-not-found")
        wait_until(self._is_gone)

    def helm(self, *arguments: str, given: Mapping[str, Any] | None = None) -> str:
        """What helm prints. Raises Failed."""
        return self.cluster.helm(*arguments, "--namespace", NAMESPACE, given=given)

    def held_table(self) -> dict[str, Any]:
        """The ConfigMap of what is put into pods."""
        return self.cluster.api.read(object_of("v1", "ConfigMap", "privacy-gateway-injection", NAMESPACE))

    def table(self) -> dict[str, Any]:
        """What is put into pods."""
        table: dict[str, Any] = yaml.safe_load(self.held_table()["data"]["table.yaml"])
        return table

    def _is_in_force(self) -> bool:
        """Whether the server injects this table, or leaves that to manifests, and whether it refuses by it."""
        table = self.table()
        patched = probe()
        inject(msgspec.convert(table, Table), Pod(patched, patched["metadata"]["namespace"]))
        if self._refusal(patched) is not None or self._refusal(probe("perhaps")) is None:
            return False
        try:
            made = self.cluster.api.create(probe(), dry_run=True)
        except Refused as refused:
            return "patch its manifest" in refused.text
        return [one["image"] for one in made["spec"].get("initContainers", ())] == [
            one["image"] for one in table["initContainers"]
        ]

    def _refusal(self, asked: Object) -> str | None:
        return said(partial(self.cluster.api.create, asked, dry_run=True))

    def _is_gone(self) -> bool:
        """Whether the server injects and refuses nothing."""
        try:
            made = self.cluster.api.create(probe("perhaps"), dry_run=True)
        except Refused:
            return False
        return "initContainers" not in made["spec"]


def probe(said: str = "enabled") -> dict[str, Any]:
    """A pod that is admitted whatever values say, unless its annotation does."""
    return pod(container(securityContext=dict(HARMLESS)), annotations={INJECT: said}, securityContext={"fsGroup": 1000})
