"""A person's words beside an item's values, and what was decided by them: it goes when they go."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from gateway.detectors.person_words import PersonWords

MAX_REMEMBERED_RESULTS: Final = 64
"""Results of a kind that are remembered with one person's words; when full all are forgotten."""

MAX_REMEMBERED_CHARS: Final = 256
"""The length of the longest value of which it is remembered whether it repeats a word."""


class Person:
    """The words of an item's own person, and what was decided beside them.

    `known` holds the results of a rule, by a number that is its own.
    """

    __slots__ = ("_answers", "_ascii", "_has_number", "_vocabulary", "known")

    def __init__(self, words: PersonWords, *, ascii: bool = False) -> None:
        """`ascii`: values with other characters stay in no case."""
        self._vocabulary, self._ascii = words, ascii
        self._has_number = any(map(str.isdigit, (*words.single, *words.joined)))
        self.known: defaultdict[int, dict[bytes, Any]] = defaultdict(dict)
        self._answers: dict[tuple[object, str], bool] = {}

    def may_be_in(self, raw: bytes) -> bool:
        """Whether a value in these serialised bytes may repeat a word: a number isn't written there as it reads."""
        return self._has_number or self._vocabulary.may_be_in(raw, ascii=self._ascii)

    def repeats(self, text: str, check: object, *, user_id: bool) -> bool:
        """Whether a text that `check` judges repeats a word; a user ID in its own way."""
        answer = self._answers.get((check, text))
        if answer is None:
            answer = self._vocabulary.repeated_in_user_id(text) if user_id else self._vocabulary.repeated_in(text)
            if len(self._answers) >= MAX_REMEMBERED_RESULTS:
                self._answers.clear()
            if len(text) <= MAX_REMEMBERED_CHARS:
                self._answers[check, text] = answer
        return answer
