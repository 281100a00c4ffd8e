"""Numbers whose groups are apart by what ends a number as a rule: a comma, a bar and the like, or the end of a line.

Such text holds many more rows of figures than numbers of anybody's, so that only groups as they are usually written are
one: a card's four, or a phone number's pairs behind its 0 and any groups behind a plus sign. What is between them
becomes a blank and `FILLER`, so that the text stays as long as it is.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.detectors.compact import FILLER
from gateway.detectors.hints import Hint
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.numbering import is_international

_LIST_SIGNS: Final = ",;|*~"
_LIST_SIGN: Final = f"[{_LIST_SIGNS}] ?"
_LINE: Final = r"[ \t]{0,3}\r?\n[> \t]{0,8}"
_JOINT: Final = rf"(?:[ .-]|{_LINE})"
_LIST_HINT: Final = Hint(rf"[0-9]{_LIST_SIGN}[0-9]{{2}}")
_LINE_HINT: Final = Hint(rf"[0-9]\)?{_LINE}\(?[0-9]{{2}}")

# Written so that the search skips to a digit: which one it is, and what may not stand before it, is looked at
# afterwards.
_FIRST: Final = r"[0-9](?<![0-9].)"
_LISTED: Final = LazyPattern(
    rf"{_FIRST}(?:[0-9]{{3}}(?P<four>{_LIST_SIGN})[0-9]{{4}}(?:(?P=four)[0-9]{{4}}){{2}}"
    rf"|(?<=3)[47][0-9]{{2}}(?P<six>{_LIST_SIGN})[0-9]{{6}}(?P=six)[0-9]{{5}}"
    rf"|(?<=0)[1-9](?P<pair>{_LIST_SIGN})[0-9]{{2}}(?:(?P=pair)[0-9]{{2}}){{3}}"
    rf"|(?:(?<=\+[1-9])|(?<=0)0[1-9])[0-9]{{0,2}}(?P<any>{_LIST_SIGN})[0-9]{{1,4}}(?:(?P=any)[0-9]{{2,4}}){{2,4}})(?![0-9])"
)
_WRAPPED: Final = LazyPattern(
    rf"{_FIRST}(?:[0-9]{{3}}(?:{_JOINT}[0-9]{{4}}){{3}}|(?<=3)[47][0-9]{{2}}{_JOINT}[0-9]{{6}}{_JOINT}[0-9]{{5}}"
    rf"|(?<=0)(?<![ \n][0-9]{{2}}[ .-].)(?<!\A[0-9]{{2}}[ .-].)[1-9](?:{_JOINT}[0-9]{{2}}){{4}}"
    rf"|(?<=0)[0-9]{{3}}(?:{_JOINT}[0-9]{{2}}){{3}}|(?<=0)[0-9]{{2}}{_JOINT}[0-9]{{3,4}}{_JOINT}[0-9]{{4}}"
    rf"|(?:(?<=\+[1-9])|(?<=0)0[1-9])[0-9]{{0,2}}(?:{_JOINT}\(?[0-9]{{1,4}}\)?){{2,6}})(?![ .-]?[0-9])"
)
_BREAK: Final = re.compile(_LINE)
_BETWEEN: Final = re.compile(r"[^0-9()]+")
_NO_DIGIT: Final = re.compile(r"[^0-9]+")
_PLUS: Final = "+"
_ZEROS: Final = "00"


def join_groups(text: str) -> str:
    """Return folded text, as long as it is, with a blank between the groups of such numbers."""
    if any(char in text for char in _LIST_SIGNS) and _LIST_HINT(text):
        text = _LISTED.sub(_join_listed, text)
    if "\n" in text and _LINE_HINT(text):
        text = _WRAPPED.sub(_join_wrapped, text)
    return text


def _join_listed(match: re.Match[str]) -> str:
    """A number, unless the list goes on beyond it."""
    sign, reach = match[match.lastgroup or 0], len(match[match.lastgroup or 0]) + 1
    before, after = (
        match.string[max(0, match.start() - reach) : match.start()],
        match.string[match.end() : match.end() + reach],
    )
    goes_on = (before[:1].isdigit() and before[1:] == sign) or (after[-1:].isdigit() and after[:-1] == sign)
    return match[0] if goes_on else _BETWEEN.sub(_blank, match[0])


def _join_wrapped(match: re.Match[str]) -> str:
    """A number that goes on in a second line; other groups are apart in the same, and it isn't whole before."""
    found = match[0]
    breaks = list(_BREAK.finditer(found))
    if len(breaks) != 1 or len(_BETWEEN.findall(found)) == 1 or _is_whole(match, found[: breaks[0].start()]):
        return found
    return _BETWEEN.sub(_blank, found)


def _is_whole(match: re.Match[str], before: str) -> bool:
    """Whether the first line's part of an international number is one."""
    digits = _NO_DIGIT.sub("", before)
    if match.string[match.start() - 1 : match.start()] == _PLUS:
        return is_international(digits)
    return digits.startswith(_ZEROS) and is_international(digits[len(_ZEROS) :])


def _blank(match: re.Match[str]) -> str:
    return " " + FILLER * (len(match[0]) - 1)
