"""Where IBANs stand in folded text, whatever touches them and whatever separates their characters."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import cache
from typing import Final

from gateway.detectors import data
from gateway.detectors.accounts import accounts
from gateway.detectors.budget import lookup_budget
from gateway.detectors.compact import Compact
from gateway.detectors.decode import Decoding
from gateway.detectors.spans import Span

_TWO_DIGITS: Final = re.compile(r"[0-9][^0-9A-Za-z]{0,3}[0-9]")
_CLASSES: Final = {"n": "[0-9]", "a": "[A-Za-z]", "c": "[A-Za-z0-9]"}
# No two of them overlap, so that each character is looked at by one at most.
_START: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}(?=[A-Za-z0-9]{8})")

_VALUES: Final = {ord(char): str(int(char, 36)) for char in string.ascii_letters}
"""What letters count among digits: A is 10, Z is 35."""


def _piece_pattern(piece: re.Match[str]) -> str:
    return f"{_CLASSES[piece[2]]}{{{piece[1]}}}"


@cache
def _structure(spec: str) -> re.Pattern[str]:
    """Return the pattern of a BBAN's structure, as the registry writes it: `5!n11!c`."""
    return re.compile(re.sub(r"([0-9]+)!([nac])", _piece_pattern, spec))


_SPECS: Final = data.table("ibans", dict[str, str])
"""The structure of each country's BBANs."""

_COUNTRIES: Final = "|".join(f"{country[0]}[._:/-]{{0,3}}{country[1]}" for country in _SPECS)
HINT: Final = rf"(?i:{_COUNTRIES})[._:/-]{{0,3}}[0-9][._:/-]{{0,3}}[0-9][A-Za-z0-9._:/-]{{11}}"
"""Found by RE2 in each token that holds an IBAN."""


def ibans(decoding: Decoding) -> Iterator[Span]:
    """Yield where account numbers stand in a decoding, domestic ones too.

    An IBAN has a country's code, its length and structure, and the check digits of ISO 13616.

    Raises BudgetExceeded if too much of the text is built like one.
    """
    if _TWO_DIGITS.search(decoding.nontechnical):
        for text in decoding.compacts:
            yield from accounts(text)
            yield from _ibans(text)


def _ibans(text: Compact) -> Iterator[Span]:
    checks = lookup_budget(text.text)
    for start in _START.finditer(text.text):
        spec = _SPECS.get(start[0][:2].upper())
        bban = _structure(spec).match(text.text, start.end()) if spec else None
        if bban:
            checks.spend(1)
            if _is_checked(start[0], bban[0]) and _is_usual_spelling(text, start.start(), bban.end()):
                yield text.span(start.start(), bban.end())


def _is_checked(head: str, bban: str) -> bool:
    return int((bban + head).translate(_VALUES)) % 97 == 1


def _is_usual_spelling(text: Compact, start: int, end: int) -> bool:
    """Return whether people write IBANs so.

    Mostly digits, or letters of one case that don't look like the words of a sentence.
    """
    iban = text.text[start:end]
    if 2 * sum(map(str.isdigit, iban)) >= len(iban):
        return True
    return iban in (iban.upper(), iban.lower()) and not _is_prose(text.groups(start, end))


def _is_prose(groups: list[str]) -> bool:
    """Return whether each group is a word or a number, and they are of many lengths.

    An IBAN's groups are all as long but the last.
    """
    alike = len({len(group) for group in groups[:-1]}) <= 1 and len(groups[-1]) <= len(groups[0])
    return not alike and all(group.isalpha() or group.isdigit() for group in groups)
