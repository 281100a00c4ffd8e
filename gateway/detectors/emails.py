"""Where e-mail addresses stand in folded text, with every local part and every kind of domain that mail systems know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_LABEL: Final = r"(?:[\w-]|[^\x00-\x7f\s]){1,63}+"
_OCTETS: Final = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9.]*[0-9])"
# A name with a dot whose last label starts with two letters, an IPv4 address, or an address literal. All that is right of the at sign
# is read once, since none of it holds another one.
_DOMAIN: Final = re.compile(
    rf"[ \t]{{0,2}}(?:(?:{_LABEL}\.){{1,20}}(?=[^\W\d_]{{2}}){_LABEL}|{_OCTETS}|\[(?:ipv6:)?[0-9a-f:.]{{3,45}}\])",
    re.IGNORECASE,
)
# Left of the at sign: a quoted string, the user of a URL, what is usual in a local part, or all up to the next blank if it ends otherwise.
_LOCAL: Final = re.compile(
    r"(?:\"[^\"\n]{1,64}\"|(?<=//)[^\s@/]{1,64}|[^\s@<>()\[\]{}\",;:=&?|\\/]{1,64}|\S{0,63}[@<>()\[\]{}\",;:=&?|\\/])[ \t]{0,2}\Z"
)
_REACH: Final = 70


def emails(text: str) -> Iterator[Span]:
    """The addresses in folded text, from left to right. Each at sign is looked at once."""
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        local = _LOCAL.search(text, max(0, at - _REACH), at) if domain else None
        if domain and local:
            yield local.start(), domain.end()
        at = text.find("@", domain.end() if domain else at + 1)
