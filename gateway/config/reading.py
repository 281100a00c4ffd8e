"""The configuration's file and the environment over it, read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.config.checks import check
from gateway.config.document import DEFAULT_OUTBOX, DEFAULT_STATE_FOLDER, Config, HashSecret, Tls
from gateway.errors import BadConfig
from gateway.yamlfile import Node, Origin, build, compose, load_text

ENV_PREFIX: Final = "PRIVACY_GATEWAY__"
"""What the environment's overrides start with; the key follows in capitals, `__` between its parts."""

SERVICE_LINK: Final = re.compile(
    r"SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)
"""What follows a Service's name in the variables by which Kubernetes tells pods of it:
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables."""


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in the file at `path`, or the default one, with the overrides of `environ`.

    Raises BadConfig.
    """
    return read(path, environ)[0]


def read(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, Origin]:
    """The same, and where each of its keys stands. Raises BadConfig."""
    root = Node("configuration", None) if path is None else compose(load_text(path, BadConfig), str(path), BadConfig)
    if root.value is None:
        root = Node(root.place, {})
    overrides = {name for name in environ if name.startswith(ENV_PREFIX)}
    for name in sorted(overrides - _service_links(overrides)):
        keys = name.removeprefix(ENV_PREFIX).lower().split("__")
        root = _override(root, keys, _node_of_override(name, environ[name]))
    config, origin = build(root, Config, BadConfig)
    check(config, origin)
    return _resolve_paths(_without_default_outbox(config), Path() if path is None else path.parent), origin


def _service_links(names: set[str]) -> set[str]:
    """Which of the variables tell of a Kubernetes Service whose name begins as they do, `privacy-gateway--a`.

    Kubernetes always sets its host and its port; one of them alone is a key that is misspelt.
    """
    services = {
        service
        for name in names
        if name.removeprefix(ENV_PREFIX).endswith("_SERVICE_HOST")
        and f"{(service := name.removesuffix('SERVICE_HOST'))}SERVICE_PORT" in names
    }
    return {
        name
        for name in names
        for service in services
        if name.startswith(service) and SERVICE_LINK.fullmatch(name.removeprefix(service))
    }


def _override(root: Node, keys: list[str], given: Node) -> Node:
    """`root` with `given` at `keys`. Raises BadConfig where what stands on the way there is no mapping."""
    if not keys:
        return given
    if not isinstance(root.value, dict):
        raise BadConfig(f"{given.place}: {root.place} gives one value there, which has nothing below it to override")
    inner = root.value.get(keys[0])
    if inner is None or inner.value is None:
        inner = Node(given.place, {})
    return Node(root.place, {**root.value, keys[0]: _override(inner, keys[1:], given)})


def _node_of_override(name: str, text: str) -> Node:
    """The value of an override: YAML, or the text as it is where it isn't YAML (`[::1]:4317`).

    An empty one is text, not null.
    """
    if not text:
        return Node(name, text, text)
    try:
        return _with_place(compose(text, name, BadConfig), name)
    except BadConfig:
        return Node(name, text, text)


def _with_place(node: Node, place: str) -> Node:
    match node.value:
        case dict(entries):
            return Node(place, {key: _with_place(entry, place) for key, entry in entries.items()})
        case list(items):
            return Node(place, [_with_place(item, place) for item in items])
    return msgspec.structs.replace(node, place=place)


def _without_default_outbox(config: Config) -> Config:
    """`config` without an outbox where it is an agent's and none was given: a sidecar has no volume by itself."""
    if config.role == "agent" and config.outbox is DEFAULT_OUTBOX:
        return msgspec.structs.replace(config, outbox=None)
    return config


def _resolve_paths(config: Config, folder: Path) -> Config:
    """`config` with the paths that were given taken from `folder`."""
    return msgspec.structs.replace(
        config,
        policy=None if config.policy is None else folder / config.policy,
        contracts=tuple(folder / contract for contract in config.contracts),
        state=config.state if config.state is DEFAULT_STATE_FOLDER else folder / config.state,
        hash_secret=config.hash_secret and _resolve_secret(config.hash_secret, folder),
        tls=config.tls
        and Tls(certificate=folder / config.tls.certificate, key=folder / config.tls.key, ca=folder / config.tls.ca),
    )


def _resolve_secret(secret: HashSecret, folder: Path) -> HashSecret:
    return secret if secret.file is None else msgspec.structs.replace(secret, file=folder / secret.file)
