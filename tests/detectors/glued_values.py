"""Personal values as they are planted in texts.

Valid ones of each kind, and the ways in which they are glued to what is around them.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Final

from stdnum.exceptions import InvalidChecksum, ValidationError

from gateway.detectors import data

SEPARATORS: Final = ":/_-. "
Gluing = Callable[[random.Random, str], str]


def letters(chance: random.Random) -> str:
    """Return one to eight letters."""
    return "".join(chance.choices(string.ascii_lowercase, k=chance.randint(1, 8)))


def random_chars(chance: random.Random, length: int, alphabet: str) -> str:
    """Return so many characters of an alphabet."""
    return "".join(chance.choices(alphabet, k=length))


def grouped(value: str, separator: str, size: int = 4) -> str:
    return separator.join(value[at : at + size] for at in range(0, len(value), size))


def mixed(chance: random.Random, value: str) -> str:
    """Return groups of one to five characters with any separators between."""
    parts = []
    while value:
        size = chance.randint(1, 5)
        parts += [value[:size], chance.choice(SEPARATORS)]
        value = value[size:]
    return "".join(parts[:-1])


def _by(separator: str, size: int = 4) -> Gluing:
    return lambda chance, value: grouped(value, separator, size)


GLUINGS: Final[Mapping[str, Gluing]] = {
    "bare": lambda chance, value: value,
    "lower case": lambda chance, value: value.lower(),
    "letters before": lambda chance, value: letters(chance) + value,
    "letters after": lambda chance, value: value + letters(chance),
    "letters around": lambda chance, value: letters(chance) + value + letters(chance),
    "after a name and a separator": lambda chance, value: letters(chance) + chance.choice("_-:/.=") + value,
    **{f"in fours with {separator!r}": _by(separator) for separator in SEPARATORS},
    **{f"each apart with {separator!r}": _by(separator, 1) for separator in SEPARATORS},
    "mixed": mixed,
    "mixed, letters around": lambda chance, value: letters(chance) + mixed(chance, value) + letters(chance),
}


def iban(chance: random.Random) -> str:
    """Return a valid IBAN of any country of the registry."""
    country, structure = chance.choice(IBAN_STRUCTURES)
    bban = "".join(
        "".join(chance.choices(CLASSES[kind], k=int(length)))
        for length, kind in re.findall(r"([0-9]+)!([nac])", structure)
    )
    check = 98 - int("".join(str(int(char, 36)) for char in f"{bban}{country}00")) % 97
    return f"{country}{check:02}{bban}"


def nir(chance: random.Random) -> str:
    """Return a valid French social security number."""
    department = chance.choice([f"{number:02}" for number in range(1, 96) if number != 20] + ["2A", "2B"])
    year, month = chance.randint(0, 99), chance.randint(1, 12)
    number = (
        f"{chance.choice('12')}{year:02}{month:02}{department}{chance.randint(1, 990):03}{chance.randint(1, 999):03}"
    )
    return f"{number}{97 - int(number.replace('2A', '19').replace('2B', '18')) % 97:02}"


def checked_by(library: ModuleType, number: str) -> bool | None:
    """Return what a library says of check digits; None if something else is wrong."""
    try:
        library.validate(number)
    except InvalidChecksum:
        return False
    except ValidationError:
        return None
    return True


CLASSES: Final = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
IBAN_STRUCTURES: Final = sorted(data.table("ibans", dict[str, str]).items())
