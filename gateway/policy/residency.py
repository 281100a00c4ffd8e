"""Which data may be where, and on what ground: what Kannelle's privacy statement fixes, and no policy can change.

Pure: a policy in, problems out, each the keys of a place in the document and what is wrong there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gateway.exporters.registry import REGION_BY_HOST
from gateway.exporters.settings import EndpointSettings
from gateway.model import EU, INDIRECT, NEVER, Category
from gateway.policy.document import Caller, Destination, Policy
from gateway.policy.vocabulary import LegalBasis
from gateway.yamlfile import Problem

PERSONAL_DATA_REGIONS: Final = frozenset({"BE", "FR", "IE"})
"""Where personal data may be at any destination."""

SINGLE_DESTINATION_REGIONS: Final = {"DE": "crm"}
"""Where it may be at one destination only."""

INDIRECT_DATA_REGIONS: Final = frozenset({"US"})
"""Where indirect data may be, beyond the EU."""

CONSENT_TEXT: Final = (
    "CONSENT needs a preference that a person can withdraw at any time (GDPR, article 7(3)), and the gateway knows of "
    "none: what rests on consent can't be sent yet"
)

DEFAULT_CEILING: Final = frozenset({Category.OPERATIONAL})
"""What a region without a ceiling may receive."""


def problems(policy: Policy) -> Iterator[Problem]:
    """What in `policy` breaks a rule of residency."""
    for region, ceiling in policy.ceilings.items():
        yield from _problems_of_ceiling(region, ceiling)
    for name, destination in policy.destinations.items():
        if destination.legal_basis is LegalBasis.CONSENT:
            yield ("destinations", name, "legal_basis"), CONSENT_TEXT
        yield from allow_problems(("destinations", name), name, destination, policy)
        if isinstance(destination.exporter, EndpointSettings):
            yield from _problems_of_endpoint(name, destination, destination.exporter, policy)
    yield from _problems_of_hosts(policy)


def ceiling_of(policy: Policy, region: str) -> frozenset[Category]:
    """What `region` may receive at most."""
    return policy.ceilings.get(region, DEFAULT_CEILING)


def forbidden_reason(category: Category, region: str) -> str:
    """Why no destination in `region` may receive `category`; empty if one may."""
    if category is Category.UNSPECIFIED:
        return "what is not classified goes nowhere"
    if category in NEVER:
        return "no destination may ever receive it"
    if category is Category.OPERATIONAL:
        return ""
    if region in EU:
        return (
            ""
            if region in PERSONAL_DATA_REGIONS or region in SINGLE_DESTINATION_REGIONS
            else "personal data stays in BE, FR or IE, or DE for the CRM"
        )
    if category not in INDIRECT:
        return "never leaves the EU"
    return "" if region in INDIRECT_DATA_REGIONS else "may leave the EU for the US only"


def _problems_of_ceiling(region: str, ceiling: frozenset[Category]) -> Iterator[Problem]:
    for category in sorted(ceiling):
        if reason := forbidden_reason(category, region):
            yield ("ceilings", region, category.name), reason


def allow_problems(
    keys: tuple[str | int, ...], name: str, recipient: Destination | Caller, policy: Policy
) -> Iterator[Problem]:
    """What a recipient, at `keys`, is allowed and may not be.

    `name` is what it is known by where a region is kept for one.
    """
    region, ceiling = recipient.region, ceiling_of(policy, recipient.region)
    for category in sorted(recipient.allow):
        reason = forbidden_reason(category, region) or _single_destination_reason(category, name, region)
        if not reason and category not in ceiling:
            reason = f"is above the ceiling of {region}"
        if reason:
            yield (*keys, "allow", category.name), reason


def _single_destination_reason(category: Category, name: str, region: str) -> str:
    only = SINGLE_DESTINATION_REGIONS.get(region, name)
    return (
        ""
        if only == name or category is Category.OPERATIONAL
        else f"in {region} only the destination {only} may receive personal data"
    )


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
