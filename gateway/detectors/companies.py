"""Whether a text is the number of a company: no person's, though a card number or an identifier may look the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.detectors import data
from gateway.detectors.check_digits import luhn, unchecked
from gateway.detectors.lazy_pattern import LazyPattern

_SEPARATORS: Final = str.maketrans("", "", " \t\u00a0.-_/:")
_MAX_NUMBER_CHARS: Final = 40
_KEY_CHARACTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_LA_POSTE: Final = "356000000"


class CompanyNumber(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of number: its form without separators, in capitals, and how its digits check one another.

    A group in the form holds what is checked; without one it is the whole. `weights` are of the check `weighted`: the
    digits times them add up to a multiple of `modulus`.
    """

    country: str
    name: str
    form: str
    check: str = ""
    weights: Sequence[int] = ()
    modulus: int = 0


def is_company_number(text: str) -> bool:
    """Return whether all of `text` is a SIREN or SIRET, a Belgian or Swiss enterprise number, or a European VAT number.

    Separators and lower case don't matter. VAT numbers that only persons have don't count.
    """
    if len(text) > _MAX_NUMBER_CHARS:
        return False
    plain = text.translate(_SEPARATORS).upper()
    return any(_is_one(plain, form, check) for form, check in _FORMS)


def _is_one(plain: str, form: LazyPattern[str], check: Callable[[str], bool]) -> bool:
    match = form.fullmatch(plain)
    return match is not None and check(match[match.re.groups])


def _siret(number: str) -> bool:
    """Return whether both check digits are right; La Poste's offices have a rule of their own."""
    if not luhn(number[:9]):
        return False
    return luhn(number) or (number.startswith(_LA_POSTE) and sum(map(int, number)) % 5 == 0)


def _french_vat(number: str) -> bool:
    """Return whether the key fits the SIREN, in its old form with a letter or its new one.

    Monaco's numbers hold no SIREN.
    """
    key, siren = number[:2], number[2:]
    if not (siren.startswith("000") or luhn(siren)):
        return False
    if key.isdigit():
        return int(key) == int(siren + "12") % 97
    first, second = map(_KEY_CHARACTERS.index, key)
    code = first * 24 + second - 10 if key[0].isdigit() else first * 34 + second - 100
    return (int(siren) + 1 + code // 11) % 11 == code % 11


def _mod_11_10(number: str) -> bool:
    """Return whether the last digit checks the others, as in ISO/IEC 7064."""
    check = 5
    for digit in map(int, number):
        check = ((check or 10) * 2 % 11 + digit) % 10
    return check == 1


def _mod_11(number: str) -> bool:
    """Return whether the number is a multiple of 11."""
    return int(number) % 11 == 0


def _mod_89(number: str) -> bool:
    """Return whether the last two digits are the rest of the others by 89."""
    return int(number[:-2]) % 89 == int(number[-2:])


def _mod_97(number: str) -> bool:
    """Return whether the last two digits and the others add up to a multiple of 97."""
    return (int(number[:-2]) + int(number[-2:])) % 97 == 0


class _WeightedSum:
    """The check of numbers whose digits, each times its weight, add up to a multiple of a modulus."""

    def __init__(self, weights: Sequence[int], modulus: int) -> None:
        self._weights = weights
        self._modulus = modulus

    def is_right(self, number: str) -> bool:
        """Return whether the check digits of a number are right."""
        return (
            sum(int(digit) * weight for digit, weight in zip(number, self._weights, strict=True)) % self._modulus == 0
        )


_CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "": unchecked,
    "luhn": luhn,
    "siret": _siret,
    "french_vat": _french_vat,
    "mod_11": _mod_11,
    "mod_11_10": _mod_11_10,
    "mod_89": _mod_89,
    "mod_97": _mod_97,
}


def _check(kind: CompanyNumber) -> Callable[[str], bool]:
    return _WeightedSum(kind.weights, kind.modulus).is_right if kind.check == "weighted" else _CHECKS[kind.check]


_FORMS: Final = [
    (LazyPattern(kind.form), _check(kind)) for kind in data.table("company_numbers", tuple[CompanyNumber, ...])
]
