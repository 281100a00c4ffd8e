"""Puts the gateway into a pod of a manifest, by the table that the chart's admission policy is made of.

The same pod comes of both: what is there already stays, and what was put in once isn't put in again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from gateway.json_types import JsonObject, JsonValue

QUANTITY: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?")
"""A quantity of Kubernetes: k8s.io/apimachinery/pkg/api/resource."""


class Refusal(Exception):
    """Why a pod gets no gateway, and what to change."""


class Label(msgspec.Struct, frozen=True):
    """A label of the pods that have a gateway."""

    key: str
    value: str


class Annotations(msgspec.Struct, frozen=True, rename="camel"):
    """The annotations that a pod is asked for, or gets."""

    inject: str
    own_endpoint: str
    default_container: str


class Setting(msgspec.Struct, frozen=True):
    """What a pod may say of its gateway, by an annotation."""

    annotation: str
    default: str


class Variable(msgspec.Struct, frozen=True):
    """A variable of the environment of a service's containers."""

    name: str
    value: str


class Endpoint(msgspec.Struct, frozen=True):
    """The variable of OTLP's endpoint, which fits what `protocol` says: `grpc`, or `http` where that begins so."""

    name: str
    protocol: str
    grpc: str
    http: str


class NoProxy(msgspec.Struct, frozen=True):
    """The variables that keep proxies out: `hosts` is put into them unless `host` is there."""

    names: list[str]
    host: str
    hosts: str


class Table(msgspec.Struct, frozen=True, rename="camel"):
    """What is put into a pod, as the chart renders it. {name} in a text stands for what a pod says of itself."""

    version: Literal[1]
    label: Label
    annotations: Annotations
    settings: dict[str, Setting]
    services: list[str]
    exempt: list[str]
    refusals: dict[str, str]
    init_containers: list[dict[str, object]]
    volumes: list[dict[str, object]]
    env: list[Variable]
    endpoint: Endpoint
    no_proxy: NoProxy


class Pod:
    """A pod, or a workload's template of one, that is changed in place."""

    def __init__(self, template: JsonObject, namespace: str) -> None:
        self.metadata = _object_of(template, "metadata")
        self.spec = _object_of(template, "spec")
        self.namespace = namespace

    @property
    def annotations(self) -> Mapping[str, JsonValue]:
        """Its annotations; none are made."""
        found = self.metadata.get("annotations")
        return found if isinstance(found, dict) else {}

    @property
    def service_account(self) -> str:
        """Its service account, or the one that Kubernetes gives a pod without."""
        return str(self.spec.get("serviceAccountName") or self.spec.get("serviceAccount") or "default")

    @property
    def service(self) -> str:
        """Whose pod it is: namespace and service account."""
        return f"{self.namespace}/{self.service_account}"


def inject(table: Table, pod: Pod) -> bool:
    """Put the gateway into a pod, in place; False where it goes without, as an exempt service account may.

    Raises Refusal, before anything is changed.
    """
    if not _wants_gateway(table, pod):
        return False
    wanted = [_filled(container, table, pod) for container in table.init_containers]
    volumes = [_filled(volume, table, pod) for volume in table.volumes]
    _refuse_taken_names(table, pod, wanted, volumes)
    others = [one for one in _objects_of(pod.spec, "initContainers") if one not in wanted]
    for container in (*_objects_of(pod.spec, "containers"), *others):
        _set_environment(table, container)
    pod.spec["initContainers"] = [*wanted, *others]
    present = _objects_of(pod.spec, "volumes")
    names = {volume.get("name") for volume in present}
    pod.spec["volumes"] = [*present, *(volume for volume in volumes if volume["name"] not in names)]
    _object_of(pod.metadata, "labels")[table.label.key] = table.label.value
    first = next(iter(_objects_of(pod.spec, "containers")), {})
    _object_of(pod.metadata, "annotations").setdefault(table.annotations.default_container, first.get("name"))
    return True


def _wants_gateway(table: Table, pod: Pod) -> bool:
    """Whether the pod gets one. Raises Refusal."""
    said = pod.annotations.get(table.annotations.inject, "enabled")
    if said == "disabled" and pod.service in table.exempt:
        return False
    refused = {
        "annotation": said not in {"enabled", "disabled"},
        "disabled": said == "disabled",
        "unlisted": pod.service not in table.services,
        "hostNetwork": pod.spec.get("hostNetwork") is True,
    }
    for name, holds in refused.items():
        if holds:
            raise _refusal(table, name, pod)
    _refuse_other_quantities(table, pod)
    return True


def _refuse_other_quantities(table: Table, pod: Pod) -> None:
    """Raise Refusal where the pod says of its gateway's resources what is no quantity."""
    annotations: list[JsonObject] = [{"name": setting.annotation} for setting in table.settings.values()]
    other = [one for one in annotations if not QUANTITY.fullmatch(str(pod.annotations.get(str(one["name"]), "0")))]
    if other:
        raise _refusal(table, "quantity", pod, other)


def _refuse_taken_names(table: Table, pod: Pod, wanted: Iterable[JsonObject], volumes: Iterable[JsonObject]) -> None:
    """Raise Refusal where the pod has something else by a name of the gateway's."""
    containers = (*_objects_of(pod.spec, "containers"), *_objects_of(pod.spec, "initContainers"))
    for name, ours, theirs in (
        ("container", wanted, containers),
        ("volume", volumes, _objects_of(pod.spec, "volumes")),
    ):
        by_name = {one["name"]: one for one in ours}
        taken = [one for one in theirs if one.get("name") in by_name and one != by_name[one["name"]]]
        if taken:
            raise _refusal(table, name, pod, taken)


def _refusal(table: Table, name: str, pod: Pod, named: Iterable[JsonObject] = ()) -> Refusal:
    names = ", ".join(str(one.get("name")) for one in named)
    return Refusal(table.refusals[name].replace("{service}", pod.service).replace("{names}", names))


def _set_environment(table: Table, container: JsonObject) -> None:
    """Say where the gateway is, unless the container says something itself: that is admission's to judge."""
    env = _objects_of(container, "env")
    known = {one.get("name"): one for one in env}
    protocol = str(known.get(table.endpoint.protocol, {}).get("value", ""))
    endpoint = table.endpoint.http if protocol.startswith("http/") else table.endpoint.grpc
    for variable in (Variable(table.endpoint.name, endpoint), *table.env):
        if variable.name not in known:
            env.append({"name": variable.name, "value": variable.value})
    env += [{"name": name, "value": table.no_proxy.hosts} for name in table.no_proxy.names if name not in known]
    for one in env:
        value = str(one.get("value") or "")
        is_list = one.get("name") in table.no_proxy.names and "valueFrom" not in one
        if is_list and table.no_proxy.host not in value.split(","):
            one["value"] = f"{value},{table.no_proxy.hosts}" if value else table.no_proxy.hosts
    container["env"] = list[JsonValue](env)


def _filled(part: Mapping[str, object], table: Table, pod: Pod) -> JsonObject:
    """A part of the table with what the pod says of itself in the place of {name}."""
    values = {"podNamespace": pod.namespace, "serviceAccount": pod.service_account}
    for name, setting in table.settings.items():
        values[name] = str(pod.annotations.get(setting.annotation, setting.default))
    text = msgspec.json.encode(part).decode()
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", msgspec.json.encode(value).decode()[1:-1])
    return msgspec.json.decode(text, type=dict)


def _object_of(parent: JsonObject, key: str) -> JsonObject:
    """The object at a key, made where there is none. Raises Refusal for anything else."""
    found = parent.setdefault(key, {})
    if found is None:
        found = parent[key] = {}
    if not isinstance(found, dict):
        raise Refusal(f"{key}: must be an object")
    return found


def _objects_of(parent: JsonObject, key: str) -> list[JsonObject]:
    """The objects at a key; none is made. Raises Refusal for anything else."""
    found = parent.get(key) or []
    objects = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    if not isinstance(found, list) or len(objects) < len(found):
        raise Refusal(f"{key}: must be a list of objects")
    return objects
