"""Words of a person, and what repeats one: names as whoever writes an identifier would write them."""

from __future__ import annotations

import random

import pytest

from gateway.detectors.person_words import PersonWords, person_words
from gateway.detectors.word_search import ByteSearch, WordIndex


def of(name: str = "", address: str = "") -> PersonWords:
    found = person_words([(name,)] if name else [], [address] if address else [])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "repeating"),
    [
        ("Ada Byron", "ada ADA Ada aDa AdaB adaQueue HTTPAda ada_byron job-byron2 7ada byronada AdaByron ada.x"),
        ("Ada Byron", "Ada%20Byron %41da-x %61%64%61 QWRhIEJ5cm9u x-QWRhIEJ5cm9u 416461204279726f6e Ａｄａ Ad\u0301a"),
        ("Zoë Müller", "zoe zoé ZOË Zoe\u0308 mueller MUELLER muller ZoeMueller Zo%C3%AB"),
        ("Seán O'Neil", "sean oneil ONeil o-neil neil seanoneil"),
        ("Ο'Neil Max", "oneil max-oneil"),  # with a Greek letter
        ("Jean-Luc Moreau", "jeanluc JeanLuc jean-luc luc moreau"),
        ("Dr. Ada Lovelace Byron", "adabyron byronada adalovelace lovelace-byron"),
        ("Łukasz Øster", "lukasz oster oester"),
        ("Đorđe Groß", "dorde djordje gross GROẞ"),
        ("Ада Байрон", "ада Байрон ада-байрон"),
        ("Ελένη Παπαδοπούλου", "ελενη Ελένη"),
        ("Li Wu", "liwu wuli li-wu LiWu"),
        ("Ada-Maria Byron", "adabyron byronada mariabyron AdaMaria adamariabyron"),
        ("Ada.Byron", "adabyron byronada ada"),
        ("Ada_Byron", "adabyron byronada byron"),
        ("ada\u200bbyron", "adabyron byronada ada byron"),
        ("Ada%20M%C3%BCller", "ada mueller muller adamueller"),
        ("Ada&#32;B&#121;ron", "ada byron byronada"),
        ("x" * 80, "x" * 80),
    ],
)
def test_a_name_is_found_in_any_writing(name: str, repeating: str) -> None:
    words = of(name)
    assert [text for text in repeating.split() if not words.repeated_in(text)] == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Ada Byron", "canada radar metadata adagio xbyronx adab7 byronic render-7 YWRhZ2lv"),
        ("Li Wu", "li wu line wuff"),
        ("Max Weber", "maximum webergasse maxweberx"),
        ("Support Team", "support team supportteam"),
    ],
)
def test_what_only_looks_like_a_name_is_not_found(name: str, other: str) -> None:
    words = person_words([(name,)], [])
    assert [text for text in other.split() if words is not None and words.repeated_in(text)] == []


@pytest.mark.parametrize(
    ("address", "repeating", "other"),
    [
        ("ada.byron@acme.example", "ada byron adabyron AdaByron YWRhLmJ5cm9u", "acme example adab"),
        ("ada.b2@acme.example", "ada adab2 ada-b2", "adab b2"),
        ("a.byron+news@acme.example", "byron abyron", "news"),
        ("jürgen@acme.example", "juergen jurgen", "acme"),
        ("ada%2ebyron%40acme.example", "ada adabyron", "acme ebyron"),
        ("1234567@acme.example", "video/1234567 1234567 u1234567", "12345678 91234567 acme"),
    ],
)
def test_of_an_address_the_local_part_counts(address: str, repeating: str, other: str) -> None:
    words = of(address=address)
    assert [text for text in repeating.split() if not words.repeated_in(text)] == []
    assert [text for text in other.split() if words.repeated_in(text)] == []


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("ada7", False),
        ("adabyron", True),
        ("byron-7", True),
        ("x-adabyron-7", True),
        ("byronada", True),
        ("ada", False),
    ],
)
def test_a_user_id_repeats_a_name_as_one_or_a_long_word(text: str, repeats: bool) -> None:
    assert of("Ada Byron").repeated_in_user_id(text) is repeats


def test_a_number_counts_where_it_stands_before_an_at_sign() -> None:
    assert person_words([], ["1234567"]) is None
    assert person_words([], ["12@acme.example"]) is None
    assert of(address="1234567@acme.example").repeated_in_user_id("1234567")


def test_of_many_words_each_is_found_and_nothing_else() -> None:
    """Beside plain comparison, of words that begin one another too."""
    chance = random.Random(3)
    for _ in range(300):
        words = {"".join(chance.choices("ab", k=chance.randint(3, 9))) for _ in range(chance.choice((3, 90, 300)))}
        text = "".join(chance.choices("abc", k=60))
        standing = {word for word in words if word in text}
        assert ByteSearch(map(str.encode, words)).is_in(text.encode()) is bool(standing)
        index = WordIndex(words)
        for at in range(len(text)):
            right = sorted((len(word) for word in words if text.startswith(word, at)), reverse=True)
            assert [*index.lengths_at(text, at)] == right
