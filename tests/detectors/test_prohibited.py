"""Which names say what is never collected."""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors import prohibited
from gateway.detectors.prohibited import Said, Words, said, words
from gateway.model import Category

SURE = {
    Category.AGE: """age userAge user_age AGE ages ageRange age_18_25 birthDate birth_date dateOfBirth date_of_birth dateofbirth birthday
        birthdays birthYear dob date_naissance dateDeNaissance lieuNaissance""",
    Category.GENDER: "gender userGender GENDER_MALE sex sexe isMale female homme femmes civilite civilité pronouns",
    Category.BANKING: """iban IBANNumber ibans bic bank_account bankAccounts bankaccount accountNumber card_number cardNumbers creditCard
        cvv CVC rib compte_bancaire carteBancaire numero_de_carte sort-code""",
    Category.LOCATION: "location lastLocation geo.locality.name geohash gps GPSPosition latitude longitude lat_lng geolocalisation",
    Category.CREDENTIAL: """password passwords userPasswd pwd secret clientSecret token access_token accessTokens apiKey api_key apikey
        private_key credentials mot_de_passe motDePasse mdp jeton pinCode""",
}
SILENT = """
    page usage message language storage image package manager average coverage stage agent passage_way tokenizer secretary bicycle ribbon
    contributor island geometry geographic sexton essex unisex allocation relocation dislocation translation page_token nextPageToken
    max_tokens token_count prompt_tokens cache_max_age file_location source_location video_genre image_bank position position_s filmed_at
    user_id email h264 gp
"""
DOUBTFUL = {Category.GENDER: "genre", Category.BANKING: "bank bank_ref banque", Category.LOCATION: "crop_coordinates coordinate"}


@pytest.mark.parametrize(("category", "name"), [(category, name) for category, names in SURE.items() for name in names.split()])
def test_it_is_heard_in_any_case_and_language(category: Category, name: str) -> None:
    assert said(name) == Said(category, sure=True)


@pytest.mark.parametrize("name", SILENT.split())
def test_it_is_not_heard_inside_other_words(name: str) -> None:
    assert said(name) is None


@pytest.mark.parametrize(("category", "name"), [(category, name) for category, names in DOUBTFUL.items() for name in names.split()])
def test_a_word_with_another_meaning_is_heard_with_doubt(category: Category, name: str) -> None:
    assert said(name) == Said(category, sure=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("userID", ("user", "id")),
        ("HTTPServerURL2", ("http", "server", "url", "2")),
        ("SCREAMING_SNAKE", ("screaming", "snake")),
        ("kebab-and.dots", ("kebab", "and", "dots")),
        ("prénomÂge", ("prenom", "age")),
        ("", ()),
    ],
)
def test_a_name_falls_into_words(name: str, expected: tuple[str, ...]) -> None:
    assert words(name) == expected


def slowly_said(name: str) -> Said | None:
    """What `said` means, word for word: each phrase held against each place."""
    found = words(name)
    for phrase in prohibited.HARMLESS:
        for start in starts(found, phrase):
            found = (*found[:start], *("" for _ in phrase), *found[start + len(phrase) :])
    for known, sure in ((prohibited.PHRASES, True), (prohibited.DOUBTFUL, False)):
        for category, phrases in known.items():
            if any(same(word, "".join(phrase)) for phrase in phrases for word in found) or any(starts(found, phrase) for phrase in phrases):
                return Said(category, sure=sure)
    return None


def starts(found: Words, phrase: Words) -> list[int]:
    return [at for at in range(len(found) - len(phrase) + 1) if all(map(same, found[at : at + len(phrase)], phrase))]


def same(word: str, part: str) -> bool:
    return word in (part, f"{part}s") or (len(part) > 3 and f"{word}s" == part)


LISTED = [phrase for listed in (*prohibited.PHRASES.values(), *prohibited.DOUBTFUL.values(), prohibited.HARMLESS) for phrase in listed]
KNOWN = sorted({word for phrase in LISTED for word in (*phrase, "".join(phrase))})
SHAPES: list[Callable[[str], str]] = [str, str, str.upper, str.capitalize, lambda word: word[:-1], lambda word: f"x{word}"]
NEAR = st.tuples(
    st.sampled_from(KNOWN),
    st.sampled_from(SHAPES),
    st.sampled_from(["", "", "s", "ss", "x", "1", "\u00e9"]),
).map(lambda drawn: drawn[1](drawn[0]) + drawn[2])
PHRASE = st.sampled_from(LISTED).map("_".join)
NAMES = st.lists(st.one_of(NEAR, PHRASE, st.text(max_size=6)), max_size=6).flatmap(
    lambda parts: st.sampled_from(["_", ".", "-", "", "\u0301"]).map(lambda joint: joint.join(parts))
)


@settings(deadline=None, max_examples=3000)
@given(NAMES)
def test_it_hears_what_holding_each_phrase_against_each_place_would(name: str) -> None:
    assert said(name) == slowly_said(name)


def cost(names: list[str]) -> float:
    """Processor seconds of this thread; the least of a few runs, since others want the machine too."""

    def once() -> float:
        start = time.thread_time()
        for name in names:
            said(name)
        return time.thread_time() - start

    return min(once() for _ in range(5))


def reference(names: list[str]) -> float:
    """The same names, normalised and split at every character's edge: work that is plainly linear."""

    def once() -> float:
        start = time.thread_time()
        for name in names:
            for part in re.split("", unicodedata.normalize("NFKD", name)):
                part.lower()
        return time.thread_time() - start

    return min(once() for _ in range(5))


KEYS = [f"service.{hashlib.sha1(str(index).encode()).hexdigest()}" for index in range(1000)]


@pytest.mark.parametrize(
    "names",
    [KEYS, ["a1" * 32] * 500, ["aB" * 32] * 500, ["page_" * 12] * 500, ["maxTokens" * 7] * 500, ["cache.max." * 6] * 500],
    ids=["hashes", "digits", "capitals", "heads", "harmless", "almost"],
)
def test_a_name_costs_about_what_it_costs_to_read_it(names: list[str]) -> None:
    """Fifteen times the reference is about a second a megabyte; holding each phrase against each place costs hundreds of times."""
    assert cost(names) < 15 * reference(names)


@pytest.mark.parametrize("part", ["a1", "page_", "maxTokens", "token_count_", "cache_max_"])
def test_a_name_of_twice_the_length_costs_about_twice_as_much(part: str) -> None:
    assert cost([part * 2000]) < 4 * cost([part * 1000])
