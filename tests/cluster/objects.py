"""Manifests of what tests create, as short as a server takes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

INJECT: Final = "privacy.kannelle.com/inject"
GATEWAY: Final = "privacy-gateway"

HARMLESS: Final[Mapping[str, Any]] = {
    "runAsUser": 1000,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What a container says of itself where Pod Security restricts, and where the lock is on."""

Object = dict[str, Any]


def object_of(version: str, kind: str, name: str, namespace: str | None = None, **parts: Any) -> Object:
    """An object, with its parts beside `metadata`."""
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def namespace_of(name: str, labels: Mapping[str, str] | None = None) -> Object:
    """A namespace."""
    made = object_of("v1", "Namespace", name)
    made["metadata"]["labels"] = dict(labels or {})
    return made


def container(name: str = "app", **parts: Any) -> Object:
    """A container."""
    return {"name": name, "image": f"example/{name}:1", **parts}


def env(**variables: str) -> list[Object]:
    """Variables of a container's environment."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def pod(
    *containers: Object,
    name: str = "",
    namespace: str = "video",
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A pod of one container unless others are given; a name of the server's unless one is given."""
    metadata: Object = {"namespace": namespace, **({"name": name} if name else {"generateName": "app-"})}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": list(containers or (container(),)), **spec},
    }


def variables(one: Object) -> dict[str, str]:
    """A container's environment; what comes from elsewhere is empty."""
    return {variable["name"]: variable.get("value", "") for variable in one.get("env", ())}


def injected(made: Object) -> Object:
    """What a server made of a pod, without what it says of each anew: its name, and where its token is.

    Volumes are in the order of their names: the token's is put before or behind what a manifest has.
    """
    spec = json.loads(re.sub(r"kube-api-access-\w+", "kube-api-access", json.dumps(made["spec"])))
    spec["volumes"] = sorted(spec.get("volumes", ()), key=itemgetter("name"))
    metadata = made["metadata"]
    return {
        "metadata": {key: metadata[key] for key in ("namespace", "labels", "annotations") if key in metadata},
        "spec": spec,
    }
