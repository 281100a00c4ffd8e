"""Check digits of national identifiers and accounts, by the names that the data gives them.

Each takes digits and upper-case letters alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import ascii_uppercase, digits
from typing import Final

_DIGITS_AND_LETTERS: Final = digits + ascii_uppercase
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_PPS_LETTERS: Final = "WABCDEFGHIJKLMNOPQRSTUV"
_HETU_CHARACTERS: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_EVEN_FISCAL: Final = dict(zip(digits, range(10), strict=True)) | dict(zip(ascii_uppercase, range(26), strict=True))
"""What characters of a codice fiscale count at even places."""
_ODD_VALUES: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD_FISCAL: Final = {char: _ODD_VALUES[value] for char, value in _EVEN_FISCAL.items()}
"""What they count at odd places."""


# As bytes, several times as fast.
_LUHN: Final = bytes(max(_DIGITS_AND_LETTERS.find(chr(byte)), 0) for byte in range(256))
_LUHN_DOUBLED: Final = bytes(2 * value - 9 * (value > 4) for value in _LUHN)
_RIB_DIGITS: Final = str.maketrans(ascii_uppercase, "12345678912345678923456789")
_CCC_WEIGHTS: Final = (1, 2, 4, 8, 5, 10, 9, 7, 3, 6)


def unchecked(number: str) -> bool:
    """Return True: the number has no check digits."""
    return True


def luhn(number: str) -> bool:
    """Return whether the last digit checks the others, as in ISO/IEC 7812; letters count from A = 10."""
    encoded = number.encode()
    return (sum(encoded[-1::-2].translate(_LUHN)) + sum(encoded[-2::-2].translate(_LUHN_DOUBLED))) % 10 == 0


def ean(number: str) -> bool:
    """Return whether the last digit checks the others, as on goods."""
    return (sum(map(int, number[::-2])) + 3 * sum(map(int, number[-2::-2]))) % 10 == 0


def nir(number: str) -> bool:
    """Return whether the last two digits check the others: 97 less the rest; Corsica's 2A and 2B count as 19 and 18."""
    plain = number.replace("2A", "19").replace("2B", "18")
    return 97 - int(plain[:-2]) % 97 == int(plain[-2:])


def niss(number: str) -> bool:
    """Return whether the last two digits check the others, of somebody born in either century."""
    return any(97 - int(century + number[:-2]) % 97 == int(number[-2:]) for century in ("", "2"))


def dni(number: str) -> bool:
    """Return whether the letter of a DNI or NIE checks its digits; X, Y, Z before them are 0, 1, 2."""
    plain = number.translate({ord("X"): "0", ord("Y"): "1", ord("Z"): "2"}) if number[0] in "XYZ" else number
    return _DNI_LETTERS[int(plain[:8]) % 23] == number[-1]


def pps(number: str) -> bool:
    """Return whether the eighth character checks the seven digits before it, and the letter behind if it counts."""
    total = sum(int(digit) * weight for digit, weight in zip(number, range(8, 1, -1), strict=False))
    counted = _PPS_LETTERS.find(number[8]) * 9 if number[8:] in ("A", "B", "H") else 0
    return _PPS_LETTERS[(total + counted) % 23] == number[7]


def hetu(number: str) -> bool:
    """Return whether the last character checks date and serial number."""
    plain = number[:6] + number[-4:-1]
    return plain[6:] >= "002" and _HETU_CHARACTERS[int(plain) % 31] == number[-1]


def birth_number(number: str) -> bool:
    """Return whether the last digit checks the others."""
    return int(number[:-1]) % 11 % 10 == int(number[-1])


def codice_fiscale(number: str) -> bool:
    """Return whether the last letter checks the others."""
    odd, even = map(_ODD_FISCAL.__getitem__, number[:-1:2]), map(_EVEN_FISCAL.__getitem__, number[1:-1:2])
    return ascii_uppercase[(sum(odd) + sum(even)) % 26] == number[-1]


def rib(number: str) -> bool:
    """Return whether the last two digits of a French account number check the others; letters count 1 to 9."""
    plain = number.translate(_RIB_DIGITS)
    bank, branch, account, key = plain[:5], plain[5:10], plain[10:21], plain[21:]
    return (89 * int(bank) + 15 * int(branch) + 3 * int(account) + int(key)) % 97 == 0


def belgian_account(number: str) -> bool:
    """Return whether the last two digits check the others: the rest of them by 97, or 97."""
    return int(number[-2:]) == (int(number[:-2]) % 97 or 97)


def spanish_account(number: str) -> bool:
    """Return whether the ninth digit checks bank and branch, the tenth what follows."""
    digits_of = (f"00{number[:8]}", number[10:])
    totals = (
        11 - sum(int(digit) * weight for digit, weight in zip(each, _CCC_WEIGHTS, strict=True)) % 11
        for each in digits_of
    )
    return [{10: 1, 11: 0}.get(total, total) for total in totals] == [int(number[8]), int(number[9])]


CHECKS: Final[Mapping[str, Callable[[str], bool]]] = {
    "": unchecked,
    "luhn": luhn,
    "ean": ean,
    "nir": nir,
    "niss": niss,
    "dni": dni,
    "pps": pps,
    "hetu": hetu,
    "birth_number": birth_number,
    "codice_fiscale": codice_fiscale,
    "cartao_de_cidadao": luhn,
    "rib": rib,
    "belgian_account": belgian_account,
    "spanish_account": spanish_account,
}
