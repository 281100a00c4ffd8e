"""What digits and letters surely are in folded text, if not personal: UUIDs, dates, times. Nothing else is looked for in them."""

from __future__ import annotations

import re
from typing import Final

# With a letter somewhere: one of digits only may as well hide a number.
_UUID: Final = re.compile(
    r"(?<![0-9a-z])(?=[0-9-]{0,35}[a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-z])",
    re.IGNORECASE,
)
_YEAR: Final = r"(?:19|20)[0-9]{2}"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_DAY: Final = r"(?:0[1-9]|[12][0-9]|3[01])"
_DATE: Final = re.compile(
    rf"(?<![0-9])(?:{_YEAR}(?P<a>[-/.]){_MONTH}(?P=a){_DAY}|(?:{_DAY}(?P<b>[-/.]){_MONTH}(?P=b)|{_MONTH}(?P<c>[-/.]){_DAY}(?P=c)){_YEAR})(?![0-9])"
)
_COMPACT: Final = re.compile(rf"{_YEAR}{_MONTH}{_DAY}(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){{0,2}}")


def blanked(text: str) -> str:
    """Return folded text with a `~` in place of each character of a technical identifier, a date or a time."""
    return _DATE.sub(_blank, _UUID.sub(_blank, text) if text.count("-") >= 4 else text)


def is_moment(digits: str) -> bool:
    """Whether digits are a date with an hour, as in `2026112310`."""
    return _COMPACT.fullmatch(digits) is not None


def _blank(match: re.Match[str]) -> str:
    return "~" * len(match[0])
