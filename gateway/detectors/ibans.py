"""Where IBANs stand in folded text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

# Characters of an IBAN by country: https://www.swift.com/standards/data-standards/iban-international-bank-account-number.
_LENGTHS: Final = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FK FI FO GL NL SD", "19": "MK SI", "20": "AT BA EE KZ LT LU MN XK", "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ OM SO TL", "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST",
        "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM", "28": "AL AZ BY CY DO GT HN HU LB NI PL SV", "29": "BR EG PS QA UA",
        "30": "JO KW MU YE", "31": "MT SC", "32": "LC", "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ .\-_]?[A-Za-z0-9])")
_IBAN_START_ANYWHERE: Final = re.compile(r"[A-Za-z]{2}[0-9]{2}(?=[ .\-_]?[A-Za-z0-9])")
_IBANS: Final = {length: re.compile(rf"(?:[A-Za-z0-9][ .\-_]?){{{length - 1}}}[A-Za-z0-9]") for length in sorted(set(_LENGTHS.values()))}
_SEPARATORS: Final = str.maketrans("", "", " .-_")


def ibans(text: str, *, loose: bool) -> Iterator[Span]:
    """The IBANs in folded text, with or without separators, not beside letters or digits; when `loose`, beside anything."""
    starts = _IBAN_START_ANYWHERE if loose else _IBAN_START
    if not starts.search(text):
        return
    for start in starts.finditer(text):
        length = _LENGTHS.get(start[0][:2].upper())
        iban = _IBANS[length].match(text, start.start()) if length else None
        if iban and (loose or not text[iban.end() : iban.end() + 1].isalnum()) and _is_iban(iban[0]):
            yield iban.span()


def _is_iban(text: str) -> bool:
    """The check digits of ISO 13616."""
    plain = text.translate(_SEPARATORS)
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1
