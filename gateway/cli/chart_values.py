"""What the chart's values say of certificates, read from the files that helm is given.

What else they say is the chart's alone: its schema knows it, and nothing of it is looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from gateway.errors import BadSetup
from gateway.yamlfile import Keys, Node, Origin, Problem, build, compose, load_text

OTHER_KEYS: Final[Mapping[tuple[str, ...], frozenset[str]]] = {
    (): frozenset(
        "admission agent contracts enabled exempt global hub image injection lock log networkPolicy policy".split()
    ),
    ("certificates",): frozenset({"issuer", "renewBefore"}),
    ("monitoring",): frozenset({"dashboard", "podMonitor"}),
    ("monitoring", "rules"): frozenset({"enabled", "labels"}),
}
"""Keys of the chart's values of which nothing is read, by what they are below."""

SECONDS_BY_UNIT: Final = {"h": 3600, "m": 60, "s": 1}

NAMESPACE_PATTERN: Final = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"

Name = Annotated[
    str,
    Meta(
        pattern=NAMESPACE_PATTERN,
        description="the name of a namespace: 1 to 63 small letters, digits and hyphens",
    ),
]
AccountName = Annotated[
    str,
    Meta(
        pattern="[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
        description="the name of a service account: 1 to 253 small letters, digits, hyphens and dots",
    ),
]
TrustDomain = Annotated[
    str, Meta(pattern="[a-z0-9._-]{1,255}", description="small letters, digits, dots, hyphens and underscores")
]
Lifetime = Annotated[
    str, Meta(pattern="[1-9][0-9]{0,5}[hms]", description="a whole number and its unit, h, m or s, such as 2160h")
]


class Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A namespace whose pods have a gateway, and its service accounts."""

    name: Name
    service_accounts: frozenset[AccountName]


class CertificateValues(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where certificates come from, which CA all trust if it isn't beside each, and how long certificates last."""

    mode: Literal["existing", "cert-manager", "csi-driver"] = "existing"
    ca: str = ""
    duration: Lifetime = "2160h"

    @property
    def lifetime(self) -> timedelta:
        """How long they last."""
        return timedelta(seconds=int(self.duration[:-1]) * SECONDS_BY_UNIT[self.duration[-1]])


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How long before its end a certificate is alerted of."""

    certificate_seconds: Annotated[int, Meta(ge=60)] = 604800


class Monitoring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The chart's alerts."""

    rules: Rules = Rules()


class Values(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is read of the values. The defaults are the chart's."""

    trust_domain: TrustDomain = "cluster.local"
    certificates: CertificateValues = CertificateValues()
    namespaces: tuple[Namespace, ...] = ()
    monitoring: Monitoring = Monitoring()


class Secret(msgspec.Struct, frozen=True):
    """A secret that the chart mounts, and the name in the certificate that is in it."""

    namespace: str
    name: str
    subject: str
    """A SPIFFE ID, or the hub's DNS name."""


def read_values(paths: Sequence[Path]) -> tuple[Values, Origin]:
    """The values of these files, a later one's over an earlier one's as helm has it. Raises BadSetup."""
    roots = [compose(load_text(path, BadSetup), str(path), BadSetup) for path in paths]
    merged = reduce(
        _merged, [root if root.value is not None else msgspec.structs.replace(root, value={}) for root in roots]
    )
    values, origin = build(_without_other_keys(merged, ()), Values, BadSetup)
    origin.check(_problems(values))
    return values, origin


def expected_secrets(values: Values, release_namespace: str) -> Iterator[Secret]:
    """Yield what `certificates.mode: existing` expects to be there: of the hub first, then of each service account."""
    yield Secret(release_namespace, "privacy-gateway-hub-tls", f"privacy-gateway-hub.{release_namespace}.svc")
    for namespace in values.namespaces:
        for account in sorted(namespace.service_accounts):
            identity = f"spiffe://{values.trust_domain}/ns/{namespace.name}/sa/{account}"
            yield Secret(namespace.name, f"privacy-gateway-tls-{account}", identity)


def _merged(under: Node, over: Node) -> Node:
    match under.value, over.value:
        case dict(below), dict(above):
            shared = {key: _merged(below[key], above[key]) for key in below.keys() & above.keys()}
            return msgspec.structs.replace(over, value={**below, **above, **shared})
    return over


def _without_other_keys(node: Node, keys: tuple[str, ...]) -> Node:
    if not isinstance(node.value, dict):
        return node
    other = OTHER_KEYS.get(keys, frozenset())
    kept = {key: _without_other_keys(value, (*keys, key)) for key, value in node.value.items() if key not in other}
    return msgspec.structs.replace(node, value=kept)


def _problems(values: Values) -> Iterator[Problem]:
    if values.certificates.mode != "existing":
        keys: Keys = ("certificates", "mode")
        yield keys, f"must be existing: where it is {values.certificates.mode}, cert-manager makes the certificates"
    names = [namespace.name for namespace in values.namespaces]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield ("namespaces", index, "name"), "is in the list twice"
