"""Numbering plans as data say the same as the library that they come from."""

from __future__ import annotations

import re
from random import Random

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumber, PhoneNumberType

from gateway.detectors import numbering
from tests.detectors.numbering_plans import KINDS, MOBILE_CODES

CODES = sorted(COUNTRY_CODE_TO_REGION_CODE)
TRIES_A_CODE = [3_000, pytest.param(20_000, marks=pytest.mark.soak)]
MOBILE_TYPES = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


def examples(code: int) -> list[str]:
    metadata = [
        PhoneMetadata.metadata_for_region_or_calling_code(code, region) for region in COUNTRY_CODE_TO_REGION_CODE[code]
    ]
    kinds = [getattr(each, kind) for each in metadata for kind in KINDS]
    return [kind.example_number for kind in kinds if kind is not None and kind.example_number]


def tries(code: int, random: Random, count: int) -> list[str]:
    """Numbers of a code: any digits, and examples of each kind with a digit or some changed, one more and one less."""
    known = examples(code)
    found = [*known]
    while len(found) < count:
        digits = random.choice(known)
        keep = random.randint(0, len(digits))
        size = max(1, len(digits) + random.choice((-1, 0, 0, 0, 0, 1)))
        found.append((digits[:keep] + "".join(random.choices("0123456789", k=17)))[:size])
        found.append("".join(random.choices("0123456789", k=random.randint(1, 16))))
    return found


def number(code: int, digits: str) -> PhoneNumber:
    zeros = len(digits) - len(digits.lstrip("0"))
    rest = digits.lstrip("0")
    if not rest:  # the library counts a last 0 as the number itself
        zeros, rest = zeros - 1, "0"
    return PhoneNumber(
        country_code=code,
        national_number=int(rest),
        italian_leading_zero=zeros > 0 or None,
        number_of_leading_zeros=zeros or None,
    )


@pytest.mark.parametrize("count", TRIES_A_CODE)
@pytest.mark.parametrize("code", CODES)
def test_plans_say_what_the_library_says(code: int, count: int) -> None:
    wrong = []
    for digits in tries(code, Random(code), count):
        told = (numbering.is_valid(str(code), digits), len(digits) in numbering._plans()[str(code)].lengths)
        if told != (
            phonenumbers.is_valid_number(number(code, digits)),
            phonenumbers.is_possible_number(number(code, digits)),
        ):
            wrong.append(digits)
    assert wrong == []


@pytest.mark.parametrize("count", TRIES_A_CODE)
@pytest.mark.parametrize("code", MOBILE_CODES)
def test_mobiles_are_what_the_library_says(code: int, count: int) -> None:
    numbers = tries(code, Random(code), count)
    wrong = [
        each
        for each in numbers
        if numbering.is_mobile(str(code), each) != (phonenumbers.number_type(number(code, each)) in MOBILE_TYPES)
    ]
    assert wrong == []


def test_a_country_calling_code_starts_no_other() -> None:
    assert [(one, two) for one in CODES for two in CODES if one != two and str(two).startswith(str(one))] == []


@pytest.mark.parametrize(
    ("digits", "code"),
    [
        ("33612345678", "33"),
        ("14155552671", "1"),
        ("353871234567", "353"),
        ("0612345678", None),
        ("999123456", None),
        ("", None),
    ],
)
def test_the_country_calling_code_is_told(digits: str, code: str | None) -> None:
    found = numbering.international(digits)
    assert (found and found.code) == code
    if found:
        assert "".join(found) == digits


def test_no_pattern_asks_for_more_than_digits() -> None:
    patterns = "".join(plan.valid + plan.mobile for plan in numbering._plans().values())
    assert re.sub(r"\\d|[0-9\[\]{},|()?:-]", "", patterns) == ""
