"""A pod, run from the JSON that the API server returned: its containers in their order, by runc, in one network.

Init containers go one after the other: those that are restarted (native sidecars) up to their startup probe, the others
to their end. At its end the containers go first, then the sidecars, the last one first.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, Self

from tests.cluster.api import Manifest
from tests.cluster.pods.bundle import Sandbox, check_keys, runtime_config
from tests.cluster.pods.network import Network
from tests.cluster.pods.volumes import Volumes
from tests.image.builder import Image
from tests.image.runc import RuncContainer
from tests.support.proxy_process import wait_until

SPEC_KEYS: Final = frozenset(
    "initContainers containers volumes restartPolicy terminationGracePeriodSeconds dnsPolicy serviceAccountName"
    " serviceAccount automountServiceAccountToken securityContext schedulerName tolerations priority preemptionPolicy"
    " enableServiceLinks hostname subdomain dnsConfig".split()
)
PROBE_SECONDS: Final = 1.0
LOOK_EVERY_SECONDS: Final = 0.02


class Node:
    """What runs pods: images by name, volumes, the network from which it probes, the servers of `/etc/resolv.conf`."""

    def __init__(
        self, images: Mapping[str, Image], volumes: Volumes, network: Network, folder: Path, resolvers: tuple[str, ...]
    ) -> None:
        self.images, self.volumes, self.network, self.folder = images, volumes, network, folder
        self.resolvers = resolvers


class Pod:
    """A pod. A context manager, which leaves nothing of it."""

    def __init__(self, manifest: Manifest, node: Node, network: Network) -> None:
        self.manifest, self.network = manifest, network
        self._node = node
        self._spec: Mapping[str, Any] = manifest["spec"]
        check_keys(self._spec, SPEC_KEYS)
        self._folder = node.folder / manifest["metadata"]["uid"]
        self._folder.mkdir()
        volumes = {volume["name"]: node.volumes.prepare(volume, manifest) for volume in self._spec.get("volumes", ())}
        self._sandbox = Sandbox(network.path, volumes, self._files())
        self._stack = ExitStack()
        self.running: dict[str, RuncContainer] = {}
        self.ages: dict[str, float] = {}
        """By container: seconds from its process's beginning until its startup probe passed."""

    def start(self) -> None:
        """Run all init containers, then start the others."""
        for container in self._spec.get("initContainers", ()):
            if container.get("restartPolicy") == "Always":
                self._launch(container)
                self._wait_until_started(container)
            else:
                self._run_to_end(container)
        for container in self._spec["containers"]:
            self._launch(container)
        for container in self._spec["containers"]:
            self._wait_until_started(container)

    def wait_until_ready(self) -> None:
        """Wait until every probe passes, as a service waits that calls it."""
        for container in self._all():
            for probe in ("readinessProbe", "livenessProbe"):
                if probe in container and container["name"] in self.running:
                    self._wait_until(container, probe)

    def run_beside(self, name: str, **changed: Any) -> str:
        """What a container of the pod prints that is made anew with some of its JSON changed, and runs to its end."""
        (found,) = (container for container in self._all() if container["name"] == name)
        return self._run_to_end({**found, **changed})

    def finish(self) -> str:
        """What the one container prints, once it has ended without an error."""
        (container,) = self._spec["containers"]
        return _ended_well(self.running[container["name"]], container["name"])

    def stop(self) -> dict[str, int]:
        """End all as kubelet does; how each ended, in that order."""
        codes: dict[str, int] = {}
        apps = {container["name"] for container in self._spec["containers"]}
        for names in (apps & self.running.keys(), *([name] for name in reversed(self.running) if name not in apps)):
            for name in names:
                codes[name] = self.running[name].stop()
        return codes

    def _all(self) -> Iterator[Mapping[str, Any]]:
        yield from self._spec.get("initContainers", ())
        yield from self._spec["containers"]

    def _launch(self, container: Mapping[str, Any]) -> RuncContainer:
        image = self._node.images[container["image"]]
        config = runtime_config(container, self.manifest, image, self._sandbox, self._node.volumes)
        launched = self._stack.enter_context(RuncContainer(config, self._folder))
        self.running[container["name"]] = launched
        return launched

    def _run_to_end(self, container: Mapping[str, Any]) -> str:
        output = _ended_well(self._launch(container), container["name"])
        del self.running[container["name"]]
        return output

    def _wait_until_started(self, container: Mapping[str, Any]) -> None:
        if "startupProbe" in container:
            self._wait_until(container, "startupProbe")
            self.ages[container["name"]] = self.running[container["name"]].age

    def _wait_until(self, container: Mapping[str, Any], probe: str) -> None:
        process = self.running[container["name"]]

        def passes() -> bool:
            assert process.alive, f"{container['name']} has ended: {process.output.decode()}"
            return self._passes(container, container[probe])

        wait_until(passes, every=LOOK_EVERY_SECONDS)

    def _passes(self, container: Mapping[str, Any], probe: Mapping[str, Any]) -> bool:
        """Whether a probe passes now. It comes from the node, and is no name's: it goes to the pod's address."""
        asked = probe["httpGet"]
        ports = {port.get("name"): port["containerPort"] for port in container.get("ports", ())}
        connection = http.client.HTTPConnection(
            self.network.addresses[0], ports.get(asked["port"], asked["port"]), timeout=probe.get("timeoutSeconds", 1)
        )
        with closing(connection):
            try:
                self._node.network.within(lambda: connection.request("GET", asked["path"]))
                return 200 <= connection.getresponse().status < 400
            except OSError:
                return False

    def _files(self) -> dict[str, Path]:
        """What kubelet writes for all containers: names, whom to ask for others, where a container says its last."""
        namespace, name = self.manifest["metadata"]["namespace"], self.manifest["metadata"]["name"]
        domains = f"{namespace}.svc.cluster.local svc.cluster.local cluster.local"
        resolvers = (*self._node.resolvers, *self._spec.get("dnsConfig", {}).get("nameservers", ()))
        asked = "".join(f"nameserver {address}\n" for address in resolvers)
        hosts = "".join(f"{address}\t{name}\n" for address in self.network.addresses)
        written = {
            "/etc/resolv.conf": f"search {domains}\n{asked}options ndots:5\n",
            "/etc/hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost\n{hosts}",
            "/etc/hostname": f"{name}\n",
            "": "",
        }
        paths = {target: self._folder / f"file{number}" for number, target in enumerate(written)}
        for target, path in paths.items():
            path.write_text(written[target])
        paths[""].chmod(0o666)
        return paths

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _ended_well(container: RuncContainer, name: str) -> str:
    code = container.wait()
    output = container.output.decode()
    assert code == 0, f"{name} ended with {code}: {output}"
    return output
