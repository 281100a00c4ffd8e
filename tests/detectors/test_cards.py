"""Card numbers: found beside letters and in groups of any sizes; those that no issuer has given out aren't."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest
from stdnum import luhn

from gateway.detectors import data
from gateway.detectors.budget import MAX_TEXT_CHARS, BudgetExceeded
from gateway.detectors.cards import Issuers, cards, is_card
from gateway.detectors.digits import Rows
from tests.detectors.labels import without_technical
from tests.detectors.phone_numbers import SEPARATORS, groups, letters, separated
from tests.support.worst_shapes import seconds

# What each issuer's numbers begin with, from and to, and how many digits they have.
RANGES = [
    (4, 4, (13, 16, 19)), (51, 55, (16,)), (2221, 2720, (16,)), (34, 34, (15,)), (37, 37, (15,)),
    (300, 305, (14, 16, 19)), (309, 309, (14,)), (36, 36, (14, 19)), (38, 39, (14, 19)), (6011, 6011, (16, 19)),
    (644, 649, (16, 19)), (65, 65, (16, 19)), (3528, 3589, (16, 19)), (62, 62, (16, 17, 18, 19)),
    (2200, 2204, (16, 19)), (50, 50, (16, 19)), (56, 69, (16, 17, 18, 19)),
]  # fmt: skip
NUMBERS = 500
MAX_SECONDS_A_TEXT = 0.5
"""Some times what the worst takes: the bound is there to tell linear from not."""


def found(text: str) -> list[str]:
    return [text[start:end] for start, end in cards(Rows(without_technical(text)))]


def numbers(count: int) -> list[str]:
    random = Random(count)
    made = []
    for _ in range(count):
        low, high, lengths = random.choice(RANGES)
        first = str(random.randint(low, high))
        body = first + "".join(random.choices("0123456789", k=random.choice(lengths) - len(first) - 1))
        made.append(body + luhn.calc_check_digit(body))
    return made


@pytest.mark.parametrize("separators", ["", *SEPARATORS, SEPARATORS], ids=["on end", *SEPARATORS, "mixed"])
def test_cards_are_found_in_groups_and_beside_letters(separators: str) -> None:
    random = Random(separators)
    texts = [
        separated(groups(number, random), separators, random) if separators else number for number in numbers(NUMBERS)
    ]
    glued = [f"{letters(random)}{text}{letters(random)}" for text in texts]
    missed = [text for text in (*texts, *glued) if not found(text)]
    # One group and a point may be a decimal.
    assert len(missed) <= (0.005 if "." not in separators else 0.01) * 2 * NUMBERS, missed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("card4111111111111111", "4111111111111111"),
        ("4111:1111:1111:1111", "4111:1111:1111:1111"),
        ("x4111_1111/1111-1111y", "4111_1111/1111-1111"),
        ("4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", "4.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1"),
        ("411111/1111111111", "411111/1111111111"),
        ("3782 822463 10005", "3782 822463 10005"),
        ("12-4111-1111-1111-1111-27", "4111-1111-1111-1111"),
        ("4111 1111 1111 1111 12/27 123", "4111 1111 1111 1111"),
    ],
)
def test_what_is_found_is_the_whole_number(text: str, number: str) -> None:
    assert found(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112", "1111111111111111", "94111111111111111", "41111111111111110", "4111 1111    1111 1111",
        "4111\n1111\n1111\n1111", "1732359330123456789", "4.111111111111111", "41111111.11111111", "0.4111111111111111",
        "4111", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 0 0 0 0 0",
    ],
)  # fmt: skip
def test_what_is_no_card_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_issuers_have_the_ranges_that_are_published() -> None:
    for number in numbers(2 * NUMBERS):
        assert is_card(number)
    issued = {(len(number), number[:4]) for number in numbers(2 * NUMBERS)}
    for length in range(10, 22):
        for first in ("1000", "7000", "8000", "9000", "0000", "2720" if length != 16 else "2721", "3100", "3300"):
            body = first + "0" * (length - 5)
            assert not is_card(body + luhn.calc_check_digit(body)) or (length, first) in issued


def test_no_issuer_begins_with_what_the_time_does() -> None:
    table = data.table("cards", Issuers)
    assert not [issuer.name for issuer in table.issuers if issuer.first.startswith(("1", "[1", "0"))]
    assert [issuer.name for issuer in table.issuers] == sorted(issuer.name for issuer in table.issuers)


@pytest.mark.parametrize(
    "shape", ["1", "4", "44-", "4-", "4 4 4 4 44 ", "4111111111111110,", "36 ", "62 1 ", "1.2.3.4 ", "4:", "4.1"]
)
def test_the_worst_texts_take_linear_time(shape: str) -> None:
    text = (shape * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
    assert seconds(read, [text]) < MAX_SECONDS_A_TEXT


def read(text: str) -> None:
    with suppress(BudgetExceeded):
        list(cards(Rows(text)))
