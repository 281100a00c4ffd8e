"""A cluster with the chart on it, whose pods run: outside, its DNS, and the hub that its controller made."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.chart.helm import CHART
from tests.cluster.api import Refused, said
from tests.cluster.cluster import Cluster
from tests.cluster.objects import Object, object_of
from tests.cluster.pods import images, manifests
from tests.cluster.pods.manifests import EXPORTER, HUB, HUB_HOST, NAMESPACE, RELEASE_NAMESPACE, Security
from tests.cluster.pods.network import Networks, networks
from tests.cluster.pods.outside import Outside, serving
from tests.cluster.pods.places import ALLOWED, RESOLVERS, SERVED
from tests.cluster.pods.pod import Node, Pod
from tests.cluster.pods.programs import idle
from tests.cluster.pods.volumes import Volumes
from tests.image.builder import Image
from tests.support.proxy_process import wait_until

Values = Mapping[str, Any]

COMMON: Final[Values] = {
    "image": {"repository": images.REPOSITORY, "tag": images.TAG},
    "namespaces": [{"name": NAMESPACE, "serviceAccounts": [manifests.ACCOUNT]}],
}
OPEN: Final[Values] = {}
LOCKED: Final[Mapping[str, Values]] = {
    kind: {"lock": {"enabled": True, "image": image, "allow": list(ALLOWED)}} for kind, image in images.LOCKS.items()
}
UNGUARDED: Final[Values] = {**LOCKED["nft"], "admission": {"enabled": False}}
"""A lock, and nothing that refuses a pod that could get round it."""


class Site:
    """Where pods run. `hub` is the hub's; `outside` has the servers."""

    hub: Pod
    outside: Outside

    def __init__(self, cluster: Cluster, node: Node, nets: Networks) -> None:
        self.node = node
        self._cluster, self._nets = cluster, nets
        self._numbers = itertools.count(1)
        self._values: Values | None = None

    def apply(self, values: Values) -> None:
        """Have the chart there with values, unless it is."""
        if self._values != values:
            command = ("upgrade", "--install", "privacy", str(CHART), "--namespace", RELEASE_NAMESPACE)
            self._cluster.helm(*command, given={**COMMON, **values})
            self._values = values

    def service(self, **security: Security) -> Object:
        """A pod of the service that waits to be called or ended."""
        return self.manifest("/app/idle.py", **security)

    def manifest(self, *command: str, **security: Security) -> Object:
        """A pod of the service, by a name of its own: see `manifests.service_pod`."""
        name = f"{manifests.ACCOUNT}-{next(self._numbers)}"
        return manifests.service_pod(name, *command, **security)

    def admit(self, manifest: Object) -> Object:
        """What the API server makes of a pod, once the values are in force there: a moment after they were applied."""
        first = (self._values or {}).get("lock", {}).get("image", images.GATEWAY)
        wait_until(lambda: self._first_image(manifest) == first)
        return self._cluster.api.create(manifest)

    def refusal(self, manifest: Object) -> str:
        """Why the API server refuses a pod, once it does."""
        found: str = wait_until(lambda: said(lambda: self._cluster.api.create(manifest, dry_run=True)))
        return found

    @contextmanager
    def running(self, manifest: Object) -> Iterator[Pod]:
        """A pod that runs, in a network of its own; the server forgets it at its end."""
        with Pod(manifest, self.node, self._nets.add_pod()) as pod:
            pod.start()
            yield pod
        self._cluster.api.delete(manifest)

    @contextmanager
    def idling(self, manifest: Object) -> Iterator[Pod]:
        """A pod that waits, admitted, ready, and with its containers there."""
        with self.running(self.admit(manifest)) as pod:
            pod.wait_until_ready()
            for container in pod.manifest["spec"]["containers"]:
                pod.running[container["name"]].wait_for_output(idle.SAID.encode())
            yield pod

    @contextmanager
    def running_hub(self) -> Iterator[None]:
        """The pod that the StatefulSet's controller made, behind its service's address, which the DNS knows."""
        address = self._cluster.api.read(object_of("v1", "Service", HUB, RELEASE_NAMESPACE))["spec"]["clusterIP"]
        network = self._nets.add_pod()
        self._nets.route(address, network)
        pods = object_of("v1", "Pod", f"{HUB}-0", RELEASE_NAMESPACE)
        wait_until(lambda: self._cluster.api.list(pods))
        names = dict.fromkeys((HUB_HOST, f"{HUB_HOST}.cluster.local"), address)
        with (
            serving(self._nets.outside, SERVED, names) as self.outside,
            Pod(self._cluster.api.read(pods), self.node, network) as self.hub,
        ):
            self.hub.start()
            self.hub.wait_until_ready()
            yield

    def has_written(self, name: str, text: str) -> bool:
        """Whether the hub has written a text to a file of its state, which is on its volume claim."""
        path = self.node.volumes.claim(RELEASE_NAMESPACE, f"outbox-{HUB}-0") / "state" / name
        return path.exists() and text in path.read_text(encoding="utf-8")

    def _first_image(self, manifest: Object) -> str | None:
        """The image of the first init container that a pod would have; none where it would be refused."""
        try:
            inits = self._cluster.api.create(manifest, dry_run=True)["spec"].get("initContainers", ())
        except Refused:
            return None
        return inits[0]["image"] if inits else None


@contextmanager
def built(cluster: Cluster, found: Mapping[str, Image], folder: Path) -> Iterator[Site]:
    """A site on a cluster, with its hub."""
    volumes = Volumes(cluster.api, folder)
    manifests.install_exporter(volumes.claim(NAMESPACE, EXPORTER))
    for one in manifests.before():
        cluster.api.create(one)
    with ExitStack() as stack:
        nets = stack.enter_context(networks())
        site = Site(cluster, Node(found, volumes, nets.outside, folder, RESOLVERS), nets)
        site.apply(OPEN)
        stack.enter_context(site.running_hub())
        yield site
