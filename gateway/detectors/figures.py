"""What digits in groups are, if no number of anybody's: decimals, dotted versions and addresses, times of day."""

from __future__ import annotations

import re
from typing import Final

from gateway.detectors.spans import Span, blank, spans_of

_BEFORE: Final = r"(?<![0-9])(?<![0-9]\.)"
_AFTER: Final = r"(?![0-9])(?!\.[0-9])"
_WHOLE: Final = r"(?:0|[1-9][0-9]*+)"
_HUNDREDS: Final = r"(?:0|[1-9][0-9]{0,2})"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_SHORT: Final = r"[1-9]?[0-9]"
_GAP: Final = r"[ \t.\-/()_:+]"
_NAMED: Final = r"(?<=[A-Za-z])[0-9]{1,8}\.[0-9]{9}"
"""No decimal but a name and a number, as in `q4.0612345678`: decimals right behind a letter have fewer digits."""

_PART_OF_NO_NUMBER: Final = re.compile(
    rf"{_BEFORE}(?!{_NAMED})(?:"
    rf"(?:0\.[0-9]++|(?:{_OCTET}\.){{3}}{_OCTET}|{_WHOLE}\.0\.{_WHOLE}\.{_WHOLE}){_AFTER}"
    rf"|(?<![0-9]{_GAP})(?:{_OCTET}-){{3}}{_OCTET}(?![0-9])(?![ \t.\-/()_+][0-9])(?!:[0-9]{{1,5}}{_GAP}[0-9])"
    rf"|(?<!\+){_SHORT}\.{_WHOLE}\.{_WHOLE}(?=[+-])"
    rf"|(?<!\+)(?<![0-9]{_GAP})(?<![0-9]{_GAP}{{2}})(?<![0-9]{_GAP}{{3}})"
    rf"(?>(?:{_HUNDREDS}\.[0-9]++(?!\.[0-9])(?>(?:[ \t]{{1,3}}(?={_HUNDREDS}\.[0-9]))?))+)(?!{_GAP}{{0,3}}[0-9]))"
)
"""Shares such as `0.612345678`, IPv4 addresses, also with dashes, versions such as `131.0.6778.108`, or `6.8.0` in
`6.8.0-1021`, and decimals in a row."""

_TIME: Final = r"(?<![0-9:])(?:[01][0-9]|2[0-3]):[0-5][0-9](?![0-9:])"
_WHOLE_FIGURE: Final = re.compile(rf"{_BEFORE}(?!{_NAMED})[1-9][0-9]*+\.[0-9]++{_AFTER}|{_TIME}")
"""Decimals and times of day: a number has all of one in it, or nothing."""

_MEASURE: Final = re.compile(rf"{_BEFORE}[1-9][0-9]{{0,2}}\.[0-9]++{_AFTER}|{_TIME}")
_BETWEEN_MEASURES: Final = re.compile(r"[ \t/_:-]*")
_IN_VERSION: Final = re.compile(r"(?:(?<![0-9A-Za-z])|(?<![0-9A-Za-z])[vV])[0-9]{1,8}\.\Z")
_MAX_CONTEXT_CHARS: Final = 40
"""How far around a number is looked for a figure that it would cut."""

_DIGIT_PAIRS: Final = re.compile(r"[1-9][0-9](?:[:/_-][0-9]{2})+")
_LETTERED: Final = "(?:[0-9A-Fa-f][A-Fa-f]|[A-Fa-f][0-9])"
_PAIRS_BEFORE: Final = re.compile(rf"(?<![0-9A-Za-z]){_LETTERED}(?:[:/_-][0-9A-Fa-f]{{2}}){{0,7}}[:/_-]\Z")
_PAIRS_AFTER: Final = re.compile(rf"(?:[:/_-][0-9A-Fa-f]{{2}}){{0,7}}[:/_-]{_LETTERED}(?![0-9A-Za-z])")


def is_in_pairs(text: str, start: int, end: int) -> bool:
    """Whether digits from `start` to `end` are pairs within a row of hexadecimal ones, with a letter on both sides."""
    if not _DIGIT_PAIRS.fullmatch(text, start, end):
        return False
    before = _PAIRS_BEFORE.search(text, max(0, start - _MAX_CONTEXT_CHARS), start)
    return before is not None and _PAIRS_AFTER.match(text, end) is not None


def without_figures(text: str) -> str:
    """Return folded text with a `~` in place of each character of figures in which no number starts or ends."""
    return blank(text, spans_of(_PART_OF_NO_NUMBER, text)) if "." in text or "-" in text else text


def is_figure(text: str, start: int, end: int) -> bool:
    """Return whether digits in groups, from `start` to `end`, are a decimal, or a part of one or of a version.

    Measures and times side by side are some too.
    """
    near = text[max(0, start - 1) : end + 1]
    if "." not in near and ":" not in near:
        return False
    begins, stops = _widened(text, start, end)
    if (begins, stops) != (start, end):
        return _is_all(_WHOLE_FIGURE, text[begins:stops])
    return (
        _WHOLE_FIGURE.fullmatch(text, start, end) is not None
        or _is_in_version(text, start, end)
        or _is_all(_MEASURE, text[start:end])
    )


def _widened(text: str, start: int, end: int) -> Span:
    """From where to where the digits stand with all of the decimals and times that start or end among them."""
    begins, stops = start, end
    for figure in _WHOLE_FIGURE.finditer(text, max(0, start - _MAX_CONTEXT_CHARS), end + _MAX_CONTEXT_CHARS):
        if figure.start() < end and start < figure.end():
            begins, stops = min(begins, figure.start()), max(stops, figure.end())
    return begins, stops


def _is_in_version(text: str, start: int, end: int) -> bool:
    """Whether digits on end are the last part of a version. None of its parts begins with 0."""
    on_end = text[start:end].isdigit() and text[start] != "0"
    return on_end and _IN_VERSION.search(text, max(0, start - _MAX_CONTEXT_CHARS), start) is not None


def _is_all(figure: re.Pattern[str], found: str) -> bool:
    """Whether there is nothing but some figures."""
    rest, count = figure.subn("", found)
    return count > 0 and _BETWEEN_MEASURES.fullmatch(rest) is not None
