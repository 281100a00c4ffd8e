"""How one gateway runs: its listeners, its files, its limits. YAML and environment in, one frozen struct out.

What data may go where is the policy's; the environment can't touch that.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.errors import BadConfig
from gateway.policy.targets import OURS, is_written
from gateway.yamlfile import Node, Origin, build, compose, text_of

PREFIX: Final = "PRIVACY_GATEWAY__"
"""What the environment's overrides start with; the key follows in capitals, `__` between its parts."""

STATE: Final = Path(".privacy-gateway")
"""The state folder where the configuration names none: in the working folder."""

_TCP: Final = re.compile(r"(?:\[([0-9a-f:.]*:[0-9a-f:.]*)\]|([a-z0-9.-]+)):([0-9]{1,5})", re.ASCII)


SPIFFE_ID: Final = r"(?=.{1,2048}\Z)spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)+"
"""A workload's: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity."""

DNS_NAME: Final = r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""In lower case and without a dot at its end: RFC 1123, section 2.1."""

Bytes = Annotated[int, Meta(ge=1024, le=256 * 1024 * 1024)]
Calls = Annotated[int, Meta(ge=1, le=1_000_000)]
Age = Annotated[float, Meta(gt=0, le=7 * 86400)]
Pause = Annotated[float, Meta(ge=0, le=3600)]
Name = Annotated[
    str, Meta(pattern=f"{SPIFFE_ID}|{DNS_NAME}", description="a SPIFFE ID, such as spiffe://example.org/video, or a DNS name in lower case")
]
HubAddress = Annotated[
    str,
    Meta(
        pattern=r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?):[0-9]{1,5}",
        description="host:port, such as privacy-hub.kannelle.svc:14007",
    ),
]
Agent = Annotated[
    str,
    Meta(
        pattern=f"{SPIFFE_ID}(?:/\\*)?|{DNS_NAME}",
        description="a SPIFFE ID, such as spiffe://example.org/video or spiffe://example.org/apps/*, or a DNS name in lower case",
    ),
]


class Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway calls: the emit services and OTLP/gRPC. Plaintext, so `address` is loopback or a Unix socket."""

    address: str = "127.0.0.1:4317"
    max_message_bytes: Bytes = 4 * 1024 * 1024


class LocalHttp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway sends OTLP/HTTP. Plaintext, as `Local` is. `max_message_bytes` hold after decompression too."""

    address: str = "127.0.0.1:4318"
    max_message_bytes: Bytes = 4 * 1024 * 1024


class Outbound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the service beside the gateway calls other services. Plaintext, as `Local` is. `max_calls` at once.

    A request is at most `max_message_bytes`, whatever its route allows. Connections end as those of `Inbound` do.
    """

    address: str = "127.0.0.1:14001"
    max_message_bytes: Bytes = 4 * 1024 * 1024
    max_calls: Calls = 4096
    max_connection_age: Age = 3600.0
    max_connection_grace: Age = 300.0


class Inbound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where other services call the one beside the gateway. TLS, both sides with a certificate.

    A connection is told to leave after `max_connection_age` seconds, and its calls have `max_connection_grace` seconds more.
    """

    address: str = "0.0.0.0:14006"
    max_message_bytes: Bytes = 4 * 1024 * 1024
    max_calls: Calls = 4096
    max_connection_age: Age = 3600.0
    max_connection_grace: Age = 300.0


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a hub's agents hand their releases over. TLS, both sides with a certificate; `agents` names who may.

    A name that ends in `/*` stands for all SPIFFE IDs below it. Connections end as those of `Inbound` do.
    """

    address: str = "0.0.0.0:14007"
    agents: tuple[Agent, ...] = ()
    max_message_bytes: Bytes = 16 * 1024 * 1024
    max_calls: Calls = 4096
    max_connection_age: Age = 3600.0
    max_connection_grace: Age = 300.0


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where gRPC health is asked. Plaintext on any address, for Kubernetes probes the pod's; it carries no data."""

    address: str = "0.0.0.0:14020"


class Http(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where `/livez`, `/readyz` and `/metrics` are asked. Plaintext on any address, `host:port` only; it carries no data."""

    address: str = "0.0.0.0:14022"


class Listeners(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens. What is None is off: `outbound: {}` turns one on with its defaults, `local_http: null` turns one off."""

    local: Local = Local()
    local_http: LocalHttp | None = LocalHttp()
    outbound: Outbound | None = None
    inbound: Inbound | None = None
    delivery: Delivery | None = None
    health: Health | None = None
    http: Http | None = None


class Tls(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files in PEM: the gateway's own certificate, its chain behind it, and its key; `ca` verifies callers and upstreams."""

    certificate: Path
    key: Path
    ca: Path


class Stop(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway leaves, in seconds.

    `notice`: how long health says NOT_SERVING before the first call is refused. `grace`: how long calls in flight may then take.
    """

    notice: Pause = 0.0
    grace: Pause = 10.0


class Reload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often, in seconds, the files of policy, contracts, exporters and TLS are looked at; 0 is never. SIGHUP works all the same.

    `grace`, in seconds, is what a call in flight has left when the policy doesn't let it go on any more.
    """

    every: Pause = 2.0
    grace: Pause = 10.0


class Outbox(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where releases are kept, in the state folder, until their recipients have them.

    `max_bytes` of them at most: a call beyond that is told to come back. What couldn't be delivered within `max_age` becomes a dead letter.
    `sweep` is how often, in seconds, what is too old is looked for. The volume keeps `margin` bytes free, so that what was delivered
    can still be deleted. `remember` is how long, in seconds, a request ID is known at least after its item was stored.
    """

    max_bytes: Annotated[int, Meta(ge=64 * 1024)] = 1024 * 1024 * 1024
    max_age: timedelta = timedelta(days=3)
    sweep: Annotated[float, Meta(gt=0, le=3600)] = 60.0
    margin: Annotated[int, Meta(ge=0)] = 16 * 1024 * 1024
    remember: Annotated[float, Meta(ge=0, le=7 * 86400)] = 3600.0


class Hub(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an agent hands its releases: `host:port`, by mutual TLS.

    `timeout`, in seconds, is how long it waits to hear that they are stored.
    """

    address: HubAddress
    timeout: Annotated[float, Meta(gt=0, le=300)] = 10.0


class Traces(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's own traces, which go through the flow `otlp/traces`. `ratio` of those that begin here are kept; 0 is off."""

    ratio: Annotated[float, Meta(ge=0, le=1)] = 0.0


class Telemetry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway says of itself, beside its metrics."""

    traces: Traces = Traces()


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration.

    `contracts` are descriptor sets and folders of `.proto` files. Without a policy or contracts, Kannelle's own count.
    `state` is the folder that embedded stores and exporters write to. A relative path given is one from the configuration file's folder.
    `service` is who the service beside the gateway is: the caller on `outbound`. `reflection` lists the gateway's own services on `local`.
    `insecure_loopback` lets exporters send to `http://` on this machine, for trials.
    """

    role: Literal["all", "agent", "hub"] = "all"
    policy: Path | None = None
    contracts: tuple[Path, ...] = ()
    state: Path = STATE
    service: Name = ""
    listeners: Listeners = Listeners()
    tls: Tls | None = None
    outbox: Outbox | None = Outbox()
    hub: Hub | None = None
    stop: Stop = Stop()
    reload: Reload = Reload()
    telemetry: Telemetry = Telemetry()
    reflection: bool = False
    insecure_loopback: bool = False


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
    for keys, text in _faults(config):
        raise origin.fail(keys, text)


def _faults(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with values together: the key, and the text of the error."""
    yield from _faults_of_role(config)
    yield from _faults_of_files(config)
    addresses = _addresses(config.listeners)
    for name, address in addresses.items():
        fault = _fault_of_address(name, address)
        if fault:
            yield ("listeners", name, "address"), fault
    if config.listeners.outbound and not config.service:
        yield ("listeners", "outbound"), "needs `service`: a SPIFFE ID or DNS name that says whose calls these are"
    if config.listeners.inbound and config.tls is None:
        yield ("listeners", "inbound"), "needs `tls`, with certificate, key and ca, for it is never plaintext"
    for (one, taken), (other, address) in itertools.combinations(addresses.items(), 2):
        if _meet(taken, address):
            yield ("listeners", other, "address"), f"is taken by listeners.{one}"


def _faults_of_files(config: Config) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Files that are read and are called as those of exporters, which are written to."""
    files: dict[tuple[str | int, ...], Path | None] = {("policy",): config.policy}
    files |= {("contracts", index): path for index, path in enumerate(config.contracts)}
    if config.tls is not None:
        files |= {("tls", name): getattr(config.tls, name) for name in config.tls.__struct_fields__}
    yield from ((keys, OURS) for keys, path in files.items() if path is not None and is_written(str(path)))


def _faults_of_role(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a role needs, and what would do nothing there."""
    agent = config.role == "agent"
    if agent and config.hub is None:
        yield ("role",), "an agent needs `hub`, which says where it hands its releases"
    if not agent and config.hub is not None:
        yield ("hub",), "is for the role agent"
    if not agent and config.outbox is None:
        yield ("outbox",), "only an agent can do without"
    if config.role == "hub" and config.listeners.delivery is None:
        yield ("role",), "a hub needs `listeners.delivery`, where agents hand their releases over"
    if config.role != "hub" and config.listeners.delivery is not None:
        yield ("listeners", "delivery"), "is for the role hub"
    for keys, given in ((("hub",), config.hub), (("listeners", "delivery"), config.listeners.delivery)):
        if given is not None and config.tls is None:
            yield keys, "needs `tls`, with certificate, key and ca, for it is never plaintext"


def _addresses(listeners: Listeners) -> dict[str, str]:
    """The address of each listener that is on, by its key."""
    named = {name: getattr(listeners, name) for name in listeners.__struct_fields__}
    return {name: listener.address for name, listener in named.items() if listener is not None}


_ANYWHERE: Final = frozenset({"inbound", "delivery", "health", "http"})
"""The listeners that need not be on this machine: `inbound` and `delivery` are not plaintext, the others carry no data."""


def _fault_of_address(listener: str, address: str) -> str:
    """What is wrong with a listener's address; empty if nothing is."""
    if listener != "http" and re.fullmatch(r"unix:/[^\s\0]{1,100}", address):
        return ""
    parts = _TCP.fullmatch(address)
    if parts is None or int(parts[3]) > 65535:
        return "must be host:port, such as 127.0.0.1:4317" + ("" if listener == "http" else ", or unix:/path")
    if listener in _ANYWHERE or _is_loopback(parts[1] or parts[2]):
        return ""
    return "must be on loopback or a Unix socket, for it is plaintext"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _meet(one: str, other: str) -> bool:
    """Whether two valid addresses are, or may turn out to be, the same: only two different IP addresses surely are not."""
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if "unix" in (host, other_host):
        return one == other
    if int(port) != int(other_port) or int(port) == 0:
        return False
    first, second = _ip(host), _ip(other_host)
    return first is None or second is None or first == second


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The one address that `host` is; None for a name and for 0.0.0.0 and ::, which are several."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return None if mapped.is_unspecified else mapped


def _resolve(config: Config, folder: Path) -> Config:
    """`config` with the paths that were given taken from `folder`."""
    return msgspec.structs.replace(
        config,
        policy=None if config.policy is None else folder / config.policy,
        contracts=tuple(folder / contract for contract in config.contracts),
        state=config.state if config.state is STATE else folder / config.state,
        tls=config.tls and Tls(certificate=folder / config.tls.certificate, key=folder / config.tls.key, ca=folder / config.tls.ca),
    )
