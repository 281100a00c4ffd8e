"""Patterns that stand for identifiers.

What loads can't match a name or a sentence, whatever else is written beside it.
"""

from __future__ import annotations

import itertools
import random
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.patterns import compile_pattern
from gateway.policy.identifier_syntax import MAX_IDENTIFIER_CHARS
from gateway.policy.identifiers import SUGGESTED_FORM, identifier_problem

ALLOWED = frozenset(string.ascii_letters + string.digits + "_-|")
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
NAMES = (
    *(
        "ada",
        "Ada",
        "Ada Byron",
        "ada.byron",
        "anna-martin",
        "anna_martin",
        "annamartin",
        "ada@acme.example",
        "+33 6 12 34 56 78",
        "",
    ),
    *("0612345678", "1985-05-17", "19850517", "185057800608491", "Jean-Luc", "M\u00fcller", "\u0410\u043d\u043d\u0430"),
    *(
        "usr_Ada Byron",
        "usr_\n",
        "usr_a.b",
        "anna-maria-hohenzollern",
        "call_martin_please_at_noon",
        "annamariavonhohenzollern",
    ),
    *("4111111111111111", "110105194912310021", "19850517-0612345678"),
)

LOADS = [
    "usr_[A-Za-z0-9]{1,32}",
    "usr-[a-z0-9]{8}",
    r"usr_\d{1,10}",
    r"usr_\w{1,32}",
    "usr_[a-z0-9_-]{1,32}",
    r"usr_[a-z0-9\-]{1,32}",
    "usr_(?:[a-z]{2}|[0-9]{3})",
    "(usr|org)_[a-z0-9]{4,20}",
    "usr_[a-z]{1,9}|org_[a-z]{1,9}",
    "usr_[a-z]?[0-9]{3}",
    "usr_(ab)?[0-9]{1,3}",
    "u[0-9]{1,9}",
    "usr_1",
    r"auth0\|[0-9a-f]{24}",
    UUID,
    UUID.upper().replace("A-F", "A-F"),
    "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    f"usr_[0-9]{{1,9}}|{UUID}",
    "[0-7][0-9A-HJKMNP-TV-Z]{25}",
    "[0-9A-Za-z]{27}",
    "[0-9a-f]{24}",
    "[0-9a-f]{20}",
    "[0-9a-f]{40}",
    "[0-9A-F]{64}",
    "[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    f"{UUID}|{UUID.replace('a-f', 'A-F')}",
    f"usr_[0-9]{{16}}|u[0-9]{{18}}|{UUID}",
    "c[a-z0-9]{24}",
    "[A-Z][0-9A-Z]{25}",
    "(?:a|b)[a-z0-9]{20}|[0-9a-z]{21}",
    "[0-9A-Za-z]{22}-[0-9A-Za-z]{20}",
    "usr_[0-9]{18}",
    "nan_[A-Za-z0-9_-]{21}",
]


def several(chars: str, low: int, high: int) -> str:
    """One fixed length beside another."""
    return "(?:" + "|".join(f"{chars}{{{size}}}" for size in range(low, high + 1)) + ")"


NO_LOADS = [
    r"usr_[a-z]{1,9}|[\s\S]{1,99}",
    r"[^\x00]{1,200}",
    "(?s)usr_.{1,32}",
    "usr_.*",
    "usr_.{1,32}",
    "usr_[a-z]+",
    "usr_[a-z]{1,}",
    "usr_[a-z]{,9}",
    r"\w{1,64}",
    "[a-z]{1,30}",
    "[a-z]{19}",
    "[A-Za-z0-9_-]{21}",
    f"{several('[a-z]', 4, 7)}-{several('[a-z]', 5, 8)}-{several('[a-z]', 11, 14)}",
    several("[A-Za-z]", 20, 59),
    several("[A-Za-z0-9]", 20, 59),
    "[a-z0-9]{20}[a-z0-9]?",
    "[a-z0-9]{20}(?:[a-z0-9]{2})?",
    "[a-z0-9]{20}(?:x|yy)",
    f"{UUID}|[0-7][0-9A-HJKMNP-TV-Z]{{25}}",
    f"usr_[a-z]{{1,9}}|{UUID}|[0-9a-f]{{32}}",
    "[0-9a-f]{16}-[0-9a-f]{16}|[0-9a-f]{8}-[0-9a-f]{24}",
    "[0-9a-f]{16}-[0-9a-f]{16}|[0-9a-f]{16}_[0-9a-f]{16}",
    "[A-Za-z]{20}",
    "[A-Za-z]{27}",
    "[a-f]{16}",
    "[a-z]{40}-[a-z0-9]{20}",
    "[a-z]{19}[0-9]{9}",
    "[a-z]{4}_[a-z]{6}_[a-z]{6}_[a-z]{2}_[a-z]{4}",
    "[a-z0-9]{4}_[a-z0-9]{6}_[a-z0-9]{6}_[a-z0-9]{2}_[a-z0-9]{4}",
    "[a-z0-9]{20}-[a-z0-9]{4}",
    "[0-9]{8}-[0-9]{10}",
    "[0-9]{16}",
    "[0-9]{18}",
    "[0-9]{64}",
    "[0-9]{16}a",
    "[0-9a]{16}",
    "[0-9a-f]{16}",
    "[0-9a-f]{19}",
    "[0-9a-f]{8}-[0-9a-f]{10}",
    "[0-9]{8}-[0-9]{10}-[0-9a-f]{4}",
    "[0-9]{4}(?:-[0-9]{4}){3}",
    "-_-",
    "[0-9]{1,19}",
    "[0-9]{10}",
    "(usr_)?[a-z]{1,30}",
    "(usr_|)[a-z]{1,30}",
    "(?:usr_){0,1}[a-z]{1,30}",
    "usr_[a-z]{1,9}|[a-z]{1,30}",
    "usr_[a-z]{1,9}|",
    "|usr_[a-z]{1,9}",
    "usr_(|[a-z]{1,9})",
    "usr_()",
    "",
    "(?i)usr_[a-z]{1,9}",
    "(?P<id>usr_[a-z]{1,9})",
    "(?m)^usr_[a-z]{1,9}$",
    "^usr_[a-z]{1,9}$",
    r"\Ausr_[a-z]{1,9}\z",
    r"usr_\pL{1,9}",
    r"usr_\p{Greek}{1,9}",
    r"usr_[\pL]{1,9}",
    r"usr_\S{1,9}",
    r"usr_\D{1,9}",
    r"usr_\x{41}",
    r"usr_\x20",
    r"usr_\.",
    r"usr_\@",
    "usr_[[:alpha:]]{1,9}",
    "usr_[^@]{1,9}",
    "usr_[!-~]{1,9}",
    "usr_[A-z]{1,9}",
    "usr_[9-A]{1,9}",
    "usr_[z-a]{1,9}",
    "usr_[a-]-z]{1,9}",
    "usr_[]a]{1,9}",
    "usr_[]",
    "usr_[a",
    "usr_[a|b]{1,9}",
    r"usr_[a-z]{1,9}\|",
    "usr_ [a-z]{1,9}",
    "usr_\u00e9{1,9}",
    "usr_[\u00e0-\u00ff]{1,9}",
    "usr_\uff41",
    "usr_([a-z]{1,3}){1,3}",
    "usr_([a-z]{1,3}){3}",
    "((usr_){1,2}){1,2}[a-z]",
    "usr_[a-z]{1,3}{2}",
    "usr_[a-z]{1,9}?",
    "usr_[a-z]??",
    "usr_[a-z]{1,1000}",
    "usr_[a-z]{9,1}",
    "usr_[a-z]{0}",
    f"usr_[a-z]{{1,{MAX_IDENTIFIER_CHARS}}}",
    "usr_" + "(a|b)" * 7,
    "(" * 9 + "usr_a" + ")" * 9,
    "usr_[a-z]{1,9})",
    "(usr_[a-z]{1,9}",
    "usr_{1,2}[a-z]{1,9}",
    "_[a-z]{1,9}",
    "a[a-z]{1,30}",
    "anna",
    "Anna[0-9]?",
    "usr_a\n",
    "usr_a\\",
    "*",
    "?",
]  # fmt: skip


@pytest.mark.parametrize("pattern", LOADS)
def test_a_prefix_or_a_fixed_shape_in_every_branch_loads(pattern: str) -> None:
    compile_pattern(pattern)
    assert identifier_problem(pattern) == ""


@pytest.mark.parametrize("pattern", NO_LOADS)
def test_all_else_does_not_load_and_the_error_says_what_to_write(pattern: str) -> None:
    text = identifier_problem(pattern)
    assert text.endswith(SUGGESTED_FORM)


@pytest.mark.parametrize("pattern", LOADS)
@pytest.mark.parametrize("name", NAMES)
def test_no_name_matches_what_loads(pattern: str, name: str) -> None:
    assert not compile_pattern(pattern).fullmatch(name)


@pytest.mark.parametrize("pattern", ["usr_[a-z_]{1,9}", "usr_[a-z]{1,3}-[a-z]{1,3}", r"usr_\w{1,9}"])
def test_an_identifier_of_a_thing_is_unbroken_behind_its_prefix(pattern: str) -> None:
    assert identifier_problem(pattern, unbroken=True)
    assert not identifier_problem(pattern)


@pytest.mark.parametrize("pattern", ["ws_[A-Za-z0-9]{1,32}", "sup_[a-z0-9]{8,32}", "kan-ws-[0-9]{1,9}", UUID])
def test_an_unbroken_one_loads(pattern: str) -> None:
    assert identifier_problem(pattern, unbroken=True) == ""


PIECES = st.sampled_from(
    (
        *("usr_", "org-", "a", "1", "_", "-", "|", r"\|", " ", "@", ",", "\u00e9"),
        *("[a-z]", "[A-Z0-9]", "[^a]", "[a-z_-]", "[ -~]", "[[:alpha:]]", r"[\s]", "[", "]"),
        *(".", r"\.", r"\w", r"\d", r"\s", r"\S", r"\pL", r"\x20", r"\b", "^", "$"),
        *(
            "(",
            "(?:",
            "(?i)",
            "(?s)",
            ")",
            "{1,3}",
            "{2}",
            "{16}",
            "{20}",
            "{3,}",
            "{0,2}",
            "{",
            "}",
            "?",
            "*",
            "+",
            "??",
        ),
    )
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=7).map("".join)
BRANCH = st.tuples(
    st.sampled_from(["usr_", "usr_", "org-", "(a|b)_", "u", "", "(usr_)?"]),
    st.sampled_from(["[a-z]", "[0-9]", r"\w", "[0-9a-f]", "[a-z_-]", "(ab|c)", "[0-9A-Z]", "(?:-[0-9]{2})"]),
    st.sampled_from(["", "?", "{3}", "{16}", "{20}", "{1,9}", "{26}"]),
    st.sampled_from(["", "-[0-9]{4}", "x", "[a-z]{1,2}"]),
).map("".join)
HOSTILE = [" ", "@", ".", "\n", "\u00e9", "/", ":", "+", "\u0660", "\u212a", "\u017f", "a", "1", "_"]


def sample(parsed: Any, rng: random.Random) -> str:
    """A text that a pattern matches, by the syntax tree that Python makes of it."""
    text = ""
    for kind, held in parsed:
        match str(kind):
            case "LITERAL":
                text += chr(held)
            case "IN":
                text += rng.choice(
                    [char for char in map(chr, range(256)) if re.fullmatch(member(held), char, re.ASCII)]
                )
            case "BRANCH":
                text += sample(rng.choice(held[1]), rng)
            case "SUBPATTERN":
                text += sample(held[-1], rng)
            case "MAX_REPEAT":
                text += "".join(sample(held[2], rng) for _ in range(rng.randint(held[0], held[1])))
            case _:
                raise AssertionError(kind)
    return text


def member(held: Any) -> str:
    """A class again, as a pattern: ranges, characters and categories."""
    forms = {"CATEGORY_DIGIT": r"\d", "CATEGORY_WORD": r"\w"}
    parts = (
        f"{re.escape(chr(one[0]))}-{re.escape(chr(one[1]))}"
        if str(kind) == "RANGE"
        else forms.get(str(one)) or re.escape(chr(one))
        for kind, one in held
    )
    return f"[{''.join(parts)}]"


@settings(deadline=None, max_examples=600)
@given(
    st.one_of(PATTERNS, BRANCH, BRANCH, st.lists(BRANCH, min_size=1, max_size=3).map("|".join)),
    st.randoms(use_true_random=False),
)
def test_whatever_loads_matches_nothing_but_identifiers(pattern: str, rng: random.Random) -> None:
    """By enumeration of all short texts, by texts made from the pattern, and by a character changed in them."""
    if identifier_problem(pattern):
        return
    compiled = compile_pattern(pattern)
    for size in range(3):
        for chars in itertools.product(HOSTILE, repeat=size):
            text = "".join(chars)
            assert not compiled.fullmatch(text) or frozenset(text) <= ALLOWED
    made = sample(re._parser.parse(pattern, re.ASCII), rng)
    assert compiled.fullmatch(made)
    assert frozenset(made) <= ALLOWED
    assert len(made) <= MAX_IDENTIFIER_CHARS
    at, other = rng.randint(0, len(made)), rng.choice(HOSTILE[:11])
    for text in (made[:at] + other + made[at:], made[:at] + other + made[at + 1 :]):
        assert not compiled.fullmatch(text)


@settings(deadline=None, max_examples=400)
@given(st.lists(BRANCH, min_size=1, max_size=3).map("|".join), st.sampled_from(NAMES))
def test_no_name_matches_whatever_loads(pattern: str, name: str) -> None:
    assert identifier_problem(pattern) or not compile_pattern(pattern).fullmatch(name)


@settings(deadline=None, max_examples=400)
@given(st.text(st.sampled_from("ab_-|\\()[]{}?1,9:*+.^$ d"), max_size=30))
def test_any_text_is_read_to_its_end_or_refused(pattern: str) -> None:
    """What is taken for an identifier's pattern is RE2 too, and means the same there."""
    if not identifier_problem(pattern):
        compile_pattern(pattern)
