"""What digits in groups are, if no number of anybody's: decimals, dotted versions and addresses, times of day."""

from __future__ import annotations

import re
from typing import Final

_BEFORE: Final = r"(?<![0-9])(?<![0-9]\.)"
_AFTER: Final = r"(?![0-9])(?!\.[0-9])"
_WHOLE: Final = r"(?:0|[1-9][0-9]*+)"
_HUNDREDS: Final = r"(?:0|[1-9][0-9]{0,2})"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_SHORT: Final = r"[1-9]?[0-9]"
_GAP: Final = r"[ \t.\-/()_:+]"

_PART_OF_NO_NUMBER: Final = re.compile(
    rf"{_BEFORE}(?:"
    rf"(?:0\.[0-9]++|(?:{_OCTET}\.){{3}}{_OCTET}|{_WHOLE}\.0\.{_WHOLE}\.{_WHOLE}){_AFTER}"
    rf"|(?<![0-9]{_GAP})(?:{_OCTET}-){{3}}{_OCTET}(?![0-9])(?![ \t.\-/()_+][0-9])(?!:[0-9]{{1,5}}{_GAP}[0-9])"
    rf"|(?<!\+){_SHORT}\.{_WHOLE}\.{_WHOLE}(?=[+-])"
    rf"|(?<!\+)(?<![0-9]{_GAP})(?<![0-9]{_GAP}{{2}})(?<![0-9]{_GAP}{{3}})"
    rf"(?:{_HUNDREDS}\.[0-9]++(?!\.[0-9])(?:[ \t]{{1,3}}(?={_HUNDREDS}\.[0-9]))?+)++(?!{_GAP}{{0,3}}[0-9]))"
)
"""Shares such as `0.612345678`, IPv4 addresses, also with dashes, versions such as `131.0.6778.108`, or `6.8.0` in `6.8.0-1021`, and
decimals in a row."""

_TIME: Final = r"(?<![0-9:])(?:[01][0-9]|2[0-3]):[0-5][0-9](?![0-9:])"
_UNCUT: Final = re.compile(rf"{_BEFORE}[1-9][0-9]*+\.[0-9]++{_AFTER}|{_TIME}")
"""Decimals and times of day: a number has all of one in it, or nothing."""

_MEASURE: Final = re.compile(rf"{_BEFORE}[1-9][0-9]{{0,2}}\.[0-9]++{_AFTER}|{_TIME}")
_BETWEEN_MEASURES: Final = re.compile(r"[ \t/_:-]*")
_IN_VERSION: Final = re.compile(r"(?<![0-9])[0-9]{1,8}\.\Z")
_MAX_REACH_CHARS: Final = 40
"""How far around a number is looked for a figure that it would cut."""


def without_figures(text: str) -> str:
    """Return folded text with a `~` in place of each character of figures in which no number starts or ends."""
    return _PART_OF_NO_NUMBER.sub(_blank, text) if "." in text or "-" in text else text


def is_figure(text: str, start: int, end: int) -> bool:
    """Whether digits in groups, from `start` to `end`, are a decimal, a part of one or of a version, or measures and times side by side."""
    near = text[max(0, start - 1) : end + 1]
    if "." not in near and ":" not in near:
        return False
    return _cuts(text, start, end) or _is_in_version(text, start, end) or _is_measures(text[start:end])


def _cuts(text: str, start: int, end: int) -> bool:
    """Whether a decimal or a time starts or ends from `start` to `end` and isn't all of it in there, or is the same."""
    for figure in _UNCUT.finditer(text, max(0, start - _MAX_REACH_CHARS), end + _MAX_REACH_CHARS):
        begins, stops = figure.span()
        if (begins < end and start < stops) and (begins < start or end < stops or (begins, stops) == (start, end)):
            return True
    return False


def _is_in_version(text: str, start: int, end: int) -> bool:
    """Whether digits on end are the last part of a version."""
    return text[start:end].isdigit() and _IN_VERSION.search(text, max(0, start - _MAX_REACH_CHARS), start) is not None


def _is_measures(found: str) -> bool:
    rest, measures = _MEASURE.subn("", found)
    return measures > 0 and _BETWEEN_MEASURES.fullmatch(rest) is not None


def _blank(match: re.Match[str]) -> str:
    return "~" * len(match[0])
