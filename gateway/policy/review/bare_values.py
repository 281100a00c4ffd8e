"""Whether what an exemption leaves unsought passes a pattern by itself.

A phone number, an IP address or an e-mail address, bare.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from gateway.detectors.detect import LABELS, find, mask
from gateway.model import Detector
from gateway.patterns import compile_pattern
from gateway.policy.review.pattern_samples import samples

_SEPARATORS: Final = ("", " ", "-", ".", "_", "/", ":")

_NUMBERS: Final = (
    *(
        "06 12 34 56 78",
        "07 81 23 45 67",
        "01 42 34 56 78",
        "+33 6 12 34 56 78",
        "0033 6 12 34 56 78",
        "33 6 12 34 56 78",
    ),
    *("0151 23456789", "030 901820", "069 1234567", "+49 151 23456789", "0049 30 901820", "49 1517 9428481"),
    *("0470 12 34 56", "+32 470 12 34 56", "32 470 12 34 56", "087 123 4567", "+353 87 123 4567", "353 87 123 4567"),
    *("+39 347 123 4567", "0039 347 123 4567", "+34 612 34 56 78", "34 612 34 56 78", "612 34 56 78"),
    *("07911 123456", "+44 7911 123456", "44 7911 123456", "+1 415 555 2671", "1 415 555 2671", "201 238 0393"),
)
"""Phone numbers in groups, as several countries write them, and from abroad."""

_ADDRESSES: Final = (
    *(
        "185.107.56.30",
        "109.190.12.7",
        "176.158.201.33",
        "90.110.12.200",
        "212.27.40.240",
        "193.252.122.103",
        "104.28.19.94",
    ),
    *(
        "2a01:cb04:1234:5678:9abc:def0:1234:5678",
        "2a01:e0a:1f2:3b40:8c2d:91ff:fe3a:7b61",
        "2a01:e0a::1",
        "2a02:8108:9a40::12",
    ),
    *("2003:e1:bf22:4d00:a1b2:c3d4:e5f6:1728", "2001:861:3a05:91e0:4c11:8b2e:90aa:1f02", "2a04:cec0:1100:a0b1::2"),
)
"""IP addresses that no version looks like: an octet or two are above 100."""

_MAILBOXES: Final = (
    "anna",
    "anna.martin",
    "anna_martin",
    "anna-martin",
    "annamartin",
    "a.martin42",
    "anna+shop",
    "Anna.Martin",
)
_DOMAINS: Final = ("acme.example", "gmail.com", "orange.fr", "web.de", "outlook.com", "mail.acme.co.uk")

BARE_VALUES: Final[Mapping[Detector, tuple[str, ...]]] = {
    Detector.PHONE: tuple(
        dict.fromkeys(number.replace(" ", between) for number in _NUMBERS for between in _SEPARATORS)
    ),
    Detector.IP: _ADDRESSES,
    Detector.EMAIL: tuple(
        f"{mailbox}{at}{domain}" for mailbox in _MAILBOXES for at in ("@", "%40", "_at_") for domain in _DOMAINS
    ),
}
"""What a pattern shouldn't let pass where it isn't looked for."""

_SAMPLE_COUNT: Final = 96
_BARE_ONE_IN: Final[Mapping[Detector, int]] = {Detector.PHONE: 4, Detector.IP: 16, Detector.EMAIL: 4}
"""One sample in as many, at least, is bare: what is exempted is a good part of what such a pattern is for."""

_PUBLIC_IP: Final = re.compile(
    r"(?!(?:.*[^0-9])?(?:10|127|192[^0-9]168|172[^0-9](?:1[6-9]|2[0-9]|3[01]))[^0-9]).*(?::|[0-9]{3})"
)
"""An IP address that is neither private nor as a version of four small numbers."""


@cache
def lets_bare_values_pass(pattern: str, kind: Detector) -> bool:
    """Return whether a bare value of the kind passes.

    One that is known, or many of those that the pattern itself gives.
    """
    compiled = compile_pattern(pattern)
    return any(map(compiled.fullmatch, BARE_VALUES.get(kind, ()))) or _samples_are_bare(pattern, kind)


def _samples_are_bare(pattern: str, kind: Detector) -> bool:
    made = [*samples(pattern, _SAMPLE_COUNT)]
    return sum(_is_bare(text, kind) for text in made) * _BARE_ONE_IN[kind] >= len(made) > 0


def _is_bare(text: str, kind: Detector) -> bool:
    """Whether a text is nothing but what is found in it."""
    told = kind is not Detector.IP or _PUBLIC_IP.match(text) is not None
    return told and find(text, (kind,)) is not None and mask(text) == LABELS[kind]
