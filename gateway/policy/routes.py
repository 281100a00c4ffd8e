"""Problems of routes, whatever the contracts say: where one leads, who may call, and what its callers may get.

Pure, like `residency.py`. Which methods there are, and whether their messages compile: see `method_table.py` and
`compile.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from gateway.model import EU, Recipient
from gateway.policy import envelope
from gateway.policy import problems as fault
from gateway.policy.document import Caller, Mode, Policy, Route, TrafficDirection
from gateway.policy.endpoints import is_loopback
from gateway.policy.log_destinations import LOG_ALLOW_TEXT, log_sources
from gateway.policy.residency import allow_problems
from gateway.yamlfile import Keys, Problem

FULL_NAME: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
"""A full name in protobuf."""

ALL_METHODS: Final = "*"
"""The key of a route without methods among those of one authority."""

_METHOD: Final = re.compile(rf"{FULL_NAME}/(\*|[A-Za-z_]\w*)", re.ASCII)
_AUTHORITY: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?(:[0-9]{1,5})?")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
# What ends in a number is an address to some resolvers: https://url.spec.whatwg.org/#ends-in-a-number-checker.
_NUMERIC: Final = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_PORTED: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+):(?P<port>[1-9][0-9]{0,4})")
_SEGMENT: Final = r"(?!\.{1,2}(/|\Z))[A-Za-z0-9._-]+"
_SOCKET: Final = re.compile(rf"unix:(/{_SEGMENT})+")
# https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity; its 2,048 bytes are more than a
# key may have.
_SPIFFE: Final = re.compile(rf"spiffe://[a-z0-9._-]{{1,255}}(/{_SEGMENT})+")
_DNS: Final = "dns:///"
_MAX_HOST_CHARS: Final = 253
_MAX_SOCKET_PATH_BYTES: Final = 107
_MAX_PORT: Final = 65535

_UPSTREAM: Final = "must be dns:///host:port, unix:/path or a list of ip:port"
_ADDRESS: Final = "must be ip:port, an IPv6 address in brackets"
_CALLER: Final = "must be a SPIFFE ID such as spiffe://kannelle.io/ns/video/sa/editor, or a DNS name in lower case"


def problems(policy: Policy) -> Iterator[Problem]:
    """Yield the problems of a policy's routes. Of a route to no destination, only those that don't depend on it."""
    for index, route in enumerate(policy.routes):
        for check in CHECKS:
            yield from check(("routes", index), route, policy)
    yield from _problems_of_overlap(policy.routes)
    yield from _problems_of_caller_regions(policy.routes)


def hosts(upstream: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts that an upstream names, as addresses or names; none of a socket, or of what is no upstream."""
    addresses = (upstream.removeprefix(_DNS),) if isinstance(upstream, str) else upstream
    return tuple(host for address in addresses if (host := _host(address)))


def _host(text: str) -> str:
    """Return the host of `host:port`; empty if it isn't that."""
    form = _PORTED.fullmatch(text)
    if form is None or int(form["port"]) > _MAX_PORT:
        return ""
    address = _address(form["host"])
    return str(address) if address else form["host"] if _is_name(form["host"]) else ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the address of one peer that `host` is, an IPv6 one in brackets; None if it isn't that."""
    try:
        address = IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        return None
    return None if address.is_unspecified or address.is_multicast else address


def _is_name(host: str) -> bool:
    return len(host) <= _MAX_HOST_CHARS and _HOST.fullmatch(host) is not None and _NUMERIC.fullmatch(host) is None


def _problems_of_authority(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    if not _AUTHORITY.fullmatch(route.authority):
        yield (*keys, "authority"), "must be a host name in lower case, with a port or without"


def _problems_of_upstream(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    at = (*keys, "upstream")
    if isinstance(route.upstream, tuple):
        yield from _problems_of_addresses(at, route.upstream)
    elif not _is_socket(route.upstream) and not (route.upstream.startswith(_DNS) and hosts(route.upstream)):
        yield at, _UPSTREAM


def _is_socket(upstream: str) -> bool:
    return _SOCKET.fullmatch(upstream) is not None and len(upstream.removeprefix("unix:")) <= _MAX_SOCKET_PATH_BYTES


def _problems_of_addresses(keys: Keys, upstream: tuple[str, ...]) -> Iterator[Problem]:
    """Yield what breaks the rule that a gRPC target has addresses of one IP version.

    See https://github.com/grpc/grpc/blob/master/doc/naming.md.
    """
    if not upstream:
        yield keys, "must list an address"
    for index, one in enumerate(upstream):
        form = _PORTED.fullmatch(one)
        if form is None or not _host(one) or _address(form["host"]) is None:
            yield (*keys, index), _ADDRESS
        elif one.startswith("[") != upstream[0].startswith("["):
            yield (*keys, index), "must be of the same IP version as the first"
    yield from fault.duplicates(keys, upstream)


def _problems_of_plaintext(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    if route.plaintext and not all(map(is_loopback, hosts(route.upstream))):
        yield (*keys, "plaintext"), "must be false, for the upstream is not on this machine"


def _problems_of_vendor_host(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    """Yield a vendor's upstream that isn't listed: a vendor's host says which region data goes to."""
    to = policy.destinations.get(route.destination)
    away = [host for host in hosts(route.upstream) if not is_loopback(host)]
    if to and to.recipient is Recipient.VENDOR and not policy.hosts.get(to.region, frozenset()).issuperset(away):
        yield (
            (*keys, "upstream"),
            f"its host must be listed under hosts.{to.region}, for {route.destination} is a vendor",
        )


def _problems_of_methods(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    for index, method in enumerate(route.methods):
        if not _METHOD.fullmatch(method):
            yield (*keys, "methods", index), "must be pkg.Service/Method or pkg.Service/*"
    yield from fault.duplicates((*keys, "methods"), route.methods)


def _problems_of_callers(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    """Yield the problems of those who call: what answers hold is for the purpose that the call is made for."""
    to = policy.destinations.get(route.destination)
    purpose = to.purpose if to else ""
    for name, caller in route.callers.items():
        at = (*keys, "callers", name)
        if not _SPIFFE.fullmatch(name) and not _is_name(name):
            yield at, _CALLER
        yield from allow_problems(at, _service_name(name), caller, purpose, policy)
        yield from envelope.problems((*at, "metadata"), caller.metadata, caller.region, policy.identifiers)


def _service_name(name: str) -> str:
    """Return what a caller is known by among services: a SPIFFE ID's last segment, a DNS name's first label."""
    return name.rpartition("/")[2] if "/" in name else name.partition(".")[0]


def _problems_of_mode(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    """Yield what forbids shadow mode: all data passes, so it stays with services inside the EU."""
    to = policy.destinations.get(route.destination)
    if route.mode is not Mode.SHADOW or to is None:
        return
    if to.recipient is not Recipient.SERVICE:
        yield (
            (*keys, "mode"),
            (
                f"must be enforce: {route.destination} is a {to.recipient.value}, and only a service's calls may be in "
                "shadow"
            ),
        )
    elif source := log_sources(policy).get(route.destination):
        yield (*keys, "mode"), f"must be enforce: {route.destination} is a log by {source}; {LOG_ALLOW_TEXT}"
    elif to.gates:
        asked = " and ".join(sorted(to.gates))
        yield (*keys, "mode"), f"must be enforce: {route.destination} asks for {asked}, and in shadow all passes"
    elif to.region not in EU:
        yield (*keys, "mode"), f"must be enforce: {route.destination} is outside the EU"
    elif any(caller.region not in EU for caller in route.callers.values()):
        yield (*keys, "mode"), "must be enforce: a caller is outside the EU"


def _problems_of_retry(keys: Keys, route: Route, policy: Policy) -> Iterator[Problem]:
    if route.retry and not route.retry.codes:
        yield (*keys, "retry", "codes"), "must name a code"
    if route.retry and route.retry.initial_backoff > route.retry.max_backoff:
        yield (*keys, "retry", "initial_backoff"), "must be max_backoff or less"


CHECKS: Final[tuple[Callable[[Keys, Route, Policy], Iterator[Problem]], ...]] = (
    _problems_of_authority,
    _problems_of_upstream,
    _problems_of_plaintext,
    _problems_of_vendor_host,
    _problems_of_methods,
    _problems_of_callers,
    _problems_of_mode,
    _problems_of_retry,
)
"""All checks of a route by itself."""


def _problems_of_overlap(routes: tuple[Route, ...]) -> Iterator[Problem]:
    """Yield the routes that share calls with one above: a call has one route."""
    taken: set[tuple[TrafficDirection, str, str]] = set()
    for index, route in enumerate(routes):
        calls = {(route.listener, route.authority, method) for method in route.methods or (ALL_METHODS,)}
        if calls & taken:
            yield ("routes", index, "authority"), "has a route for the same calls above"
        taken |= calls


def _problems_of_caller_regions(routes: tuple[Route, ...]) -> Iterator[Problem]:
    """Yield the callers that are in another region than in a route above."""
    regions: dict[str, str] = {}
    callers: Iterator[tuple[int, str, Caller]] = (
        (index, name, caller) for index, route in enumerate(routes) for name, caller in route.callers.items()
    )
    for index, name, caller in callers:
        if regions.setdefault(name, caller.region) != caller.region:
            yield ("routes", index, "callers", name, "region"), f"is {regions[name]} in a route above"
