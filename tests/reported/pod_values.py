"""What a recording would tell of the machine on which it was made, replaced by what a usual pod has.

    python -m tests.reported.pod_values

does it to what is kept in `recorded/`, as `record.py` does before it keeps anything. Nothing is taken from the machine
itself: what stands under a key, or looks like such a thing in a text, is replaced whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from tests.reported.recordings import RECORDED, requests
from tests.support.otlp_attributes import any_value

POD: Final = "video-exporter-6897964546-96chb"
KERNEL: Final = "5.10.0-28-cloud-amd64"
BUILD: Final = "#1 SMP Debian 5.10.209-2 (2024-01-31)"
"""A release of Debian's, and what `uname -v` says of it."""
MACHINE_ID: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CONTAINER_ID: Final = MACHINE_ID * 2
OWN_PORT: Final = 8080
PEER_PORT: Final = 40000
MIN_CHOSEN_PORT: Final = 1024
"""Ports that are lower aren't the system's choice."""

_WHOLE: Final[Mapping[str, object]] = {
    "container.id": CONTAINER_ID,
    "host.id": MACHINE_ID,
    "host.name": POD,
    "process.owner": "app",
    "process.pid": 7,
    "process.parent_pid": 1,
}
"""What stands under a key, whatever it was."""

_OWN_PORTS: Final = {"server.port", "net.host.port"}
_RELEASE: Final = re.compile(r"[2-9]\.[0-9]{1,2}(?:\.[0-9]{1,3}){1,2}(?:[+~-][A-Za-z0-9.+~_-]*)?")
_DEVICES: Final = (
    (re.compile(r"lo"), "lo"),
    (re.compile(r"(?:eth|en|ens|wl|ifb|br|docker|veth|cali|tun|wg|cni|flannel|bond|dummy|sit)[a-z]*[0-9].*"), "eth0"),
    (re.compile(r".*"), "nvme0n1"),
)
"""Of network and of disks."""

_LOOPBACK: Final = r"localhost|127\.0\.0\.[0-9]{1,3}|\[::1?\]|0\.0\.0\.0"
_TEXTS: Final = (
    (re.compile(rf"(?P<before>\bLinux (?:[\w.-]+ )?){_RELEASE.pattern}"), rf"\g<before>{KERNEL}"),
    (re.compile(r"#[0-9]+(?:[-~][\w.-]+)? (?:SMP|PREEMPT)(?: [^\s()]+)*? (?=x86_64|aarch64)"), f"{BUILD} "),
    (re.compile(rf"(?P<before>(?:{_LOOPBACK}):)(?!{OWN_PORT}\b)[1-9][0-9]{{3,4}}\b"), rf"\g<before>{OWN_PORT}"),
    (re.compile(r"(?<![\w.])(?:/home/[^/\s\"':]+|/root|/Users/[^/\s\"':]+)(?=[/\s\"':]|\Z)"), "/opt/kannelle"),
    (re.compile(r"\b[0-9a-f]{64}\b(?!-)"), CONTAINER_ID),
    (
        re.compile(r"(?P<before>boot[_ -]?id[=: \"']{1,4})[0-9a-f-]{36}"),
        r"\g<before>00000000-0000-4000-8000-000000000000",
    ),
)


def text(value: str) -> str:
    """Return a text without what tells of a machine.

    The kernel's release and build, ports that the system chose, homes, identifiers.
    """
    for pattern, instead in _TEXTS:
        value = pattern.sub(instead, value)
    return value


def device(name: str) -> str:
    """Return the name that a usual pod's device of this kind has."""
    return next(usual for pattern, usual in _DEVICES if pattern.fullmatch(name))


def usual(key: str, value: object) -> object:
    """Return what stands under an attribute's key in a usual pod, instead of a text or a number."""
    if key in _WHOLE:
        return _WHOLE[key]
    if key == "os.version" and isinstance(value, str) and _RELEASE.fullmatch(value):
        return KERNEL
    if key == "device" and isinstance(value, str):
        return device(value)
    if key.endswith(".port"):
        return _port(key, value)
    return text(value) if isinstance(value, str) else value


def _port(key: str, value: object) -> object:
    if not str(value).isdigit() or int(str(value)) < MIN_CHOSEN_PORT:
        return value
    port = OWN_PORT if key in _OWN_PORTS else PEER_PORT
    return str(port) if isinstance(value, str) else port


def unmake(message: Any) -> Any:
    """Replace it all in a message, in all that is below it; the message itself."""
    if isinstance(message, KeyValue):
        _unmake_pair(message)
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            _unmake_text(message, field, value)
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                unmake(one)
    return message


def _unmake_pair(pair: KeyValue) -> None:
    kind = pair.value.WhichOneof("value")
    if kind in {"string_value", "int_value"}:
        pair.value.CopyFrom(any_value(usual(pair.key, getattr(pair.value, kind))))


def _unmake_text(message: Message, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        value[:] = map(text, value)
    else:
        setattr(message, field.name, text(value))


if __name__ == "__main__":
    for folder in RECORDED.iterdir():
        for signal, request in requests(folder.name):
            (folder / f"{signal.name}.binpb").write_bytes(unmake(request).SerializeToString(deterministic=True))
