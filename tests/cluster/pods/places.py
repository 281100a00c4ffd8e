"""What is outside of a pod that somebody may want to reach, and who does where the lock is on."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from tests.cluster.pods.outside import DNS_PORT, KINDS, Place

APP: Final = "app"
GATEWAY: Final = "privacy-gateway"
BOTH: Final = frozenset({APP, GATEWAY})

RESOLVERS: Final = ("10.96.0.10", "fd96::a")
"""The cluster's DNS, which `/etc/resolv.conf` names."""

INTERNET: Final = ("198.51.100.9", "2001:db8::9")
ALLOWED: Final = {"10.20.0.0/16": "10.20.0.1", "fd20::/64": "fd20::1"}
"""Ranges of `lock.allow`, and an address of each."""

METADATA: Final = ("169.254.169.254", "fd00:ec2::254")

WHO_REACHES: Final[Mapping[Place, AbstractSet[str]]] = {
    **{Place(kind, address, DNS_PORT): BOTH for address in RESOLVERS for kind in KINDS},
    **{Place(kind, address, DNS_PORT): {GATEWAY} for address in INTERNET for kind in KINDS},
    **{Place(kind, address, 443): {GATEWAY} for address in INTERNET for kind in KINDS},
    **{Place("ping", address, 0): {GATEWAY} for address in INTERNET},
    **{Place("tcp", address, 5432): BOTH for address in ALLOWED.values()},
    **{Place("tcp", address, 80): frozenset[str]() for address in METADATA},
}
SERVED: Final = tuple(place for place in WHO_REACHES if place.kind in KINDS)
"""Where somebody of ours listens: a kernel answers the others."""
