"""Which made values pass: how many of each kind, glued each way, and which."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final

import msgspec

from tests.accuracy.glue import glued
from tests.accuracy.sentences import MIN_REVEALING_CHARS, alphanumerics, in_sentence
from tests.support.decisions import kept_under, minimised_each
from tests.support.samples import harmless as good
from tests.support.samples.personal import values
from tests.support.samples.value import PersonalValue

MAX_MISS_RATE: Final = 0.005
"""The share of the values of one kind, glued one way, that may pass as a token."""

MAX_NAMED_ERRORS: Final = 8


class ErrorRate(msgspec.Struct, frozen=True):
    """How many values were tried, and what passed of them."""

    tried: int
    errors: Sequence[str]

    @property
    def share(self) -> float:
        return len(self.errors) / self.tried if self.tried else 0.0

    def __str__(self) -> str:
        return f"{100 * self.share:.2f} % of {self.tried}: {list(self.errors[:MAX_NAMED_ERRORS])}"


def missed_tokens(kind: str, way: str, count: int) -> ErrorRate:
    """The tokens of a kind, glued one way, that a log keeps."""
    texts = [text for _, text in glued(kind, way, count)]
    left = minimised_each("operational", texts, "log")
    return ErrorRate(count, [text for text, kept in zip(texts, left, strict=True) if kept is not None])


def missed_texts(kind: str, way: str, count: int) -> ErrorRate:
    """The texts in which a value, glued one way, is still legible in whole or by half once a store has them."""
    random = Random(f"texts {kind} {way}")
    sown = [(value, token, in_sentence(token, random)) for value, token in glued(kind, way, count)]
    left = minimised_each("free_text", (text for _, _, text in sown), "store")
    found = (
        f"{text} → {kept}"
        for (value, token, text), kept in zip(sown, left, strict=True)
        if _is_legible(value, token, text, kept)
    )
    return ErrorRate(count, list(found))


def _is_legible(value: PersonalValue, token: str, text: str, left: Any) -> bool:
    """Whether a run of the value's own characters is left, where the sentence doesn't hold the same by itself."""
    alphanumeric, rest, sentence = (
        alphanumerics(part) for part in (value.revealing or value.plain, str(left or ""), text.replace(token, ""))
    )
    size = min(MIN_REVEALING_CHARS, len(alphanumeric))
    runs = (alphanumeric[start : start + size] for start in range(len(alphanumeric) - size + 1))
    return any(run in rest and run not in sentence for run in runs)


def unchanged_values(field: str, texts: Iterable[str], destination: str = "crm") -> ErrorRate:
    """The values that stay as they are in a field of a destination."""
    given = list(texts)
    left = minimised_each(field, given, destination)
    return ErrorRate(len(given), [text for text, kept in zip(given, left, strict=True) if kept == text])


def altered_values(kind: str, count: int) -> ErrorRate:
    """The good values of a kind that don't stay as they are where they belong."""
    rule, made = good.KINDS[kind], list(good.values(kind, count))
    if rule.key:
        kept = list(kept_under(rule.key, made))
    else:
        kept = [
            left == value
            for value, left in zip(made, minimised_each(rule.field, made, rule.destination, rule.policy), strict=True)
        ]
    return ErrorRate(count, [str(value) for value, stays in zip(made, kept, strict=True) if not stays])


def plain_values(kind: str, count: int) -> Iterator[str]:
    """Yield the values of a kind as they are usually written."""
    return (value.plain for value in values(kind, count))


Measure = Callable[[str, str, int], ErrorRate]
