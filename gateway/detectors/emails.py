"""Where e-mail addresses stand in folded text, with every local part and every kind of domain that mail systems know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

# One character of a label: a letter, a digit, a hyphen, an underscore, or whatever isn't ASCII.
_CHAR: Final = r"[^\x00-,./:-@\[-^`{-\x7f\s]"
_OCTETS: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9])"
# A name with a dot whose last label starts with two letters, an IPv4 address, or an address literal. All that is right of the at sign
# is read once, since none of it holds another one.
_DOMAIN: Final = re.compile(
    rf"@[ \t]{{0,2}}+(?:(?:{_CHAR}{{1,63}}+\.){{1,20}}(?=[^\W\d_]{{2}}){_CHAR}{{1,63}}+|{_OCTETS}|\[(?:ipv6:)?[0-9a-f:.]{{3,45}}\])",
    re.IGNORECASE,
)
# Left of the at sign, read from there: the user of a URL, what is usual in a local part, or all up to the next blank if it ends otherwise.
_ODD: Final = r"@<>()\[\]{}\",;:=&?|\\/"
_LOCAL: Final = re.compile(rf"[ \t]{{0,2}}+(?:[^\s{_ODD}][^\s@/]{{0,63}}+(?=//)|[^\s{_ODD}]{{1,64}}+|[{_ODD}]\S{{0,63}}+)")
_QUOTED: Final = re.compile(r"[ \t]{0,2}+\"[^\"\n]{1,64}+\"")
_REACH: Final = 70


def emails(text: str) -> Iterator[Span]:
    """The addresses in folded text, from left to right. Each at sign is looked at once."""
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        before = text[max(0, at - _REACH) : at][::-1]
        if local := _LOCAL.match(before):
            quoted = _QUOTED.match(before)
            yield at - max(local.end(), quoted.end() if quoted else 0), domain.end()
