"""What stands around a value and between its parts in a token: letters and separators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain
from random import Random
from string import ascii_letters, ascii_lowercase
from typing import Final

from tests.support.samples.personal import values
from tests.support.samples.value import PersonalValue

SEPARATORS: Final = ":/_-"
MAX_LETTERS: Final = 8
"""How many letters stand before or after a value at most."""

_MAX_GROUP_CHARS: Final = 5

Glue = Callable[[PersonalValue, Random], str]


def letters(random: Random) -> str:
    """One to eight letters, small ones as a rule."""
    alphabet = random.choice((ascii_lowercase, ascii_lowercase, ascii_letters))
    return "".join(random.choices(alphabet, k=random.randint(1, MAX_LETTERS)))


def _bare(value: PersonalValue, random: Random) -> str:
    return value.plain


def _before(value: PersonalValue, random: Random) -> str:
    return letters(random) + value.plain


def _after(value: PersonalValue, random: Random) -> str:
    return value.plain + letters(random)


def _around(value: PersonalValue, random: Random) -> str:
    return letters(random) + value.plain + letters(random)


def _joined(separator: str, value: PersonalValue, random: Random) -> str:
    return separator.join(value.groups)


def _dotted(value: PersonalValue, random: Random) -> str:
    """Two groups of digits with a dot between them are a decimal number, unless they begin as none does."""
    return value.plain if len(value.groups) == 2 and value.plain[0] not in "+0" else ".".join(value.groups)


def _mixed(value: PersonalValue, random: Random) -> str:
    return _mix(value.groups, random)


def _regrouped(value: PersonalValue, random: Random) -> str:
    """Any groups, with one separator between them."""
    return random.choice(SEPARATORS).join(_groups(value, random))


def _regrouped_mixed(value: PersonalValue, random: Random) -> str:
    return _mix(_groups(value, random), random)


def _all(value: PersonalValue, random: Random) -> str:
    """Letters around, separators between, and as a rule between them too."""
    groups = random.choice((value.groups, _groups(value, random)))
    text = random.choice((_mix(groups, random), random.choice(SEPARATORS).join(groups)))
    ends = (random.choice(("", *SEPARATORS)) for _ in range(2))
    return f"{letters(random)}{next(ends)}{text}{next(ends)}{letters(random)}"


def _beside(place: str, value: PersonalValue, random: Random) -> str:
    """A number beside it, with a separator between the two; its own parts with another one, or none."""
    between = random.choice((*SEPARATORS, ".") if _may_have_dot(place, value) else SEPARATORS)
    own = random.choice(("", *(separator for separator in SEPARATORS if separator != between)))
    text = own.join(value.groups) if own else value.plain
    if place == "before":
        return f"{random.choice(_named_numbers(random) if between == '.' else _numbers(random))}{between}{text}"
    return f"{text}{between}{random.choice(_numbers(random))}"


def _may_have_dot(place: str, value: PersonalValue) -> bool:
    """Whether a dot between a number and a value doesn't make another thing of both.

    A decimal, a longer address, a domain.
    """
    return value.regrouped and (place == "before" or value.plain[0] in "+0")


def _numbers(random: Random) -> tuple[str, ...]:
    """Numbers that are nobody's: small ones, times, ports, postcodes, years, and those that words end with."""
    time = f"{random.randint(0, 23):02d}:{random.randint(0, 59):02d}"
    sizes = (9, 99, 9999, 99_999)
    return (*(str(random.randint(1, size)) for size in sizes), time, time.replace(":", "h"), *_named_numbers(random))


def _named_numbers(random: Random) -> tuple[str, ...]:
    """Words that end with a number: a dot behind one is no decimal's."""
    return tuple(f"{letters(random)}{random.randint(1, size)}" for size in (9, 999))


def _mix(groups: tuple[str, ...], random: Random) -> str:
    seams = (random.choice(SEPARATORS) for _ in groups[1:])
    return "".join(chain.from_iterable(zip(groups, chain(seams, ("",)), strict=True)))


def _groups(value: PersonalValue, random: Random) -> tuple[str, ...]:
    """Groups of one to five characters, where a value may be grouped in any way."""
    return tuple(_random_groups(value.plain, random)) if value.regrouped else value.groups


def _random_groups(text: str, random: Random) -> Iterator[str]:
    start = 0
    while start < len(text):
        size = random.randint(2 if text[start] == "+" else 1, _MAX_GROUP_CHARS)
        yield text[start : start + size]
        start += size


GLUES: Final[Mapping[str, Glue]] = {
    "bare": _bare,
    "letters before": _before,
    "letters after": _after,
    "letters around": _around,
    **{f"between {separator}": partial(_joined, separator) for separator in SEPARATORS},
    "between .": _dotted,
    "between mixed": _mixed,
    "regrouped": _regrouped,
    "regrouped mixed": _regrouped_mixed,
    "all": _all,
    "behind a number": partial(_beside, "before"),
    "before a number": partial(_beside, "after"),
}

TEXT_GLUES: Final[Mapping[str, Glue]] = {**GLUES, "between blanks": partial(_joined, " ")}
"""What may also be done to a value in a text."""

_ALONE: Final = (
    "bare",
    "letters before",
    "letters after",
    "letters around",
    "all",
    "behind a number",
    "before a number",
)
_OF_NUMBERS: Final = ("between .", "regrouped", "regrouped mixed")


def glues_of(value: PersonalValue) -> tuple[str, ...]:
    """The ways of gluing that make a difference to a value of its kind in a token."""
    if len(value.groups) == 1:
        return _ALONE
    return tuple(name for name in GLUES if value.regrouped or name not in _OF_NUMBERS)


def text_glues_of(value: PersonalValue) -> tuple[str, ...]:
    """The same in a text."""
    return (*glues_of(value), "between blanks") if value.regrouped or value.spaced else glues_of(value)


def glued(kind: str, way: str, count: int) -> Iterator[tuple[PersonalValue, str]]:
    """Yield values of a kind, each with the token that it makes glued this way."""
    random = Random(f"glue {kind} {way}")
    return ((value, TEXT_GLUES[way](value, random)) for value in values(kind, count))
