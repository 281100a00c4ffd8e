"""Where IP and MAC addresses stand in folded text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv6Address
from typing import Final

Span = tuple[int, int]

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|0{0,2}[0-9]|0?[1-9][0-9])"
# Four numbers and no fifth; also with dashes, as cloud providers name their hosts.
_IPV4: Final = re.compile(
    rf"(?<![0-9])(?<![0-9]\.)(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9])(?!\.[0-9])"
    rf"|(?<![A-Za-z0-9])(?:ip|ec2)-(?:{_OCTET}-){{3}}{_OCTET}(?![0-9])",
    re.IGNORECASE,
)
_GROUP: Final = r"[0-9a-f]{1,4}"
_GROUPS: Final = rf"(?:{_GROUP}:){{7}}{_GROUP}|(?:{_GROUP}(?::{_GROUP}){{0,6}})?::(?:{_GROUP}(?::{_GROUP}){{0,6}})?"
_IPV6: Final = re.compile(rf"(?<![0-9a-z_])(?<![0-9a-f]:)(?:{_GROUPS})(?![0-9a-z_:])", re.IGNORECASE)
_IPV6_ANYWHERE: Final = re.compile(_GROUPS, re.IGNORECASE)

# Six pairs or three groups of four (Cisco), and no more of them: longer runs are fingerprints of keys and the like.
_MAC: Final = re.compile(
    r"(?<![0-9a-z])(?<![0-9a-f][:-])[0-9a-f]{2}(?P<a>[:-])(?:[0-9a-f]{2}(?P=a)){4}[0-9a-f]{2}(?![0-9a-z])(?![:-][0-9a-f])"
    r"|(?<![0-9a-z])(?<![0-9a-f]\.)(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?![0-9a-z])(?!\.[0-9a-f])",
    re.IGNORECASE,
)


def mac_addresses(text: str) -> Iterator[Span]:
    """The addresses of network cards in folded text."""
    if text.count(":") >= 5 or text.count("-") >= 5 or text.count(".") >= 2:
        yield from (match.span() for match in _MAC.finditer(text))


def networks(text: str, *, loose: bool) -> Iterator[Span]:
    """The addresses in folded text, IPv4 before IPv6; an IPv6 address not beside letters, unless `loose`.

    Version numbers of four parts count; names such as `a::b` don't.
    """
    if text.count(".") + text.count("-") >= 3:
        yield from (match.span() for match in _IPV4.finditer(text))
    if text.count(":") >= 2:
        found = (_IPV6_ANYWHERE if loose else _IPV6).finditer(text)
        yield from (match.span() for match in found if _is_ipv6(match[0]))


def _is_ipv6(text: str) -> bool:
    if not any(char.isdigit() for char in text):
        return False
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True
