"""Where e-mail addresses stand in folded text, with all local parts and kinds of domains that mail systems know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.detectors import data
from gateway.detectors.compact import LINE_END
from gateway.detectors.lazy_pattern import LazyPattern
from gateway.detectors.spans import Span

# One character of a label: a letter, a digit, a hyphen, an underscore, or whatever isn't ASCII.
_CHAR: Final = r"[^\x00-,./:-@\[-^`{-\x7f\s]"
_OCTETS: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9])"
# A name with a dot whose last label starts with two letters, an IPv4 address, or an address literal. All that is right
# of the at sign is read once, since none of it holds another one.
_DOMAIN: Final = LazyPattern(
    rf"@(?:[ \t]{{0,2}}+(?>(?:(?=[\r\n])(?:{LINE_END}))?))(?:(?:{_CHAR}{{1,63}}+\.){{1,20}}"
    rf"(?=[^\W\d_]{{2}}){_CHAR}{{1,63}}+|{_OCTETS}|\[(?:ipv6:)?[0-9a-f:.]{{3,45}}\])",
    re.IGNORECASE,
)
# Left of the at sign, read from there: the user of a URL, what is usual in a local part, or all up to the next blank if
# it ends otherwise.
_ODD: Final = r"@<>()\[\]{}\",;:=&?|\\/"
_LINE_BEGIN: Final = r"(?:(?:[ \t]{0,3}>){0,3}[ \t]{0,3}\n\r?[ \t]{0,2})"
_LOCAL: Final = re.compile(
    rf"(?:(?=[\n >\t]){_LINE_BEGIN}|[ \t]{{0,2}}+)(?:[^\s{_ODD}][^\s@/]{{0,63}}+(?=//)|[^\s{_ODD}]{{1,64}}+|[{_ODD}]\S{{0,63}}+)"
)
_QUOTED: Final = re.compile(rf"(?:(?=[\n >\t]){_LINE_BEGIN}|[ \t]{{0,2}}+)\"[^\"\n]{{1,64}}+\"")
_MAX_LOCAL_CHARS: Final = 70


# Bytes that were never text rarely look so regular: labels in one case but for their first letter, and a top-level
# domain that exists or has four letters. Letters of what comes next may follow it.
_LIKELY: Final = LazyPattern(
    r"@[ \t]*+(?:\r?\n[ \t>]*+)?"
    r"(?:(?:(?:[A-Z]?[a-z0-9_-]+|[A-Z0-9_-]+)\.)+(?P<tld>[A-Z]?[a-z]+|[A-Z]{2,}+)|[0-9.]+|\[[0-9a-zA-Z:.]+\]|.*?[^\x00-\x7f]{2})"
)
_LIKELY_LOCAL: Final = re.compile(r"[\w\")\ufffd-][ \t]*\Z")
_MIN_LIKELY_LETTERS: Final = 4
_TLDS: Final = data.lines("tlds")
_GLUED: Final = tuple(sorted(data.lines("tlds_glued")))


def emails(text: str, *, loose: bool = False) -> Iterator[Span]:
    """Yield where addresses stand in folded text, from left to right. Each at sign is looked at once.

    If `loose`, the text was decoded from a run that may never have been text: only what is likely an address counts.
    """
    for domain in _DOMAIN.finditer(text) if "@" in text else ():
        at = domain.start()
        before = text[max(0, at - _MAX_LOCAL_CHARS) : at][::-1]
        local = _LOCAL.match(before)
        if local and (not loose or _is_likely(text, at, domain.end())):
            quoted = _QUOTED.match(before)
            yield at - max(local.end(), quoted.end() if quoted else 0), domain.end()


def _is_likely(text: str, at: int, end: int) -> bool:
    domain = _LIKELY.match(text, at, end)
    if not domain or not _LIKELY_LOCAL.search(text, max(0, at - 3), at):
        return False
    tld = (domain["tld"] or "com").lower()
    if text[domain.end() : domain.end() + 1].isdigit() and not tld.startswith(_GLUED):
        return False
    return tld in _TLDS or len(tld) >= _MIN_LIKELY_LETTERS or tld.startswith(_GLUED)
