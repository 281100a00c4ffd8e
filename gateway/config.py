"""How one gateway runs: its listeners, its files, its limits. YAML and environment in, one frozen struct out.

What data may go where is the policy's; the environment can't touch that.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.errors import BadConfig
from gateway.yamlfile import Node, Origin, build, compose, text_of

PREFIX: Final = "PRIVACY_GATEWAY__"
"""What the environment's overrides start with; the key follows in capitals, `__` between its parts."""

STATE: Final = Path(".privacy-gateway")
"""The state folder where the configuration names none: in the working folder."""

_TCP: Final = re.compile(r"(?:\[([0-9a-f:.]*:[0-9a-f:.]*)\]|([a-z0-9.-]+)):([0-9]{1,5})", re.ASCII)


class Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway calls: the emit services and OTLP/gRPC. Plaintext, so `address` is loopback or a Unix socket."""

    address: str = "127.0.0.1:4317"
    max_message_bytes: Annotated[int, Meta(ge=1024, le=256 * 1024 * 1024)] = 4 * 1024 * 1024


class Listeners(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens."""

    local: Local = Local()


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may be on its way to the recipients at once: releases, and their bytes. A call beyond that is told to come back."""

    max_items: Annotated[int, Meta(ge=1)] = 65_536
    max_bytes: Annotated[int, Meta(ge=1)] = 64 * 1024 * 1024


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration.

    `contracts` are descriptor sets and folders of `.proto` files. Without a policy or contracts, Kannelle's own count.
    `state` is the folder that embedded stores and exporters write to. A relative path given is one from the configuration file's folder.
    """

    role: Literal["all", "agent", "hub"] = "all"
    policy: Path | None = None
    contracts: tuple[Path, ...] = ()
    state: Path = STATE
    listeners: Listeners = Listeners()
    delivery: Delivery = Delivery()


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at `path`, or the default one, with the overrides of `environ`. Raises BadConfig."""
    root = Node("configuration", None) if path is None else compose(text_of(path, BadConfig), str(path), BadConfig)
    if root.value is None:
        root = Node(root.place, {})
    for name in sorted(environ):
        if name.startswith(PREFIX):
            root = _override(root, name.removeprefix(PREFIX).lower().split("__"), _given(name, environ[name]))
    config, origin = build(root, Config, BadConfig)
    _check(config, origin)
    return _resolve(config, Path() if path is None else path.parent)


def _override(root: Node, keys: list[str], given: Node) -> Node:
    """`root` with `given` at `keys`. What isn't a mapping on the way there stays, and is an error later."""
    if not keys:
        return given
    if not isinstance(root.value, dict):
        return root
    inner = root.value.get(keys[0])
    if inner is None or inner.value is None:
        inner = Node(given.place, {})
    return Node(root.place, {**root.value, keys[0]: _override(inner, keys[1:], given)})


def _given(name: str, text: str) -> Node:
    """The value of an override: YAML, or the text as it is where it isn't YAML (`[::1]:4317`)."""
    try:
        return _moved(compose(text, name, BadConfig), name)
    except BadConfig:
        return Node(name, text, text)


def _moved(node: Node, place: str) -> Node:
    match node.value:
        case dict(entries):
            return Node(place, {key: _moved(entry, place) for key, entry in entries.items()})
        case list(items):
            return Node(place, [_moved(item, place) for item in items])
    return Node(place, node.value, node.text)


def _check(config: Config, origin: Origin) -> None:
    if config.role != "all":
        raise origin.fail(("role",), "this version runs as all only; agent and hub are still to come")
    fault = _fault_of_address(config.listeners.local.address)
    if fault:
        raise origin.fail(("listeners", "local", "address"), fault)


def _fault_of_address(address: str) -> str:
    """What is wrong with the address of a plaintext listener; empty if nothing is."""
    if re.fullmatch(r"unix:/[^\s\0]{1,100}", address):
        return ""
    parts = _TCP.fullmatch(address)
    if parts is None or int(parts[3]) > 65535:
        return "must be host:port, such as 127.0.0.1:4317, or unix:/path"
    return "" if _is_loopback(parts[1] or parts[2]) else "must be on loopback or a Unix socket, for it is plaintext"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _resolve(config: Config, folder: Path) -> Config:
    """`config` with the paths that were given taken from `folder`."""
    return msgspec.structs.replace(
        config,
        policy=None if config.policy is None else folder / config.policy,
        contracts=tuple(folder / contract for contract in config.contracts),
        state=config.state if config.state is STATE else folder / config.state,
    )
