"""Which made values pass: how many of each kind, glued each way, and which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final

import msgspec

from tests.judgement import good
from tests.judgement.bad import values
from tests.judgement.deciding import kept_under, left_of_each
from tests.judgement.glue import glued
from tests.judgement.sentences import TELLING_CHARS, alphanumerics, planted
from tests.judgement.value import Bad

MAX_PASSING: Final = 0.005
"""The share of the values of one kind, glued one way, that may pass as a token."""

MAX_NAMED: Final = 8


class Passing(msgspec.Struct, frozen=True):
    """How many values were tried, and what passed of them."""

    tried: int
    passed: Sequence[str]

    @property
    def share(self) -> float:
        return len(self.passed) / self.tried if self.tried else 0.0

    def __str__(self) -> str:
        return f"{100 * self.share:.2f} % of {self.tried}: {list(self.passed[:MAX_NAMED])}"


def tokens(kind: str, way: str, count: int) -> Passing:
    """The tokens of a kind, glued one way, that a log keeps."""
    texts = [text for _, text in glued(kind, way, count)]
    left = left_of_each("operational", texts, "log")
    return Passing(count, [text for text, kept in zip(texts, left, strict=True) if kept is not None])


def texts(kind: str, way: str, count: int) -> Passing:
    """The texts in which a value of a kind, glued one way, is still legible in whole or by half once a store has them."""
    random = Random(f"texts {kind} {way}")
    sown = [(value, token, planted(token, random)) for value, token in glued(kind, way, count)]
    left = left_of_each("free_text", (text for _, _, text in sown), "store")
    found = (
        f"{text} → {kept}"
        for (value, token, text), kept in zip(sown, left, strict=True)
        if _is_legible(value, token, text, kept)
    )
    return Passing(count, list(found))


def _is_legible(value: Bad, token: str, text: str, left: Any) -> bool:
    """Whether a run of the value's own characters is left, where the sentence doesn't hold the same by itself."""
    told, rest, sentence = (
        alphanumerics(part) for part in (value.telling or value.bare, str(left or ""), text.replace(token, ""))
    )
    size = min(TELLING_CHARS, len(told))
    runs = (told[start : start + size] for start in range(len(told) - size + 1))
    return any(run in rest and run not in sentence for run in runs)


def fields(field: str, texts: Iterable[str], destination: str = "crm") -> Passing:
    """The values that stay as they are in a field of a destination."""
    given = list(texts)
    left = left_of_each(field, given, destination)
    return Passing(len(given), [text for text, kept in zip(given, left, strict=True) if kept == text])


def altered(kind: str, count: int) -> Passing:
    """The good values of a kind that don't stay as they are where they belong."""
    rule, made = good.KINDS[kind], list(good.values(kind, count))
    if rule.key:
        kept = list(kept_under(rule.key, made))
    else:
        kept = [
            left == value
            for value, left in zip(made, left_of_each(rule.field, made, rule.destination, rule.policy), strict=True)
        ]
    return Passing(count, [str(value) for value, stays in zip(made, kept, strict=True) if not stays])


def bare(kind: str, count: int) -> Iterator[str]:
    """Yield the values of a kind as they are usually written."""
    return (value.bare for value in values(kind, count))


Measure = Callable[[str, str, int], Passing]
