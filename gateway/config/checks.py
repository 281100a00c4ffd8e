"""What can't be in a configuration, however well each of its keys is formed."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.config.document import Config, Listeners
from gateway.exporters.jsonl.settings import RESERVED_SUFFIX, is_exporter_file
from gateway.yamlfile import Keys, Origin, Problem
from gateway.yamlfile.bounded import ENV_OR_FILE

_TCP: Final = re.compile(r"(?:\[([0-9a-f:.]*:[0-9a-f:.]*)\]|([a-z0-9.-]+)):([0-9]{1,5})", re.ASCII)


def check(config: Config, origin: Origin) -> None:
    """Raise BadConfig, with a line for everything that doesn't fit together."""
    origin.check(_problems(config))


def _problems(config: Config) -> Iterator[Problem]:
    """What is wrong with values together: the key, and the text of the error."""
    yield from _problems_of_role(config)
    yield from _problems_of_files(config)
    if config.hash_secret is not None and (config.hash_secret.env is None) == (config.hash_secret.file is None):
        yield ("hash_secret",), ENV_OR_FILE
    addresses = _addresses(config.listeners)
    malformed = {name: fault for name, address in addresses.items() if (fault := _problem_of_address(name, address))}
    for name, fault in malformed.items():
        yield ("listeners", name, "address"), fault
    if config.listeners.outbound and not config.service:
        yield ("listeners", "outbound"), "needs `service`: a SPIFFE ID or DNS name that says whose calls these are"
    if config.listeners.inbound and config.tls is None:
        yield ("listeners", "inbound"), "needs `tls`, with certificate, key and ca, for it is never plaintext"
    sound = {name: address for name, address in addresses.items() if name not in malformed}
    for (one, taken), (other, address) in itertools.combinations(sound.items(), 2):
        if _may_collide(taken, address):
            yield ("listeners", other, "address"), f"is taken by listeners.{one}"


def _problems_of_files(config: Config) -> Iterator[Problem]:
    """Files that are read and are called as those of exporters, which are written to."""
    files: dict[Keys, Path | None] = {("policy",): config.policy}
    files |= {("contracts", index): path for index, path in enumerate(config.contracts)}
    if config.hash_secret is not None:
        files["hash_secret", "file"] = config.hash_secret.file
    if config.tls is not None:
        files |= {("tls", name): getattr(config.tls, name) for name in config.tls.__struct_fields__}
    yield from (
        (keys, RESERVED_SUFFIX) for keys, path in files.items() if path is not None and is_exporter_file(str(path))
    )


def _problems_of_role(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a role needs, and what would do nothing there."""
    agent = config.role == "agent"
    if agent and config.hub is None:
        yield ("role",), "an agent needs `hub`, which says where it hands its releases"
    if config.hub is not None:
        yield from _problems_of_hub_end(("hub",), "agent", config)
    if not agent and config.outbox is None:
        yield ("outbox",), "only an agent can do without"
    if config.role == "hub" and config.listeners.delivery is None:
        yield ("role",), "a hub needs `listeners.delivery`, where agents hand their releases over"
    if config.listeners.delivery is not None:
        yield from _problems_of_hub_end(("listeners", "delivery"), "hub", config)


def _problems_of_hub_end(keys: tuple[str, ...], role: str, config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """What one end of the stream between agents and hub needs."""
    if config.role != role:
        yield keys, f"is for the role {role}"
    elif config.tls is None:
        yield keys, "needs `tls`, with certificate, key and ca, for it is never plaintext"


def _addresses(listeners: Listeners) -> dict[str, str]:
    """The address of each listener that is on, by its key."""
    named = {name: getattr(listeners, name) for name in listeners.__struct_fields__}
    return {name: listener.address for name, listener in named.items() if listener is not None}


_PUBLIC_LISTENERS: Final = frozenset({"inbound", "delivery", "health", "http"})
"""The listeners that need not be on this machine.

`inbound` and `delivery` are not plaintext, the others carry no data.
"""


def _problem_of_address(listener: str, address: str) -> str:
    """What is wrong with a listener's address; empty if nothing is."""
    if listener != "http" and re.fullmatch(r"unix:/[^\s\0]{1,100}", address):
        return ""
    parts = _TCP.fullmatch(address)
    if parts is None or int(parts[3]) > 65535:
        return "must be host:port, such as 127.0.0.1:4317" + ("" if listener == "http" else ", or unix:/path")
    if listener in _PUBLIC_LISTENERS or _is_loopback(parts[1] or parts[2]):
        return ""
    return "must be on loopback or a Unix socket, for it is plaintext"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _may_collide(one: str, other: str) -> bool:
    """Whether two valid addresses are, or may turn out to be, the same.

    Only two different IP addresses surely are not.
    """
    (host, _, port), (other_host, _, other_port) = one.rpartition(":"), other.rpartition(":")
    if "unix" in (host, other_host):
        return one == other
    if int(port) != int(other_port) or int(port) == 0:
        return False
    first, second = _single_ip(host), _single_ip(other_host)
    return first is None or second is None or first == second


def _single_ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The one address that `host` is; None for a name and for 0.0.0.0 and ::, which are several."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None) or address
    return None if mapped.is_unspecified else mapped
