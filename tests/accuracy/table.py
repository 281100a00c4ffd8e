"""The table that holds both sides of the judgement: lines of the files in `table/`, each a value with its verdicts.

    KOUE FNPRYC oue  KEY  VALUE

Each letter is a place where the value stands, in France unless it says otherwise:

    K  an attribute of an application's log under KEY, by Kannelle's policy
    O  OPERATIONAL, of a pattern that lets everything but blanks pass      o  the same in the United States
    U  USER_ID, behind `usr_`                                              u  the same in the United States
    E  WORK_EMAIL, before `@acme.example`                                  e  the same in the United States
    F  FREE_TEXT, in a sentence
    N  NAME, P PHONE, R ORGANISATION: in Germany, at the customer relations system, too
    Y  PAYMENT
    C  CONTENT

and each verdict is one of these:

    k  kept as it is; an address may have been normalised
    s  doesn't leave
    w  doesn't leave, and the vendor doesn't get the item at all
    m  masked, and nothing of the value's digits left
    ?  can't be told by the value alone: its key says what it is
    .  stands under no key
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.support.decisions import WITHHELD, Minimised, kept_under, minimised

FOLDER: Final = Path(__file__).parent / "table"
MASKED: Final = Path(__file__).parent / "masked.txt"
POSITION_LETTERS: Final = "KOUEFNPRYCoue"
SENTENCE: Final = "Seen: {} (today)."

_MIN_REVEALING_DIGITS: Final = 5


class Position(msgspec.Struct, frozen=True):
    """Where a value stands: a field of `Judged`, what it stands in, and at which destinations."""

    field: str
    template: str
    destinations: tuple[str, ...]


POSITIONS: Final[Mapping[str, Position]] = {
    "O": Position("operational", "{}", ("log", "store")),
    "U": Position("user_id", "usr_{}", ("log", "store")),
    "E": Position("work_email", "{}@acme.example", ("log", "store")),
    "F": Position("free_text", SENTENCE, ("store",)),
    "N": Position("name", "{}", ("store", "crm")),
    "P": Position("phone", "{}", ("store", "crm")),
    "R": Position("organisation", "{}", ("store", "crm")),
    "Y": Position("payment", "{}", ("store",)),
    "C": Position("content", "{}", ("store",)),
    "o": Position("operational", "{}", ("vendor",)),
    "u": Position("user_id", "usr_{}", ("vendor",)),
    "e": Position("work_email", "{}@acme.example", ("vendor",)),
}


class Line(msgspec.Struct, frozen=True):
    """A value, the key that it stands under, and its verdict in each place."""

    value: str
    key: str
    verdicts: Mapping[str, str]
    part: str

    def __str__(self) -> str:
        return f"{self.key} {self.value}"


def lines() -> Iterator[Line]:
    """Yield the lines of all files, each with the title of its part."""
    for file in sorted(FOLDER.glob("*.txt")):
        part = file.stem
        for text in file.read_text(encoding="utf-8").splitlines():
            if text.startswith("# "):
                part = f"{file.stem}: {text[2:]}"
            elif text:
                yield _line(text, part)


def _line(text: str, part: str) -> Line:
    inside, personal, outside, key, value = text.split(maxsplit=4)
    return Line(value, key, dict(zip(POSITION_LETTERS, inside + personal + outside, strict=True)), part)


def faults(line: Line) -> list[str]:
    """What isn't as the line says: place, expected verdict, and what was left."""
    expected = ((place, verdict) for place, verdict in line.verdicts.items() if verdict not in ".?")
    return [fault for place, verdict in expected for fault in _faults(line, place, verdict)]


def _faults(line: Line, place: str, verdict: str) -> Iterator[str]:
    if place == "K":
        kept = next(kept_under(line.key, [line.value]))
        if kept is not (verdict == "k"):
            yield f"K {verdict}: {'kept' if kept else 'stripped'}"
        return
    position = POSITIONS[place]
    given = position.template.format(line.value)
    for destination in position.destinations:
        left = minimised(position.field, given, destination)
        if not _is_as_expected(verdict, place, line.value, given, left):
            yield f"{place} {verdict} at {destination}: {left!r}"


def _is_as_expected(verdict: str, place: str, value: str, given: str, left: Minimised) -> bool:
    match verdict:
        case "s":
            return left in (None, WITHHELD)
        case "w":
            return left == WITHHELD
        case "m":
            return left not in (None, given) and not _reveals(value, str(left))
        case _:
            return left == given if place not in "Ee" else left not in (None, WITHHELD)


def _reveals(value: str, left: str) -> bool:
    """Whether several of a value's digits are left in a row."""
    digits, rest = ("".join(filter(str.isdigit, text)) for text in (value, left))
    runs = (digits[start : start + _MIN_REVEALING_DIGITS] for start in range(len(digits) - _MIN_REVEALING_DIGITS + 1))
    return any(run in rest for run in runs)


def masked_texts() -> Iterator[tuple[str, str]]:
    """Yield the texts of `masked.txt`, each with what masking leaves of it."""
    for text in MASKED.read_text(encoding="utf-8").splitlines():
        if text and not text.startswith("# "):
            given, _, left = text.partition(" → ")
            yield given, left
