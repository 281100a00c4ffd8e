"""What digits in groups are, if no number of anybody's: decimals, dotted versions and addresses, times of day."""

from __future__ import annotations

import re
from typing import Final

_BEFORE: Final = r"(?<![0-9])(?<![0-9]\.)"
_AFTER: Final = r"(?![0-9])(?!\.[0-9])"
_WHOLE: Final = r"(?:0|[1-9][0-9]*+)"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_SHORT: Final = r"[1-9]?[0-9]"
_GAP: Final = r"[ \t.\-/()_:+]"

_PART_OF_NO_NUMBER: Final = re.compile(
    rf"{_BEFORE}(?:"
    rf"(?:0\.[0-9]++|(?:{_OCTET}\.){{3}}{_OCTET}|{_WHOLE}\.0\.{_WHOLE}\.{_WHOLE}){_AFTER}"
    rf"|(?<!\+){_SHORT}\.{_WHOLE}\.{_WHOLE}(?=[+-])"
    rf"|(?<!\+)(?<![0-9]{_GAP})(?<![0-9]{_GAP}{{2}})(?<![0-9]{_GAP}{{3}})"
    rf"(?:[0-9]{{1,3}}\.[0-9]++(?!\.[0-9])(?:[ \t]{{1,3}}(?=[0-9]{{1,3}}\.[0-9]))?+)++(?!{_GAP}{{0,3}}[0-9]))"
)
"""Shares such as `0.612345678`, IPv4 addresses, versions such as `131.0.6778.108` and `6.8.0` in `6.8.0-1021`, decimals in a row."""

_DECIMAL: Final = re.compile(rf"{_BEFORE}[1-9][0-9]*+\.[0-9]++{_AFTER}")
_MEASURE: Final = re.compile(rf"{_BEFORE}[1-9][0-9]{{0,2}}\.[0-9]++{_AFTER}|(?<![0-9:])(?:[01][0-9]|2[0-3]):[0-5][0-9](?![0-9:])")
_BETWEEN_MEASURES: Final = re.compile(r"[ \t-]*")
_IN_VERSION: Final = re.compile(r"(?<![0-9])[0-9]{1,8}\.\Z")
_MAX_REACH_CHARS: Final = 40
"""How far around a number is looked for a decimal that it would cut."""


def without_figures(text: str) -> str:
    """Return folded text with a `~` in place of each character of figures in which no number starts or ends."""
    return _PART_OF_NO_NUMBER.sub(_blank, text) if "." in text else text


def is_figure(text: str, start: int, end: int) -> bool:
    """Whether digits in groups, from `start` to `end`, are a decimal, a part of one or of a version, or measures and times side by side."""
    found = text[start:end]
    if "." in text[max(0, start - 1) : end + 1] and _cuts_decimal(text, start, end):
        return True
    return ("." in found or ":" in found) and _is_measures(found)


def _cuts_decimal(text: str, start: int, end: int) -> bool:
    """Whether a decimal starts or ends within, but isn't all of it, or is the same; or digits on end are the last part of a version."""
    near = (max(0, start - _MAX_REACH_CHARS), end + _MAX_REACH_CHARS)
    for decimal in _DECIMAL.finditer(text, *near):
        begins, stops = decimal.span()
        if (begins < end and start < stops) and (begins < start or end < stops or (begins, stops) == (start, end)):
            return True
    return text[start:end].isdigit() and _IN_VERSION.search(text, near[0], start) is not None


def _is_measures(found: str) -> bool:
    rest, measures = _MEASURE.subn("", found)
    return measures > 0 and _BETWEEN_MEASURES.fullmatch(rest) is not None


def _blank(match: re.Match[str]) -> str:
    return "~" * len(match[0])
