"""Phone numbers: found beside letters and in groups of any sizes; what isn't one; whole texts that are one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

import phonenumbers
import pytest
from phonenumbers import PhoneNumber, PhoneNumberFormat

from gateway.detectors.budget import MAX_TEXT_CHARS, BudgetExceeded
from gateway.detectors.digits import Rows
from gateway.detectors.phones import phones
from gateway.detectors.whole_phones import is_whole_phone
from tests.detectors.labels import without_technical
from tests.detectors.phone_numbers import SEPARATORS, groups, letters, national, separated, valid_numbers
from tests.support.worst_shapes import seconds

REGIONS = ("FR", "BE", "IE", "DE", "GB", "US")
WHOLE_REGIONS = (*REGIONS, "CH", "ES", "IT", "NL")
NUMBERS_A_REGION = 300
DIGITS = range(9, 16)
MAX_MISSED = 0.005
MAX_NATIONAL_DIGITS = 12
"""Germany has longer ones, to fax machines and pagers; as they are dialled there they look like cards'."""

FORMS: dict[str, Callable[[PhoneNumber], str]] = {
    "country calling code": lambda number: f"{number.country_code}{national(number)}",
    "00": lambda number: f"00{number.country_code}{national(number)}",
    "national": lambda number: f"{'' if number.country_code == 1 else '0'}{national(number)}",
}


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in phones(Rows(without_technical(text)))]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("separators", ["", *SEPARATORS, SEPARATORS], ids=["on end", *SEPARATORS, "mixed"])
def test_numbers_are_found_in_groups_and_beside_letters(region: str, form: str, separators: str) -> None:
    random = Random(f"{region} {form} {separators}")
    numbers = [text for number in valid_numbers(region, NUMBERS_A_REGION) if len(text := FORMS[form](number)) in DIGITS]
    texts = [separated(groups(number, random), separators, random) if separators else number for number in numbers]
    glued = [f"{letters(random)}{text}{letters(random)}" for text in texts]
    missed = [text for text in (*texts, *glued) if not found(text)]
    # One group and a point are a decimal, three a version, four an address.
    tolerated = MAX_MISSED if "." not in separators else 0.2 if separators == "." else 0.07
    assert len(missed) <= tolerated * len(texts) * 2, missed


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("tel0612345678", ["0612345678"]),
        ("0612345678abc", ["0612345678"]),
        ("06:12:34:56:78", ["06:12:34:56:78"]),
        ("612-345-678", ["612-345-678"]),
        ("06_12/34-56:78xyz", ["06_12/34-56:78"]),
        ("usr_0612345678", ["0612345678"]),
        ("0-6-1-2-3-4-5-6-7-8", ["0-6-1-2-3-4-5-6-7-8"]),
        ("0-612-345-678", ["0-612-345-678"]),
        ("33/6/12345678", ["33/6/12345678"]),
        ("3361:2345678", ["3361:2345678"]),
        ("x33612345678y", ["33612345678"]),
        ("tel+33612345678", ["+33612345678"]),
        ("+33(0)6 12 34 56 78", ["+33(0)6 12 34 56 78"]),
        ("a415_555_2671b", ["415_555_2671"]),
        ("1:415:555:2671", ["1:415:555:2671"]),
        ("a0033/612/345/678", ["0033/612/345/678"]),
        ("06 12 34 56 78, 07 12 34 56 78", ["06 12 34 56 78", "07 12 34 56 78"]),
        ("0612345678.0712345678", ["0612345678", "0712345678"]),
        ("v2.06.12.34.56.78", ["06.12.34.56.78"]),
        ("+33.6.12-34-56-78", ["+33.6.12-34-56-78"]),
        ("(030) 12345", ["(030) 12345"]),
        ("12:06-12-34-56-78", ["06-12-34-56-78"]),
        ("h264:33-6-12-34-56-78", ["33-6-12-34-56-78"]),
        ("s3-33612345678", ["33612345678"]),
        ("0-0612345678", ["0612345678"]),
        ("call-10h30-06-12-34-56-78", ["06-12-34-56-78"]),
        ("12 +33 6 12 34 56 78", ["+33 6 12 34 56 78"]),
        ("id 42: 0470 12 34 56", ["0470 12 34 56"]),
        ("75002 06 12 34 56 78", ["75002 06 12", "06 12 34 56 78"]),
        ("q4.0612345678", ["0612345678"]),
    ],
)
def test_what_is_found_is_the_whole_number(text: str, numbers: list[str]) -> None:
    assert found(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        # no number starts or ends within digits on end
        "99906123456789999", "1234567890123456789012", "1751234567890123456",
        # decimals, in any company
        "0.612345678", "2234.567891", "61234567.89", "1732359330.1", "12.345 678.901 234.567", ("0.123 0.456 0.789 "
                                                                                               "0.234"), "x=4155552671.5",
        # versions and addresses
        "5.15.0-91", "6.8.0-1021", "5.12.20-705.56", "24.11.29.1", "131.0.6778.108", "10.0.19045.3693", "4.8.4682.0",
        "0.33.22+20250320", "1.0.0+20241101", "212.147.23.45", "212.147.23.45:8080", "1.2.4155552671",
        # times
        "01:02:03:04", "08:00-12:00 14:00-18:00", "2026112310", "10:15:30.123456789", "1732359330123", "20261123101530",
        # digits that stand apart, too many for one number
        "0 1 1 2 3 5 8 1 3 2 1 3 4 5 5 8 9 1 4 4 2",
        "0 6 1 2 3 4    5 6 7 8 9",
        "12 34\n56 78 90", "123456789", "01-02-03-04", "000000000000",
    ],
)  # fmt: skip
def test_what_is_no_number_is_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("region", WHOLE_REGIONS)
@pytest.mark.parametrize(
    "layout",
    [PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL, PhoneNumberFormat.RFC3966],
)
def test_a_whole_text_is_a_phone_number_in_each_format(region: str, layout: int) -> None:
    numbers = [
        number for number in valid_numbers(region, NUMBERS_A_REGION) if len(national(number)) <= MAX_NATIONAL_DIGITS
    ]
    texts = [phonenumbers.format_number(number, layout) for number in numbers]
    assert [text for text in texts if not is_whole_phone(text)] == []


@pytest.mark.parametrize(
    "text",
    ["+33 (0)6 12 34 56 78", "0033 6 12 34 56 78", "33612345678", "06.12.34.56.78", "(415) 555-2671", "1-415-555-2671", "tel:+33612345678",
     "+33 6 12 34 56 78 ext. 12", "01 42 34 56 78 poste 3", "+49 1512 3456789", "4915123456789", " 0612345678 ",
     "+442079460958x12",
     "+81 3 1234 5678"],
)  # fmt: skip
def test_a_whole_text_may_be_written_in_many_ways(text: str) -> None:
    assert is_whole_phone(text)


@pytest.mark.parametrize(
    "text",
    ["", " ", "+", "call 0612345678", "0612345678 or 0712345678", "4111111111111111", "4111 1111 1111 1111", "5555555555554444",
     "378282246310005", "30569309025904", "FR7630006000011234567890189", "48.8566, 2.3522", "Ada Byron",
     "0612345678@acme.example",
     "00000000", "+33 6 12 34 56", "1" * 400, "٠٦١٢٣٤٥٦٧٨"],
)  # fmt: skip
def test_other_texts_are_no_phone_number(text: str) -> None:
    assert not is_whole_phone(text)


HOSTILE = ["1", "12-", "04-", "44-", "4 4 4 4 44 ", "0 0 1 0 01 ", "+1 22 ", "+33 ", "33 44 49 32 353 ", "4155552670,", "49 1 1 1 12 ",
           "0.1 ", "1.2.3.4 ", "1.2", "00 ", "12.345 ", "1-2-3-4-5-6-7x", "06 12 34 56 78,", "((((", "1+++"]  # fmt: skip
MAX_SECONDS_A_TEXT = 0.5
"""Some times what the worst takes: the bound is there to tell linear from not."""


@pytest.mark.parametrize("shape", HOSTILE)
def test_the_worst_texts_take_linear_time(shape: str) -> None:
    text = (shape * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
    assert seconds(read, [text]) < MAX_SECONDS_A_TEXT


def read(text: str) -> None:
    with suppress(BudgetExceeded):
        list(phones(Rows(text)))


@pytest.mark.parametrize(
    "text", ["616e6e614061636d652e6578616d706c65", "be77d612345678ab0c", "4f612345678e1", "d4b612345678a1e09"]
)
def test_a_mobile_s_digits_without_their_0_inside_hexadecimal_are_no_number(text: str) -> None:
    assert list(phones(Rows(text))) == []


@pytest.mark.parametrize(
    "text",
    [
        "612345678",
        "a612345678b",
        "tel612345678x1",
        "a612345678",
        "612345678b2",
        "4f0612345678e1",
        "4f33612345678e1",
        "x4f612345678e1",
    ],
)
def test_others_are_found_beside_letters_that_could_be_hexadecimal(text: str) -> None:
    assert list(phones(Rows(text))) != []
