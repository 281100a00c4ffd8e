"""What a route can't be, whatever the contracts say: where it leads, who may ask, and what its callers may be told.

Pure, like `residency.py`. Which methods there are, and whether their messages compile, is for `table.py` and
`compile.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from gateway.model import EU, Recipient
from gateway.policy import envelope
from gateway.policy import faults as fault
from gateway.policy.document import Caller, Mode, Policy, Route, Side
from gateway.policy.residency import is_loopback, of_allow
from gateway.yamlfile import Fault, Keys

NAME: Final = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
"""A full name in protobuf."""

EVERY: Final = "*"
"""The key of a route without methods among those of one authority."""

_METHOD: Final = re.compile(rf"{NAME}/(\*|[A-Za-z_]\w*)", re.ASCII)
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
_LONGEST_HOST: Final = 253
_LONGEST_SOCKET: Final = 107
_LAST_PORT: Final = 65535

_UPSTREAM: Final = "must be dns:///host:port, unix:/path or a list of ip:port"
_ADDRESS: Final = "must be ip:port, an IPv6 address in brackets"
_CALLER: Final = "must be a SPIFFE ID such as spiffe://kannelle.io/ns/video/sa/editor, or a DNS name in lower case"


def faults(policy: Policy) -> Iterator[Fault]:
    """What in the routes of `policy` can't be. Of a route to no destination, only what doesn't depend on it."""
    for index, route in enumerate(policy.routes):
        for check in CHECKS:
            yield from check(("routes", index), route, policy)
    yield from _faults_of_calls(policy.routes)
    yield from _faults_of_places(policy.routes)


def hosts(upstream: str | tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that an upstream names, as addresses or names; a socket has none, nor has what is no upstream."""
    given = (upstream.removeprefix(_DNS),) if isinstance(upstream, str) else upstream
    return tuple(host for one in given if (host := _host(one)))


def _host(text: str) -> str:
    """The host of `host:port`; empty if it isn't that."""
    form = _PORTED.fullmatch(text)
    if form is None or int(form["port"]) > _LAST_PORT:
        return ""
    address = _address(form["host"])
    return str(address) if address else form["host"] if _is_name(form["host"]) else ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address of one peer that `host` is, an IPv6 one in brackets; None if it isn't that."""
    try:
        address = IPv6Address(host[1:-1]) if host.startswith("[") else IPv4Address(host)
    except ValueError:
        return None
    return None if address.is_unspecified or address.is_multicast else address


def _is_name(host: str) -> bool:
    return len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) is not None and _NUMERIC.fullmatch(host) is None


def _authority(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    if not _AUTHORITY.fullmatch(route.authority):
        yield (*keys, "authority"), "must be a host name in lower case, with a port or without"


def _upstream(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    at = (*keys, "upstream")
    if isinstance(route.upstream, tuple):
        yield from _listed(at, route.upstream)
    elif not _is_socket(route.upstream) and not (route.upstream.startswith(_DNS) and hosts(route.upstream)):
        yield at, _UPSTREAM


def _is_socket(upstream: str) -> bool:
    return _SOCKET.fullmatch(upstream) is not None and len(upstream.removeprefix("unix:")) <= _LONGEST_SOCKET


def _listed(keys: Keys, upstream: tuple[str, ...]) -> Iterator[Fault]:
    """A gRPC target has addresses of one IP version: https://github.com/grpc/grpc/blob/master/doc/naming.md."""
    if not upstream:
        yield keys, "must list an address"
    for index, one in enumerate(upstream):
        form = _PORTED.fullmatch(one)
        if form is None or not _host(one) or _address(form["host"]) is None:
            yield (*keys, index), _ADDRESS
        elif one.startswith("[") != upstream[0].startswith("["):
            yield (*keys, index), "must be of the same IP version as the first"
    yield from fault.twice(keys, upstream)


def _plaintext(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    if route.plaintext and not all(map(is_loopback, hosts(route.upstream))):
        yield (*keys, "plaintext"), "must be false, for the upstream is not on this machine"


def _region(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    """A vendor's host says which region data goes to."""
    to = policy.destinations.get(route.destination)
    away = [host for host in hosts(route.upstream) if not is_loopback(host)]
    if to and to.recipient is Recipient.VENDOR and not policy.hosts.get(to.region, frozenset()).issuperset(away):
        yield (
            (*keys, "upstream"),
            f"its host must be listed under hosts.{to.region}, for {route.destination} is a vendor",
        )


def _methods(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    for index, method in enumerate(route.methods):
        if not _METHOD.fullmatch(method):
            yield (*keys, "methods", index), "must be pkg.Service/Method or pkg.Service/*"
    yield from fault.twice((*keys, "methods"), route.methods)


def _callers(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    for name, caller in route.callers.items():
        at = (*keys, "callers", name)
        if not _SPIFFE.fullmatch(name) and not _is_name(name):
            yield at, _CALLER
        yield from of_allow(at, _short(name), caller, policy)
        yield from envelope.faults((*at, "metadata"), caller.metadata, caller.region)


def _short(name: str) -> str:
    """What a caller is known by among services: a SPIFFE ID's last segment, a DNS name's first label."""
    return name.rpartition("/")[2] if "/" in name else name.partition(".")[0]


def _mode(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    """In shadow all data passes, so it stays with services inside the EU."""
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
    elif to.region not in EU:
        yield (*keys, "mode"), f"must be enforce: {route.destination} is outside the EU"
    elif any(caller.region not in EU for caller in route.callers.values()):
        yield (*keys, "mode"), "must be enforce: a caller is outside the EU"


def _retry(keys: Keys, route: Route, policy: Policy) -> Iterator[Fault]:
    if route.retry and not route.retry.codes:
        yield (*keys, "retry", "codes"), "must name a code"
    if route.retry and route.retry.initial_backoff > route.retry.max_backoff:
        yield (*keys, "retry", "initial_backoff"), "must be max_backoff or less"


CHECKS: Final[tuple[Callable[[Keys, Route, Policy], Iterator[Fault]], ...]] = (
    _authority,
    _upstream,
    _plaintext,
    _region,
    _methods,
    _callers,
    _mode,
    _retry,
)
"""All that is asked of a route by itself."""


def _faults_of_calls(routes: tuple[Route, ...]) -> Iterator[Fault]:
    """A call has one route."""
    taken: set[tuple[Side, str, str]] = set()
    for index, route in enumerate(routes):
        calls = {(route.listener, route.authority, method) for method in route.methods or (EVERY,)}
        if calls & taken:
            yield ("routes", index, "authority"), "has a route for the same calls above"
        taken |= calls


def _faults_of_places(routes: tuple[Route, ...]) -> Iterator[Fault]:
    """A caller is in one region."""
    regions: dict[str, str] = {}
    callers: Iterator[tuple[int, str, Caller]] = (
        (index, name, caller) for index, route in enumerate(routes) for name, caller in route.callers.items()
    )
    for index, name, caller in callers:
        if regions.setdefault(name, caller.region) != caller.region:
            yield ("routes", index, "callers", name, "region"), f"is {regions[name]} in a route above"
