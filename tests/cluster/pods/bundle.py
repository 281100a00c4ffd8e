"""A container of a pod as runc runs it: what kubelet and a container runtime make of its JSON.

What stands in the JSON and isn't known here is an error, so that nothing of it is left out in silence. Left out are
seccomp, how much of a processor a container gets, and variables of services: nothing is tested that hangs on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.cluster.api import Manifest
from tests.cluster.pods.volumes import Volumes, field
from tests.image.builder import Image
from tests.image.runc import VERSION, RuntimeConfig, bind, mount

CONTAINER_KEYS: Final = frozenset(
    "name image imagePullPolicy command args workingDir env ports resources restartPolicy securityContext startupProbe"
    " readinessProbe livenessProbe terminationMessagePath terminationMessagePolicy volumeMounts".split()
)
SECURITY_KEYS: Final = frozenset(
    "runAsUser runAsGroup runAsNonRoot readOnlyRootFilesystem allowPrivilegeEscalation capabilities"
    " seccompProfile fsGroup fsGroupChangePolicy".split()
)
DEFAULT_CAPABILITIES: Final = frozenset(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL"
    " AUDIT_WRITE".split()
)
"""What containerd, CRI-O and Docker give a container that says nothing of it."""

UNITS: Final = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
NAMESPACES: Final = ("pid", "ipc", "uts", "mount")


class Sandbox(NamedTuple):
    """What containers of a pod share: the network's namespace, folders of volumes, files that kubelet writes."""

    network: Path
    volumes: Mapping[str, Path]
    files: Mapping[str, Path]


class User(NamedTuple):
    """Whom a container runs as."""

    user: int
    group: int
    groups: Sequence[int]


def runtime_config(
    container: Mapping[str, Any], pod: Manifest, image: Image, sandbox: Sandbox, volumes: Volumes
) -> RuntimeConfig:
    """The runtime's configuration of a container. Its root is read-only, which is stricter than some ask for."""
    check_keys(container, CONTAINER_KEYS)
    variables = environment(container, pod, image, volumes)
    memory = container.get("resources", {}).get("limits", {}).get("memory")
    return {
        "ociVersion": VERSION,
        "hostname": pod["metadata"]["name"],
        "process": {
            **_rights(container.get("securityContext", {}), _user(container, pod, image)),
            "args": _command(container, image, variables),
            "env": [f"{name}={value}" for name, value in variables.items()],
            "cwd": container.get("workingDir") or image.config.working_dir or "/",
        },
        "root": {"path": str(image.root), "readonly": True},
        "mounts": _mounts(container, sandbox),
        "linux": {
            "namespaces": [
                *({"type": kind} for kind in NAMESPACES),
                {"type": "network", "path": str(sandbox.network)},
            ],
            "resources": {} if memory is None else {"memory": {"limit": quantity(memory)}},
        },
    }


def check_keys(found: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise for what nothing here does."""
    assert found.keys() <= known, f"nothing here does {sorted(found.keys() - known)}"


def environment(container: Mapping[str, Any], pod: Manifest, image: Image, volumes: Volumes) -> dict[str, str]:
    """A container's variables: the image's, then its own, which may name those before."""
    found = dict(line.partition("=")[::2] for line in image.config.env)
    found["HOSTNAME"] = pod["metadata"]["name"]
    for variable in container.get("env", ()):
        value = variable.get("value", "")
        if "valueFrom" in variable:
            value = _taken(variable["valueFrom"], pod, volumes)
        found[variable["name"]] = expanded(value, found)
    return found


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """A text with `$(NAME)` replaced, where the variable is there; `$$` is one `$`."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1], found[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", value, text)


def quantity(text: str) -> int:
    """Bytes, as Kubernetes writes them."""
    number, unit = re.fullmatch(r"(\d+)(\D*)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def _taken(source: Mapping[str, Any], pod: Manifest, volumes: Volumes) -> str:
    ((kind, asked),) = source.items()
    match kind:
        case "fieldRef":
            return field(pod, asked["fieldPath"])
        case "secretKeyRef":
            return volumes.read("Secret", pod["metadata"]["namespace"], asked["name"])[asked["key"]].decode()
        case _:
            raise AssertionError(f"nothing here takes a variable from {kind}")


def _command(container: Mapping[str, Any], image: Image, variables: Mapping[str, str]) -> list[str]:
    entrypoint = container.get("command", image.config.entrypoint)
    arguments = container.get("args", () if "command" in container else image.config.cmd)
    return [expanded(word, variables) for word in (*entrypoint, *arguments)]


def _user(container: Mapping[str, Any], pod: Manifest, image: Image) -> User:
    shared = pod["spec"].get("securityContext", {})
    said = {**shared, **container.get("securityContext", {})}
    own_user, _, own_group = image.config.user.partition(":")
    user = said.get("runAsUser", int(own_user or 0))
    assert user or not said.get("runAsNonRoot"), f"{container['name']}: runAsNonRoot, and runs as root"
    group = said.get("runAsGroup", int(own_group or 0) if "runAsUser" not in said else 0)
    return User(user, group, [shared["fsGroup"]] if "fsGroup" in shared else [])


def _rights(security: Mapping[str, Any], user: User) -> dict[str, Any]:
    check_keys(security, SECURITY_KEYS)
    asked = security.get("capabilities", {})
    kept = set() if "ALL" in asked.get("drop", ()) else DEFAULT_CAPABILITIES - set(asked.get("drop", ()))
    held = sorted(f"CAP_{name}" for name in kept | set(asked.get("add", ())))
    return {
        "user": {"uid": user.user, "gid": user.group, "additionalGids": list(user.groups)},
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), held),
        "noNewPrivileges": not security.get("allowPrivilegeEscalation", True),
    }


def _mounts(container: Mapping[str, Any], sandbox: Sandbox) -> list[dict[str, Any]]:
    mounts = [
        mount("/proc", "proc", "noexec", "nodev"),
        mount("/sys", "sysfs", "noexec", "nodev", "ro"),
        mount("/dev", "tmpfs", "mode=755"),
        mount("/dev/shm", "tmpfs", "noexec", "nodev", "mode=1777"),
    ]
    files = {**sandbox.files}
    files[container["terminationMessagePath"]] = files.pop("")
    mounts += [bind(source, target, read_only=False) for target, source in files.items()]
    for mounted in container.get("volumeMounts", ()):
        source = sandbox.volumes[mounted["name"]]
        mounts.append(bind(source, mounted["mountPath"], read_only=mounted.get("readOnly", False)))
    return mounts
