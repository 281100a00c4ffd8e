"""Probes: what is tried against a pattern, in which forms, and what passes."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.by_category import detectors_for
from gateway.engine.rules import text_check
from gateway.model import Category
from gateway.patterns import TOKEN, compile_pattern
from gateway.plan import Text, UserId
from gateway.policy.person_probes import first_beyond_tokens, first_passing, forms, frames, probe_counts, probe_data

DETECT: Final = detectors_for(Category.OPERATIONAL).detectors
VECTORS: Final = Path(__file__).parents[1] / "vectors/rules/probes.json"
CASES: Final[list[dict[str, Any]]] = json.loads(VECTORS.read_text(encoding="utf-8"))
ALPHABETS: Final = ("a-z", "A-Z", "A-Za-z", "0-9", "a-z0-9", "A-Za-z ._-", "A-Za-z0-9@.", "0-9+ ()/.-", "a-f0-9")


def test_the_probes_are_a_few_hundred_of_each_language_and_kind() -> None:
    probes = probe_data().probes
    least = {
        "name": 200,
        "phone number": 40,
        "date of birth": 30,
        "e-mail address": 20,
        "postal address": 30,
        "national number": 3,
    }
    assert probes.keys() == least.keys()
    assert all(len(held) >= least[kind] for kind, held in probes.items())
    names = probes["name"]
    assert any("-" in name for name in names)
    assert sum(not name.isascii() for name in names) > 50
    assert all(text == unicodedata.normalize("NFC", text) for held in probes.values() for text in held)
    assert all(len(set(held)) == len(held) for held in probes.values())


@pytest.mark.parametrize("length", range(3, 15))
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_names_of_one_word_have_all_lengths(length: int, case: Callable[[str], str]) -> None:
    words = [name for name in probe_data().probes["name"] if name.isascii() and name.isalpha()]
    assert any(len(word) == length and word == case(word) for word in words)


@pytest.mark.parametrize(
    "script",
    ["Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hangul", "Hebrew", "Hiragana", "Katakana", "Thai"],
)
def test_names_are_of_other_scripts_too(script: str) -> None:
    matches = compile_pattern(rf"\p{{{script}}}{{2,14}}").fullmatch
    assert any(matches(name) for name in probe_data().probes["name"])


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        (r"[A-Z]{6}", "MARTIN"),
        (r"\A[A-Z]{6}", "MARTIN"),
        (r"[A-Z]{6}\z", "MARTIN"),
        (r"^[A-Z]{6}$", "MARTIN"),
        (r"(?-m:^[A-Z]{6}$)", "MARTIN"),
        (r"(?i)martin", "Martin"),
        (r"(?i:MART)in", "Martin"),
        (r"\bmartin\b", "martin"),
    ],
)
def test_all_ways_to_write_a_pattern_are_tried(pattern: str, kept: str) -> None:
    found = first_passing(Text(pattern, detect=DETECT))
    assert (found.text if found else "") == kept


@pytest.mark.parametrize(
    ("written", "tried"),
    [
        ("Ada Byron", "Ada Byron|Ada.Byron|Ada_Byron|Ada-Byron|AdaByron"),
        ("O'Neil, Ada", "O'Neil, Ada|O.Neil.Ada|O_Neil_Ada|O-Neil-Ada|ONeilAda"),
        ("+33 6 39", "+33 6 39|33.6.39|33_6_39|33-6-39|33639"),
        ("maria", "maria"),
    ],
)
def test_a_probe_is_tried_as_written_and_joined(written: str, tried: str) -> None:
    assert forms(written) == tuple(tried.split("|"))


@pytest.mark.parametrize(
    ("pattern", "literal", "shortest"),
    [
        ("[a-z]{1,9}", [], []),
        ("x_[A-Za-z]{1,30}", [("x_", "")], []),
        ("(usr|org)_[a-z]{1,9}", [("usr_", ""), ("org_", "")], []),
        ("a(-b)?_[a-z]{1,9}", [("a_", ""), ("a-b_", "")], []),
        ("x{2}[a-z]{1,9}!", [("xx", "!"), ("xx", ""), ("", "!")], []),
        ("[0-9]{2}-[a-z]{1,30}", [], [("00-", "")]),
        ("[0-9]{2}-[0-9a-f]{1,30}", [], []),
        (r"\+[0-9]{1,9}", [("+", "")], []),
        ("é[a-z]{1,9}", [("é", "")], []),
        ("h264|hevc", [], []),
    ],
)
def test_what_stands_around_a_probe(
    pattern: str, literal: list[tuple[str, str]], shortest: list[tuple[str, str]]
) -> None:
    found = frames(pattern)
    assert (set(found.literal), set(found.shortest)) == ({("", ""), *literal}, set(shortest))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_vectors_of_probes(case: dict[str, Any]) -> None:
    rule = Text(case["pattern"], case["max_length"], detect=DETECT)
    found = first_passing(rule)
    assert (found is None) == (case["kept"] is None)
    if case["kept"] is not None:
        assert text_check(rule)(case["kept"]["text"]) is None


CLASSES: Final = st.builds("[{}]{{{},{}}}".format, st.sampled_from(ALPHABETS), st.integers(1, 3), st.integers(4, 40))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(("", "x_", "ws-", "A")), CLASSES, st.sampled_from(("", "_x", "!")), st.sampled_from((0, 6, 12)))
def test_what_passes_is_what_the_engine_keeps(prefix: str, repeated: str, suffix: str, longest: int) -> None:
    rule = Text(f"{prefix}{repeated}{suffix}", longest, detect=DETECT)
    check = text_check(rule)
    kept = {
        kind: {
            framed
            for written in held
            for form in forms(written)
            for framed in (form, prefix + form, form + suffix, prefix + form + suffix)
            if check(framed) is None
        }
        for kind, held in probe_data().probes.items()
    }
    found = first_passing(rule)
    assert (found is not None) == any(kept.values())
    assert found is None or found.text in kept[found.kind]
    for count in probe_counts(rule):
        assert (count.passing > 0) == bool(kept[count.kind])
        assert not count.passing or count.example in kept[count.kind]


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        (TOKEN, None),
        ("[a-z]{1,30}", None),
        ("/[a-z-]{1,30}", None),
        ("[A-Za-z ]{1,30}", "name"),
        ("say: [A-Za-z ]{1,30}", "name"),
        (r"[\p{L}]{1,30}", "name"),
        ("[0-9]{1,3} [a-z ]{1,30}", None),
        ("[0-9]{1,3} [A-Za-z ]{1,30}", "postal address"),
    ],
)
def test_what_a_token_would_not_be(pattern: str, kind: str | None) -> None:
    found = first_beyond_tokens(Text(pattern, detect=DETECT))
    assert (found and found.kind) == kind


def test_probes_of_a_user_id_and_of_a_list_are_counted_too() -> None:
    assert {count.kind for count in probe_counts(UserId("usr_[A-Za-z]{1,32}", None, DETECT)) if count.passing} >= {
        "name"
    }
    assert not any(count.passing for count in probe_counts(Text(one_of=("h264", "hevc"), detect=DETECT)))
    assert [count.passing for count in probe_counts(Text(one_of=("maria",), detect=DETECT))] == [1, 0, 0, 0, 0, 0]
