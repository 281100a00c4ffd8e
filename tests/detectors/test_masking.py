"""Masking leaves no half: what is found goes whole, under the name of the most telling kind that it was taken for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors.detect import RANKS, find, mask
from gateway.detectors.masking import Mark, masked
from gateway.model import DETECTORS, Detector
from tests.detectors.glued_values import GLUINGS, iban, letters, nir, random_chars

MAX_LEGIBLE_CHARS = 3
LABEL = re.compile(r"\[[A-Z]+\]")
SENTENCES = (
    "{}",
    "My number is {}, thanks.",
    "Bonjour, voici {} et 3 vidéos.",
    "call 06 12 34 56 78 or {}; ask for Zoé",
    "{}\n{}",
    "v1.2.3 failed for user {} after 12 s (code 500)",
    "see https://app.acme.com/u/{}?page=2",
)
VALUES: dict[str, Callable[[random.Random], str]] = {
    "IBAN": iban,
    "NIR": nir,
    "codice fiscale": lambda chance: "RSSMRA85T10A562S",
}
SECRETS: dict[str, Callable[[random.Random], str]] = {
    "AWS": lambda chance: f"AKIA{random_chars(chance, 16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}",
    "GitHub": lambda chance: f"ghp_{random_chars(chance, 36, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL0123456789')}",
    "JWT": lambda chance: (
        f"eyJhbGciOiJIUzI1NiJ9.eyJ{random_chars(chance, 40, 'abcdefABCDEF0123456789_-')}.{random_chars(chance, 43, 'abcdefABC012_-')}"
    ),
    "password": lambda chance: f"password={random_chars(chance, 12, 'abcdefghkmnpqrstuvwxyz23456789!#')}",
    "AHV": lambda chance: "756.9217.0769.85",
    "SSN": lambda chance: f"{chance.randint(100, 600)}-{chance.randint(10, 99)}-{chance.randint(1000, 9999)}",
    "NINO": lambda chance: f"AB{chance.randint(100000, 999999)}C",
    "BSN": lambda chance: f"BSN {chance.randint(100000000, 999999999)}",
    "e-mail": lambda chance: f"{letters(chance)}.{letters(chance)}@{letters(chance)}.example",
    "card": lambda chance: chance.choice(("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005")),
    "phone": lambda chance: (
        f"+33 6 {chance.randint(10, 99)} {chance.randint(10, 99)} {chance.randint(10, 99)} {chance.randint(10, 99)}"
    ),
    "IPv4": lambda chance: f"203.0.113.{chance.randint(100, 254)}",
}
CASES = [(kind, make, gluing) for kind, make in VALUES.items() for gluing in GLUINGS] + [
    (kind, make, gluing) for kind, make in SECRETS.items() for gluing in ("bare", "after a name and a separator")
]


def legible(value: str, left: str) -> str:
    """Return the longest run of a value's characters that is still there, a name before `=` or a blank apart."""
    plain = re.sub("[^0-9a-z]", "", value.rpartition("=")[2].removeprefix("BSN ").lower())
    shown = re.sub("[^0-9a-z]", "", LABEL.sub("\n", left).replace("\n", " ").lower())
    runs = (plain[start:end] for start in range(len(plain)) for end in range(start + 1, len(plain) + 1))
    return max((run for run in runs if run in shown), key=len, default="")


@pytest.mark.parametrize(("kind", "make", "gluing"), CASES, ids=[f"{kind}, {gluing}" for kind, _, gluing in CASES])
def test_no_half_of_a_planted_value_is_left(kind: str, make: Callable[[random.Random], str], gluing: str) -> None:
    chance = random.Random(kind + gluing)
    for _ in range(20):
        value = make(chance)
        text = chance.choice(SENTENCES).format(*[GLUINGS[gluing](chance, value)] * 2)
        left = mask(text)
        assert len(legible(value, left)) <= MAX_LEGIBLE_CHARS, (text, left)
        assert find(left) is None
        assert mask(left) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("num secu 1 85 05 78 006 084 91", "num secu [ID]"),
        ("06 12 1 85 05 78 006 084 91", "[ID]"),
        ("185057800608491@acme.example", "[EMAIL]"),
        ("https://ada:pw@host.example/", "https://[SECRET]/"),
        ("FR7630006000011234567890189", "[IBAN]"),
        ("FR763000600001123456789018934", "[IBAN]"),
        ("FR76 3000 6000 0112 3456 7890 189 / 4111 1111 1111 1111", "[IBAN] / [CARD]"),
    ],
)
def test_what_overlaps_has_the_most_telling_name(text: str, left: str) -> None:
    assert mask(text) == left


@pytest.mark.parametrize(
    ("text", "marks", "left"),
    [
        ("ab12cd", [(2, 4, 1)], "ab[1]cd"),
        ("ab1234cd", [(3, 4, 1)], "ab[1]cd"),
        ("1234", [(0, 2, 1), (2, 4, 0)], "[0]"),
        ("ab cd ef", [(0, 5, 2), (3, 8, 1)], "[1]"),
        ("ab cd ef", [(0, 8, 2), (3, 5, 1)], "[2]"),
        ("ab cd ef", [(0, 8, 2), (0, 8, 1), (3, 5, 0)], "[1]"),
        ("ab cd ef", [(0, 2, 2), (3, 5, 1)], "[2] [1] ef"),
        ("ab\x00cd", [(0, 1, 0)], "[0]b\ufffdcd"),
    ],
)
def test_marks_become_labels(text: str, marks: list[tuple[int, int, int]], left: str) -> None:
    assert masked(text, [Mark(start, end, rank, f"[{rank}]") for start, end, rank in marks]) == left


@given(
    st.text("ab12", max_size=30),
    st.lists(st.tuples(st.integers(0, 29), st.integers(1, 10), st.integers(0, 3)), max_size=6),
)
def test_nothing_marked_is_left_and_nothing_else_is_lost(text: str, found: list[tuple[int, int, int]]) -> None:
    marks = [Mark(start, min(start + size, len(text)), rank, "#") for start, size, rank in found if start < len(text)]
    gone = {index for mark in marks for index in range(mark.start, mark.end)}
    while digits := {i for i in range(len(text)) if text[i].isdigit() and i not in gone and touches(text, i, gone)}:
        gone |= digits
    pieces = re.findall(r"[^~]+", "".join("~" if index in gone else char for index, char in enumerate(text)))
    assert re.findall(r"[^#]+", masked(text, marks)) == pieces


def touches(text: str, index: int, gone: set[int]) -> bool:
    return any(near in gone and text[near].isdigit() for near in (index - 1, index + 1) if 0 <= near < len(text))


def test_each_kind_has_a_rank() -> None:
    assert RANKS.keys() == set(DETECTORS)


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", "\n> ", "\r\n> > ", "\n  "])
@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("FR76 3000 6000 0112 3456|7890 189", "[IBAN]"),
        ("DE89 3704 0044|0532 0130 00", "[IBAN]"),
        ("30006 00001|12345678901 89", "[IBAN]"),
        ("1 85 05 78|006 084 91", "[ID]"),
        ("lat=48.8566|lon=2.3522", "[COORDINATES]"),
        ("ada.martin@|acme.com", "[EMAIL]"),
    ],
)
def test_what_a_line_end_stands_in_goes_whole(value: str, label: str, end: str) -> None:
    assert mask(f"Seen: {value.replace('|', end)}, today") == f"Seen: {label}, today"


def test_a_blank_line_keeps_numbers_apart() -> None:
    assert find("DE89 3704 0044\n\n0532 0130 00 0", (Detector.IBAN,)) is None
