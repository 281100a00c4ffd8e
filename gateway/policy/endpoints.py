"""Where an exporter sends to: an endpoint is in the region of its destination, and a host in one region only.

Pure: a policy in, problems out, each the keys of a place in the document and what is wrong there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from gateway.exporters.registry import REGION_BY_HOST
from gateway.exporters.settings import EndpointSettings
from gateway.policy.document import Destination, Policy
from gateway.yamlfile import Problem


def problems(policy: Policy) -> Iterator[Problem]:
    """Yield the problems of the endpoints of a policy's exporters, and of its hosts."""
    for name, destination in policy.destinations.items():
        if isinstance(destination.exporter, EndpointSettings):
            yield from _problems_of_endpoint(name, destination, destination.exporter, policy)
    yield from _problems_of_hosts(policy)


def _problems_of_endpoint(
    name: str, destination: Destination, exporter: EndpointSettings, policy: Policy
) -> Iterator[Problem]:
    keys, form = ("destinations", name, "exporter", "endpoint"), exporter.ENDPOINT_FORM
    url = _split_endpoint(exporter.endpoint, port="port" in form, path="path" in form)
    if url is None:
        yield keys, f"must be {form}, and nothing more"
    elif not is_loopback(str(url.hostname)):
        if url.scheme != "https":
            yield keys, "must be https, for it leaves this machine"
        if not _is_host_in_region(destination.region, str(url.hostname), exporter, policy):
            yield keys, f"its host must be listed under hosts.{destination.region}"


def _is_host_in_region(region: str, host: str, exporter: EndpointSettings, policy: Policy) -> bool:
    """Whether a host is in a region: the vendor says so, or the policy."""
    return exporter.REGION_BY_HOST.get(host) == region or host in policy.hosts.get(region, ())


def _split_endpoint(endpoint: str, *, port: bool, path: bool) -> SplitResult | None:
    """The parts of `scheme://host`, with a port where there must be one and a path where there may be.

    None if it isn't that.
    """
    try:
        url = urlsplit(endpoint)
        plain = url.scheme in ("http", "https") and url.hostname and (url.port or (url.port is None and not port))
    except ValueError:
        return None
    odd = (
        url.path.strip("/") and not path,
        url.query,
        url.fragment,
        "@" in url.netloc,
        not endpoint.isprintable(),
        " " in endpoint,
    )
    return url if plain and not any(odd) else None


def is_loopback(host: str) -> bool:
    """Whether a host, an address or a name, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _problems_of_hosts(policy: Policy) -> Iterator[Problem]:
    """A host says which region data goes to, so it is in one only, and a vendor's where the vendor has it."""
    regions: dict[str, str] = {}
    for region, hosts in policy.hosts.items():
        for host in sorted(hosts):
            if regions.setdefault(host, region) != region:
                yield ("hosts", region, host), f"is listed under {regions[host]} too"
            if REGION_BY_HOST.get(host, region) != region:
                yield ("hosts", region, host), f"is in {REGION_BY_HOST[host]}, as its vendor says"
