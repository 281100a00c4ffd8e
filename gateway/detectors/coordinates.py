"""Where coordinates stand in folded text: pairs of decimals, geo URIs, map links, labelled latitudes and longitudes, degrees."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_FROM: Final = r"(?<![0-9A-Za-z])(?<![0-9][.,])[+-]?[0-9]{1,3}"
_TO: Final = r"[+-]?[0-9]{1,3}"
_ANY: Final = r"[+-]?[0-9]{1,3}(?:[.,][0-9]{1,15})?"
_SOME: Final = r"[+-]?[0-9]{1,3}\.[0-9]{1,15}"
_LAT: Final = rf"(?<![a-z])lat(?:itude)?(?![a-z0-9_])[^a-z0-9\n]{{1,6}}{_ANY}"
_LONG: Final = rf"(?<![a-z])lo?ng?(?:itude)?(?![a-z0-9_])[^a-z0-9\n]{{1,6}}{_ANY}"

# Two numbers, as latitude and longitude or the other way round (GeoJSON, WKT); the looser what stands between them, the finer they must
# be. The last is ISO 6709.
_PAIR: Final = re.compile(
    rf"""
    (?: {_FROM}\.[0-9]{{3,15}}[ ]?°?\s{{0,4}}[,;|/]\s{{0,12}}{_TO}\.[0-9]{{3,15}}
      | {_FROM}\.[0-9]{{4,15}}[ \t]{{1,3}}{_TO}\.[0-9]{{4,15}}
      | {_FROM},[0-9]{{4,15}}[ \t]{{0,2}}[;|/ \t][ \t]{{0,2}}{_TO},[0-9]{{4,15}}
      | (?<![0-9A-Za-z.])[+-][0-9]{{2}}\.[0-9]{{2,15}}[+-][0-9]{{3}}\.[0-9]{{2,15}}
    )(?![0-9])
    """,
    re.VERBOSE,
)
_NUMBER: Final = re.compile(r"[0-9]{1,3}[.,][0-9]{2,15}")
_HINT: Final = re.compile(r"[0-9][.,][0-9]|°|\blat", re.IGNORECASE)
_SAID: Final = re.compile(
    rf"""
      geo:{_ANY},{_ANY}
    | (?:(?<![a-z])(?:s?ll|q|center|[ds]addr|query|coords?|location)=(?:loc:)?|@){_SOME},{_SOME}
    | (?<![a-z])point[ ]?\([ ]?{_SOME}[ ]{{1,3}}{_SOME}
    | {_LAT}[^\n]{{0,32}}?{_LONG}
    | {_LONG}[^\n]{{0,32}}?{_LAT}
    | (?<![0-9])[0-9]{{1,3}}[ ]?°[ ]?[0-9]{{1,2}}(?:[.,][0-9]{{1,10}})?[ ]?['"](?:[ ]?[0-9]{{1,2}}(?:[.,][0-9]{{1,10}})?[ ]?['"]{{1,2}})?
    | (?<![0-9])[0-9]{{1,3}}[.,][0-9]{{1,15}}[ ]?°[ ]?[nsewo](?![a-z])
    | (?<![a-z])[ns][ ]?[0-9]{{1,2}}\.[0-9]{{3,15}}[ ]?°?[ ]?[,;/]?[ ]?[ewo][ ]?[0-9]{{1,3}}\.[0-9]{{3,15}}
    | (?<![0-9a-z.])[0-9]{{1,2}}\.[0-9]{{3,15}}[ ]?[ns][ ]?[,;/]?[ ]?[0-9]{{1,3}}\.[0-9]{{3,15}}[ ]?[ewo](?![a-z])
    """,
    re.VERBOSE | re.IGNORECASE,
)


def coordinates(text: str) -> Iterator[Span]:
    """The coordinates in folded text."""
    if not _HINT.search(text):
        return
    yield from (match.span() for match in _PAIR.finditer(text) if _on_earth(match[0]))
    yield from (match.span() for match in _SAID.finditer(text))


def _on_earth(pair: str) -> bool:
    """Whether two numbers are a latitude and a longitude. Two that are both below 1 are more likely shares of something."""
    small, large = sorted(float(number.replace(",", ".")) for number in _NUMBER.findall(pair))
    return small <= 90 and 1 <= large <= 180
