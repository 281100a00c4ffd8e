"""Where coordinates stand in folded text.

Pairs of decimals, geo URIs, map links, labelled latitudes and longitudes, degrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.detectors.hints import Hint
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span

_NUMBER: Final = r"[+-]?[0-9]{1,3}(?:[.,][0-9]{1,15})?"
_DECIMAL_NUMBER: Final = r"[+-]?[0-9]{1,3}\.[0-9]{1,15}"
_LAT: Final = r"lat(?:itude)?"
_LON: Final = r"lo?ng?(?:itude)?"
_NAME: Final = rf"(?:{_LAT}|{_LON})(?![A-Za-z])[ ]?[=:_/-]{{0,2}}"

# Two numbers, as latitude and longitude or the other way round (GeoJSON, WKT), and what is between them; it consumes
# the first alone, since a pair may begin at the second. Written so that the search skips to a digit.
_PAIR: Final = LazyPattern(
    rf"""
    [0-9](?<![0-9][0-9])(?<![0-9]\.[0-9])[0-9]{{0,2}}\.([0-9]{{2,15}})(?![0-9])
    (?=( [ ]?°?(?:\s{{0,4}}[,;|/]\s{{0,12}}|[ \t]{{1,3}}|[_:/-]{{1,2}}|[ ]?[_:/,;|&-]{{0,2}}[ ]?{_NAME}|(?=[+-])) )
       ([+-]?[0-9]{{1,3}}\.([0-9]{{2,15}})) (?![0-9]|\.[0-9])
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_COMMAS: Final = LazyPattern(
    r"[0-9](?<![0-9][0-9])(?<![0-9][.,][0-9])[0-9]{0,2},([0-9]{4,15})"
    r"(?=([ \t]{0,2}[;|/ \t_:-][ \t]{0,2})([+-]?[0-9]{1,3},([0-9]{4,15}))(?![0-9]))"
)
# ISO 6709.
_SIGNED: Final = LazyPattern(r"[+-](?<![0-9.][+-])[0-9]{2}\.[0-9]{2,15}[+-][0-9]{3}\.[0-9]{2,15}(?![0-9])")
_MIN_DECIMALS: Final = 4
"""Decimals of each number with which a pair is one whatever is between: some ten metres."""

_CLEAR_SEPARATORS: Final = frozenset("/_:")
_LIST_SEPARATORS: Final = frozenset(",;|")
_MIN_DECIMALS_LISTED: Final = 3
_MIN_DECIMALS_DASHED: Final = 6
"""Decimals of both numbers together."""

_VERSION_DECIMALS: Final = 2
_MAX_VERSION: Final = 20

_MAP_PAIR: Final = re.compile(
    rf"(?:=(?:loc:)?|@){_DECIMAL_NUMBER},{_DECIMAL_NUMBER}|\([ ]?{_DECIMAL_NUMBER}[ ]{{1,3}}{_DECIMAL_NUMBER}"
)
_MAP_PARAMETER: Final = re.compile(
    r"(?<![a-z])(?:s?ll|q|center|[ds]addr|query|coords?|location)\Z|(?<![a-z])point[ ]?\Z", re.IGNORECASE
)
_MAX_MAP_PARAMETER_CHARS: Final = 9
_COMPASS: Final = LazyPattern(
    r"[nsNS](?<![A-Za-z][A-Za-z])[ ]?[0-9]{1,2}\.[0-9]{3,15}[ ]?°?[ ]?[,;/_:-]?[ ]?[ewoEWO][ ]?[0-9]{1,3}\.[0-9]{3,15}"
    r"|[0-9](?<![0-9.][0-9])[0-9]?\.[0-9]{3,15}[ ]?[nsNS][ ]?[,;/_:-]?[ ]?[0-9]{1,3}\.[0-9]{3,15}[ ]?[ewoEWO]"
)
_GEO: Final = re.compile(rf"geo:{_NUMBER},{_NUMBER}", re.IGNORECASE)
_DEGREES: Final = LazyPattern(
    r"""
      [0-9](?<![0-9][0-9])[0-9]{0,2}[ ]?°[ ]?[0-9]{1,2}(?:[.,][0-9]{1,10})?[ ]?['"](?:[ ]?[0-9]{1,2}(?:[.,][0-9]{1,10})?[ ]?['"]{1,2})?
    | [0-9](?<![0-9][0-9])[0-9]{0,2}[.,][0-9]{1,15}[ ]?°[ ]?[nsewo](?![a-z])
    """,
    re.VERBOSE | re.IGNORECASE,
)
_VALUE: Final = rf"(?![A-Za-z0-9_])[^A-Za-z0-9]{{1,6}}{_NUMBER}"
_BETWEEN: Final = r"[^\n]{0,32}?(?:\n[^\n]{0,32}?)?"
"""What may stand between a latitude and a longitude: one line end among others."""
_LABELLED: Final = LazyPattern(
    rf"(?<![a-z])(?:{_LAT}{_VALUE}{_BETWEEN}(?<![a-z]){_LON}{_VALUE}|{_LON}{_VALUE}{_BETWEEN}(?<![a-z]){_LAT}{_VALUE})",
    re.IGNORECASE,
)
_DECIMAL: Final = re.compile("[0-9][.,][0-9]")

# What is in each text with a pair of decimals, or nearly, as one automaton: they are looked for one by one where it is
# found.
_PAIR_HINT: Final = Hint(
    rf"[0-9]\.[0-9]{{2,}} ?°?(?:(?:\s*[,;|/]\s*|[ \t]+|[_:/-]{{1,2}}| ?[_:/,;|&-]{{0,2}} ?(?i:{_LAT}|{_LON})[ ]?[=:_/-]{{0,2}})[+-]?|[+-])"
    r"[0-9]{1,3}\.[0-9]{2}"
    r"|[0-9],[0-9]{4,}[ \t]*[;|/ \t_:-][ \t]*[+-]?[0-9]{1,3},[0-9]{4}"
)
_MAP_PAIR_HINT: Final = Hint(_MAP_PAIR.pattern)
_COMPASS_HINT: Final = Hint(r"[nsNS] ?[0-9]{1,2}\.[0-9]{3}|[0-9]\.[0-9]{3,} ?[nsNS]")


def coordinates(text: str) -> Iterator[Span]:
    """Yield where coordinates stand in folded text, whatever letters touch them."""
    if _DECIMAL.search(text):
        yield from _decimals(text)
    if "°" in text:
        yield from (match.span() for match in _DEGREES.finditer(text))
    lower = text.lower()
    if "geo:" in lower:
        yield from (match.span() for match in _GEO.finditer(text))
    if "lat" in lower and ("lon" in lower or "lng" in lower):
        yield from (match.span() for match in _LABELLED.finditer(text))


def _decimals(text: str) -> Iterator[Span]:
    if _PAIR_HINT(text):
        yield from _pairs(text)
        if "+" in text or "-" in text:
            yield from (match.span() for match in _SIGNED.finditer(text))
    if _MAP_PAIR_HINT(text):
        yield from _map_pairs(text)
    if _COMPASS_HINT(text):
        yield from (match.span() for match in _COMPASS.finditer(text))


def _pairs(text: str) -> Iterator[Span]:
    for pattern in (_PAIR, _COMMAS) if "," in text else (_PAIR,):
        for first in pattern.finditer(text):
            if _has_enough_decimals(first) and _is_plausible(first):
                yield first.start() - (text[first.start() - 1 : first.start()] in ("+", "-")), first.end(3)


def _has_enough_decimals(first: re.Match[str]) -> bool:
    """Whether two numbers have as many decimals as what is between them asks for."""
    decimals, gap, others = len(first[1]), first[2], len(first[4])
    if decimals >= _MIN_DECIMALS and others >= _MIN_DECIMALS:
        return True
    if not _LIST_SEPARATORS.isdisjoint(gap):
        return decimals >= _MIN_DECIMALS_LISTED and others >= _MIN_DECIMALS_LISTED
    if not _CLEAR_SEPARATORS.isdisjoint(gap) or any(map(str.isalpha, gap)):
        return not _is_one_of_many(first)
    return "-" in gap and decimals != others and decimals + others >= _MIN_DECIMALS_DASHED


def _is_plausible(first: re.Match[str]) -> bool:
    """Return whether two numbers are on earth, and neither shares, both below 1, nor versions as `3.12` and `3.13`."""
    one, other = (abs(float(number.replace(",", "."))) for number in (first[0], first[3]))
    if not (one <= 180 and other <= 180 and (one <= 90 or other <= 90)) or (one < 1 and other < 1):
        return False
    return len(first[1]) + len(first[4]) > 2 * _VERSION_DECIMALS or int(one) != int(other) or one >= _MAX_VERSION


def _is_one_of_many(first: re.Match[str]) -> bool:
    """Whether a third number stands before or after a pair, with the same between them."""
    text, gap, (start, end) = first.string, first[2], (first.start(), first.end(3))
    before, after = text[max(0, start - len(gap) - 1) : start], text[end : end + len(gap) + 1]
    return (before.endswith(gap) and before[:1].isdigit()) or (after.startswith(gap) and after[-1:].isdigit())


def _map_pairs(text: str) -> Iterator[Span]:
    """Pairs behind a parameter of maps, behind an at sign, or behind `POINT(`, which may be as coarse as they like."""
    for pair in _MAP_PAIR.finditer(text):
        start = pair.start()
        if text[start] == "@":
            yield pair.span()
        elif pointer := _MAP_PARAMETER.search(text, max(0, start - _MAX_MAP_PARAMETER_CHARS), start):
            yield pointer.start(), pair.end()
