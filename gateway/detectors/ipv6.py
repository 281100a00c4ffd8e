"""Where IPv6 addresses stand in folded text.

In full, compressed, with other separators than colons, and as the name system asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.detectors.hints import Hint, automaton
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span

_HEX: Final = "[0-9A-Fa-f]"
_HEXTET: Final = rf"{_HEX}{{1,4}}"
_COLON_RUN: Final = LazyPattern(
    rf"(?>(?:::)?){_HEXTET}(?>(?:::?{_HEXTET})+)(?>(?:::)?)|(?<![0-9A-Za-z_])(?:::{_HEXTET}|{_HEXTET}::)(?![0-9A-Za-z_:])"
)
_MIXED_RUN: Final = LazyPattern(rf"{_HEXTET}+(?>(?:[:/_-]{{1,2}}{_HEXTET}+){{2,}})")
_HEXTET_WITH_DIGIT: Final = rf"{_HEX}{{0,3}}[0-9]{_HEX}{{0,3}}"
_SOME_HEXTETS: Final = rf"(?:{_HEXTET}(?::{_HEXTET})*)?"
# What is in each text with an address, or nearly, as one automaton: eight hextets, one with a digit; `::` once between
# other characters; two hextets with a digit and another one. Runs are looked at one by one where it is found.
_HINT: Final = automaton(
    "|".join(rf"(?:{_HEXTET}:){{{before}}}{_HEXTET_WITH_DIGIT}(?::{_HEXTET}){{{7 - before}}}" for before in range(8))
    + rf"|(?:^|[^0-9A-Za-z_:]){_SOME_HEXTETS}::{_SOME_HEXTETS}(?:$|[^0-9A-Za-z_:])"
    + rf"|{_HEXTET_WITH_DIGIT}(?:::?{_HEXTET})*::?{_HEXTET_WITH_DIGIT}"
)
# The same with other separators.
_MIXED_HINT: Final = Hint(rf"{_HEX}[:/_-]{{2}}{_HEX}|{_HEX}[:/_-](?:{_HEXTET}[:/_-]){{6}}{_HEX}")
_COLONS: Final = str.maketrans("/_-", ":::")

# Digests are written in pairs as well, in more of them than any address has.
_MAX_RUN_CHARS: Final = 80
_MAX_HEXTETS: Final = 15
_GROUPS: Final = 8
_MIN_SURE_DIGITS: Final = 24
"""With as many, a ninth hextet is a label's or a port's; pairs have 16."""

# What addresses in use begin with: global, unique local and link-local ones (RFC 4291, RFC 4193).
_IN_USE: Final = re.compile(r"[23][0-9a-f]{3}|f[cd][0-9a-f]{2}|fe[89ab][0-9a-f]", re.IGNORECASE)
_DATED: Final = re.compile(r"20[0-9]{2}::?(?:0?[1-9]|1[0-2])(?![0-9A-Fa-f])")

_ARPA: Final = re.compile(r"[.:/_-]ip6[.:/_-]arpa", re.IGNORECASE)
_NIBBLES: Final = re.compile(rf"(?:{_HEX}[.:/_-]){{7,31}}{_HEX}\Z")
_NIBBLES_CHARS: Final = 63


class Run(NamedTuple):
    """Hextets in a row, with colons for whatever stood between, and whether they begin and end where a word does."""

    text: str
    begins: bool
    ends: bool


def ipv6_addresses(text: str, nontechnical: str, *, loose: bool) -> Iterator[Span]:
    """Yield where addresses stand in folded text, beside letters too if there are a few hextets.

    Names such as `sha2::Sha256` don't count.

    Other separators than colons, alone and mixed, are looked for in `nontechnical` once nothing is found with colons.
    If `loose`, letters beside an address don't matter.
    """
    found = False
    if text.count(":") >= 2 and (loose or _HINT.search(text)):
        for match, run in _runs(_COLON_RUN, text, mixed=False):
            if span := _full(run, mixed=False) or _compressed(run, loose=loose):
                found = True
                yield match.start() + span[0], match.start() + span[1]
    if not found and _may_be_mixed(nontechnical):
        for match, run in _runs(_MIXED_RUN, nontechnical, mixed=True):
            if span := _full(run, mixed=True) or _compressed_mixed(run):
                yield match.start() + span[0], match.start() + span[1]
    if "arpa" in text.lower():
        yield from _reverse_lookups(text)


def _may_be_mixed(text: str) -> bool:
    enough = text.count(":") + text.count("/") + text.count("_") + text.count("-") >= 2
    return enough and _MIXED_HINT(text)


def _runs(pattern: LazyPattern[str], text: str, *, mixed: bool) -> Iterator[tuple[re.Match[str], Run]]:
    """The runs that have colons enough.

    If `mixed`, those that have other separators as well, which count as colons.
    """
    for match in pattern.finditer(text):
        (start, end), found = match.span(), match[0]
        colons = found.translate(_COLONS) if mixed else found
        if end - start > _MAX_RUN_CHARS or (mixed and colons == found):
            continue
        doubles = colons.count("::")
        if doubles == 1 or colons.count(":") - 2 * doubles >= _GROUPS - 1:
            yield match, Run(colons, not _is_touching(text[start - 1 : start]), not _is_touching(text[end : end + 1]))


def _is_touching(char: str) -> bool:
    return char.isalnum() or char == "_"


def _full(run: Run, *, mixed: bool) -> Span | None:
    """Eight hextets with one colon between two; if `mixed`, there were other separators, which takes more digits."""
    if not _GROUPS <= run.text.count(":") + 1 <= _MAX_HEXTETS:
        return None
    hextets = run.text.split(":")
    firsts = [first for first in range(len(hextets) - _GROUPS + 1) if _is_full(run, hextets, first, mixed=mixed)]
    if not firsts:
        return None
    first = next((first for first in firsts if _IN_USE.fullmatch(hextets[first])), firsts[0])
    return _span(hextets, first, first + _GROUPS)


def _span(hextets: Sequence[str], first: int, end: int) -> Span:
    start = len(":".join(hextets[:first])) + (first > 0)
    return start, start + len(":".join(hextets[first:end]))


def _is_full(run: Run, hextets: Sequence[str], first: int, *, mixed: bool) -> bool:
    eight, rest = hextets[first : first + _GROUPS], hextets[first + _GROUPS :]
    with_digits = _count_with_digits(eight)
    if not all(eight) or with_digits < (3 if mixed else 1) or (mixed and _is_number(eight)):
        return False
    began = first > 1 or (first == 1 and run.begins)
    return len("".join(eight)) >= _MIN_SURE_DIGITS or not (began or _goes_on(run, eight, rest))


def _goes_on(run: Run, eight: Sequence[str], rest: Sequence[str]) -> bool:
    """Whether a ninth hextet follows eight; a port doesn't count after an address with a letter."""
    if not rest or (len(rest) == 1 and not run.ends):
        return False
    return len(rest) > 1 or not rest[0].isdigit() or _is_number(eight)


def _count_with_digits(hextets: Sequence[str]) -> int:
    return sum(1 for hextet in hextets if hextet and not hextet.isalpha())


def _is_number(hextets: Sequence[str]) -> bool:
    return "".join(hextets).isdigit()


def _compressed(run: Run, *, loose: bool) -> Span | None:
    """At most seven hextets with `::` once."""
    if run.text.count("::") != 1 or (run.text.count(":") == 2 and not (loose or (run.begins and run.ends))):
        return None
    hextets = run.text.split(":")
    first, end = 0, len(hextets)
    if end - _has_open_end(hextets) > _GROUPS:
        first = int(not run.begins or _IN_USE.fullmatch(hextets[1]) is not None)
        end -= 1 - first
        hextets = hextets[:end]
    known = [hextet for hextet in hextets[first:] if hextet]
    if "" not in hextets[first:] or len(known) >= _GROUPS:
        return None
    with_digits = _count_with_digits(known)
    if with_digits and (loose or (run.begins and run.ends) or (len(known) >= 3 and with_digits >= 2)):
        return _span(hextets, first, end)
    return None


def _has_open_end(hextets: Sequence[str]) -> bool:
    """Whether `::` stands at an end, which splits in one more piece."""
    return not hextets[0] or not hextets[-1]


def _compressed_mixed(run: Run) -> Span | None:
    """The same with other separators, from a hextet on that addresses in use begin with."""
    if run.text.count("::") != 1:
        return None
    hextets = run.text.split(":")
    first = next((index for index, hextet in enumerate(hextets) if _IN_USE.fullmatch(hextet)), len(hextets))
    known = [hextet for hextet in hextets[first:] if hextet]
    if "" not in hextets[first:] or not 3 <= len(known) < _GROUPS or _is_number(known) or _count_with_digits(known) < 2:
        return None
    start, end = _span(hextets, first, len(hextets))
    return None if _DATED.match(run.text, start) else (start, end)


def _reverse_lookups(text: str) -> Iterator[Span]:
    """Addresses as their nibbles, the last first, below `ip6.arpa` (RFC 3596)."""
    for zone in _ARPA.finditer(text):
        if nibbles := _NIBBLES.search(text, max(0, zone.start() - _NIBBLES_CHARS), zone.start()):
            yield nibbles.start(), zone.end()
