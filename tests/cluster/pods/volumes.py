"""What a pod's volumes hold, of the objects that the API server has: laid out as kubelet does it.

Files of ConfigMaps and their like are links through `..data`; what a pod may write to is its `fsGroup`'s.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.cluster.api import Api, Manifest

WRITABLE_BY_GROUP: Final = 0o2770
READABLE_BY_GROUP: Final = 0o440
TOKEN_SECONDS: Final = 3600


class File(NamedTuple):
    """A file of a volume."""

    path: str
    content: bytes
    mode: int


class Volumes:
    """Makes folders of volumes. Claims keep what is in theirs from pod to pod."""

    def __init__(self, api: Api, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def claim(self, namespace: str, name: str) -> Path:
        """The folder of a claim. A new one is the root user's, as a new disk is."""
        path = self._folder / "claims" / namespace / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def prepare(self, volume: Mapping[str, Any], pod: Manifest) -> Path:
        """The folder of one of a pod's volumes."""
        ((kind, source),) = ((key, value) for key, value in volume.items() if key != "name")
        metadata = pod["metadata"]
        group = pod["spec"].get("securityContext", {}).get("fsGroup")
        path: Path = self._folder / "volumes" / metadata["uid"] / volume["name"]
        match kind:
            case "persistentVolumeClaim":
                path = self.claim(metadata["namespace"], source["claimName"])
            case "emptyDir":
                path.mkdir(parents=True)
                path.chmod(0o777)
            case _:
                _write(path, list(self._files(kind, source, pod)), group)
                return path
        if group is not None:
            os.chown(path, -1, group)
            path.chmod(path.stat().st_mode | WRITABLE_BY_GROUP)
        return path

    def read(self, kind: str, namespace: str, name: str) -> dict[str, bytes]:
        """What a ConfigMap or a Secret holds, by key."""
        found = self._api.read({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}})
        encoded = found.get("data" if kind == "Secret" else "binaryData", {})
        plain = {} if kind == "Secret" else found.get("data", {})
        decoded = {key: base64.b64decode(value) for key, value in encoded.items()}
        return {key: value.encode() for key, value in plain.items()} | decoded

    def _files(self, kind: str, source: Mapping[str, Any], pod: Manifest) -> Iterator[File]:
        mode = source.get("defaultMode", 0o644)
        namespace = pod["metadata"]["namespace"]
        match kind:
            case "projected":
                for projection in source["sources"]:
                    ((inner, held),) = projection.items()
                    yield from self._files(inner, {"defaultMode": mode, **held}, pod)
            case "configMap":
                yield from _chosen(self.read("ConfigMap", namespace, source["name"]), source.get("items"), mode)
            case "secret":
                name = source.get("secretName") or source["name"]
                yield from _chosen(self.read("Secret", namespace, name), source.get("items"), mode)
            case "downwardAPI":
                for item in source["items"]:
                    yield File(item["path"], field(pod, item["fieldRef"]["fieldPath"]).encode(), mode)
            case "serviceAccountToken":
                yield File(source["path"], self._token(pod).encode(), mode)
            case _:
                raise AssertionError(f"nothing here makes a volume of kind {kind}")

    def _token(self, pod: Manifest) -> str:
        metadata, account = pod["metadata"], pod["spec"]["serviceAccountName"]
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        answer = self._api.ask(
            "POST",
            f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": TOKEN_SECONDS, "boundObjectRef": bound},
            },
        )
        return str(answer["status"]["token"])


def field(pod: Manifest, path: str) -> str:
    """A field of a pod, by its path."""
    found: Any = pod
    for key in path.split("."):
        found = found[key]
    return str(found)


def _chosen(content: Mapping[str, bytes], items: Sequence[Mapping[str, Any]] | None, mode: int) -> Iterator[File]:
    if items is None:
        yield from (File(key, value, mode) for key, value in content.items())
    else:
        yield from (File(item["path"], content[item["key"]], item.get("mode", mode)) for item in items)


def _write(path: Path, files: Sequence[File], group: int | None) -> None:
    held = path / "..2026"
    held.mkdir(parents=True)
    (path / "..data").symlink_to(held.name)
    for file in files:
        target = held / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
        if group is not None:
            os.chown(target, -1, group)
            target.chmod(file.mode | READABLE_BY_GROUP)
    for name in {Path(file.path).parts[0] for file in files}:
        (path / name).symlink_to(Path("..data", name))
