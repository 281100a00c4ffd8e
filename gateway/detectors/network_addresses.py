"""Where IP and MAC addresses stand in folded text, whatever touches them and whatever stands between their numbers.

How IPv6 is read is in `ipv6.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from gateway.detectors.hints import Hint
from gateway.detectors.ipv6 import ipv6_addresses
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span, blank, spans_of

_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|0{0,2}[0-9]|0?[1-9][0-9])(?![0-9])"
# One address, or two of them on end.
_OCTETS: Final = LazyPattern(rf"(?:{_OCTET}\.){{3}}{_OCTET}(?:(?:\.{_OCTET}){{4}})?")
# Written so that the search skips to a digit or a letter: what may not stand before it is looked at afterwards.
_DOTTED: Final = LazyPattern(
    r"[0-9](?<![0-9][0-9])(?<![0-9]\.[0-9])[0-9]{0,2}(?:\.[0-9]{1,3}){3}(?:(?:\.[0-9]{1,3}){4})?(?![0-9]|\.[0-9])"
)
# Numbers with the base before them, as `inet_aton` reads them: hexadecimal, or octal of which one has as many digits as
# no decimal has.
_BASED: Final = LazyPattern(
    r"0(?<![0-9A-Za-z.].)(?:[xX][0-9A-Fa-f]{1,2}(?:\.0[xX][0-9A-Fa-f]{1,2}){3}|(?=[0-7.]*(?<![0-9])0[1-3][0-7]{2}(?![0-9]))"
    r"[0-3]?[0-7]{0,2}(?:\.0[0-3]?[0-7]{0,2}){3})(?![0-9A-Za-z]|\.[0-9])"
)
_BASED_HINT: Final = Hint(r"0[xX][0-9A-Fa-f]{1,2}\.0[xX]|0[1-3][0-7][0-7]\.0|\.0[1-3][0-7][0-7]")
_NAMED: Final = LazyPattern(rf"[ieIE](?<![A-Za-z0-9].)(?:(?<=[iI])[pP]|[cC]2)-(?:{_OCTET}-){{3}}{_OCTET}")
_CHAIN: Final = LazyPattern(r"[0-9](?<![0-9][0-9])[0-9]{0,2}(?>(?:[.:/_-][0-9]{1,3}){3,})")
_QUAD: Final = LazyPattern(rf"{_OCTET}([.:/_-]){_OCTET}([.:/_-]){_OCTET}([.:/_-]){_OCTET}")
# What is in each text with an address, or nearly, as one automaton: they are looked for one by one where it is found.
_HINT: Final = Hint(r"(?:[0-9]{1,3}[.:/_-]){3}[0-9]")
_FINGERPRINT: Final = re.compile(r"[0-9A-Fa-f]{2}(?>(?:[:-][0-9A-Fa-f]{2}){15,})")
_FINGERPRINT_HINT: Final = Hint(r"(?:[0-9A-Fa-f]{2}[:-]){15}[0-9A-Fa-f]{2}")
_NUMBER: Final = re.compile("[0-9]+")
_HOURS: Final = re.compile(r"[0-2][0-9]:[0-5][0-9][/_-][0-2][0-9]:[0-5][0-9]")

_MAX_CHAIN_CHARS: Final = 48
"""Longer rows of numbers are no address: none has a fifth number."""

_MIN_DIGITS: Final = 6
_MIN_PARTLY_DOTTED_DIGITS: Final = 9
"""Versions such as `5.15.0-91` and pairs of decimals have fewer; nine in ten random addresses have as many."""

_BEFORE: Final = re.compile(r"([A-Za-z]?)[0-9]{1,3}\Z")
_MIN_DIGITS_AFTER_NAME: Final = 9

# Six to eight pairs (EUI-64; or six beside letters that read as pairs), or three groups of four (Cisco): longer rows
# are fingerprints.
_PAIRS: Final = LazyPattern(r"[0-9A-Fa-f](?<![0-9].)[0-9A-Fa-f](?>(?:[:/_-][0-9A-Fa-f]{2}(?![0-9])){5,})")
_FOURS: Final = LazyPattern(
    r"(?<![0-9])(?<![0-9A-Fa-f]\.)[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?![0-9])(?!\.[0-9A-Fa-f])"
)
_MAC_HINT: Final = Hint(r"(?:[0-9A-Fa-f]{2}[:/_-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_SHORTENED: Final = LazyPattern(r"[0-9A-Fa-f](?<![0-9A-Za-z:].)[0-9A-Fa-f]?(?::[0-9A-Fa-f]{1,2}){5}(?![0-9A-Za-z:])")
"""Without the leading zeros."""

_MIN_SHORTENED_CHARS: Final = 15
_MIN_PAIRS_JOINTS: Final = 5
_PAIRS_CHARS: Final = (17, 20, 23)
_PAIR_CHARS: Final = 3
_ADDRESS_JOINTS: Final = (5, 7)
_DIGIT: Final = re.compile("[0-9]")
_LETTER: Final = re.compile("[A-Fa-f]")


def ip_addresses(text: str, nontechnical: str, *, loose: bool) -> Iterator[Span]:
    """The addresses in folded text, IPv4 before IPv6.

    `nontechnical` is the text without what is surely technical, as long as it is.

    Numbers of an IPv4 address may be apart by any of `.:/_-`: four of them and no fifth, with six digits in all unless
    there are dots between all. Version numbers of four parts count. If `loose`, letters beside an IPv6 address don't
    matter.
    """
    if text.count(".") >= 3 and _BASED_HINT(text):
        yield from (match.span() for match in _BASED.finditer(text))
    if _HINT(text):
        yield from _ipv4_addresses(text, nontechnical)
    yield from ipv6_addresses(text, nontechnical, loose=loose)


def _ipv4_addresses(text: str, nontechnical: str) -> Iterator[Span]:
    if text.count(".") >= 3:
        yield from (match.span() for match in _DOTTED.finditer(text) if _OCTETS.fullmatch(match[0]))
    if text.count("-") >= 4:
        yield from (match.span() for match in _NAMED.finditer(text))
    numbers = (
        blank(nontechnical, spans_of(_FINGERPRINT, nontechnical)) if _FINGERPRINT_HINT(nontechnical) else nontechnical
    )
    for chain in _CHAIN.finditer(numbers):
        if _MIN_DIGITS + 3 <= chain.end() - chain.start() <= _MAX_CHAIN_CHARS:
            yield from _quads(chain)


def mac_addresses(text: str) -> Iterator[Span]:
    """The addresses of network cards in folded text. One with dashes, dots and the like has a letter."""
    if text.count(":") >= _MIN_PAIRS_JOINTS:
        yield from (
            match.span()
            for match in _SHORTENED.finditer(text)
            if len(match[0]) >= _MIN_SHORTENED_CHARS and _is_lettered(match[0])
        )
    joints = text.count(":") + text.count("-") + text.count("_") + text.count("/")
    if (joints >= _MIN_PAIRS_JOINTS or text.count(".") >= 2) and _MAC_HINT(text):
        yield from (
            span for pairs in _PAIRS.finditer(text) for span in _of_pairs(pairs) if _is_mixed(text[slice(*span)])
        )
        yield from (fours.span() for fours in _FOURS.finditer(text) if _is_mixed(fours[0]))


def _of_pairs(pairs: re.Match[str]) -> Iterator[Span]:
    """The addresses in a row of pairs.

    All of it, or in a longer one what has the same separator throughout, and others around it.
    """
    if len(pairs[0]) in _PAIRS_CHARS:
        yield pairs.span()
        return
    place = pairs.start()
    for _, joints in groupby(pairs[0][2::_PAIR_CHARS]):
        count = len(list(joints))
        if count in _ADDRESS_JOINTS:
            yield place, place + count * _PAIR_CHARS + 2
        place += count * _PAIR_CHARS


def _is_lettered(address: str) -> bool:
    return _DIGIT.search(address) is not None and _LETTER.search(address) is not None


def _quads(chain: re.Match[str]) -> Iterator[Span]:
    """The addresses in a row of numbers with other separators than dots alone."""
    done = chain.start()
    for number in _NUMBER.finditer(chain.string, chain.start(), chain.end()):
        quad = _QUAD.match(chain.string, number.start(), chain.end()) if number.start() >= done else None
        if quad and _is_address(quad):
            done = quad.end()
            yield quad.span()


def _is_address(quad: re.Match[str]) -> bool:
    separators = set(quad.groups())
    if separators == {"."}:
        return False
    digits = len(quad[0]) - 3
    if digits < (_MIN_PARTLY_DOTTED_DIGITS if "." in separators else _MIN_DIGITS) or _HOURS.fullmatch(quad[0]):
        return False
    return not _precedes_number(quad, separators) and not _follows_number(quad, separators, digits)


def _precedes_number(quad: re.Match[str], separators: set[str]) -> bool:
    """Whether a fifth number follows."""
    rest = quad.string[quad.end() : quad.end() + 2]
    return rest[:1] in separators and rest[1:].isdigit()


def _follows_number(quad: re.Match[str], separators: set[str], digits: int) -> bool:
    """Whether a number comes before the four; one that ends a name, as in `web1-203-0-113-77`, doesn't count."""
    start = quad.start()
    if quad.string[start - 1 : start] not in separators or not quad.string[start - 2 : start - 1].isdigit():
        return False
    before = _BEFORE.search(quad.string, max(0, start - 5), start - 1)
    return not (before and before[1] and digits >= _MIN_DIGITS_AFTER_NAME)


def _is_mixed(address: str) -> bool:
    """Whether hexadecimal holds a digit and, unless colons are between all, a letter."""
    colons = address.count(":")
    return _DIGIT.search(address) is not None and (colons in (5, 6, 7) or _LETTER.search(address) is not None)
