"""Valid phone numbers at random, and what random surroundings and separators make of digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from string import ascii_letters
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumber

from tests.detectors.numbering_plans import KINDS

SEPARATORS: Final = ":/_-. "
MAX_GROUP_DIGITS: Final = 5
MAX_LETTERS: Final = 8


def valid_numbers(region: str, count: int) -> Iterator[PhoneNumber]:
    """Yield valid numbers of a region: the first digits of an example of each kind, and others after them."""
    random = Random(region)
    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    known = [
        (each.example_number, each.possible_length)
        for kind in KINDS
        if (each := getattr(metadata, kind)) and each.example_number
    ]
    while count:
        example, lengths = random.choice(known)
        digits = example[: random.randint(1, 4)] + "".join(random.choices("0123456789", k=15))
        national = digits[: random.choice(lengths)]
        zero = national.startswith("0")
        number = PhoneNumber(
            country_code=metadata.country_code, national_number=int(national), italian_leading_zero=zero or None
        )
        if phonenumbers.is_valid_number_for_region(number, region):
            count -= 1
            yield number


def national(number: PhoneNumber) -> str:
    """The digits of a number within its country, without what is dialled before them."""
    return phonenumbers.national_significant_number(number)


def groups(digits: str, random: Random) -> Sequence[str]:
    """Digits in groups of any sizes."""
    cut = []
    while digits:
        size = random.randint(1, MAX_GROUP_DIGITS)
        cut.append(digits[:size])
        digits = digits[size:]
    return cut


def separated(parts: Sequence[str], separators: str, random: Random) -> str:
    """Groups with one of these between each two."""
    return "".join(part + random.choice(separators) for part in parts)[:-1]


def letters(random: Random) -> str:
    """One to eight letters."""
    return "".join(random.choices(ascii_letters, k=random.randint(1, MAX_LETTERS)))
