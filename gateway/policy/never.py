"""Names that say age, gender, banking data, location or a credential, in English and French, whatever the label beside them says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.model import Category

Words = tuple[str, ...]


def _phrases(text: str) -> tuple[Words, ...]:
    return tuple(tuple(phrase.split()) for phrase in re.split(r"\s*,\s*", text.strip()))


PHRASES: Final[Mapping[Category, tuple[Words, ...]]] = {
    Category.AGE: _phrases("""
        age, age range, birth, birthday, birthdate, birthyear, date of birth, year of birth, dob,
        naissance, date naissance, date de naissance, annee naissance
    """),
    Category.GENDER: _phrases("gender, sex, male, female, pronouns, sexe, homme, femme, masculin, feminin, civilite"),
    Category.BANKING: _phrases("""
        iban, bic, swift code, bank account, bank card, bank code, bank details, account number, routing number, sort code, card number,
        credit card, debit card, cvv, cvc,
        rib, compte bancaire, carte bancaire, carte bleue, numero carte, numero de carte, numero compte, numero de compte
    """),
    Category.LOCATION: _phrases(
        "location, geolocation, latitude, longitude, lat lng, lat lon, gps, geo, geohash, localisation, geolocalisation"
    ),
    Category.CREDENTIAL: _phrases("""
        password, passwd, pwd, passphrase, passcode, pin code, secret, token, credential, api key, private key, access key,
        mot de passe, mdp, jeton, cle api, cle privee
    """),
}
"""What says so: words that follow one another in a name, or written as one."""

DOUBTFUL: Final[Mapping[Category, tuple[Words, ...]]] = {
    Category.GENDER: _phrases("genre"),
    Category.BANKING: _phrases("bank, banque"),
    Category.LOCATION: _phrases("coordinates, coordonnees"),
}
"""What says so in one language or trade, and something else in another."""

HARMLESS: Final = _phrases("""
    page token, continuation token, token count, max tokens, prompt tokens, completion tokens, input tokens, output tokens, total tokens,
    cache age, cache max age, source location, file location, storage location, video genre, music genre, image bank, banque image
""")
"""What looks like it and isn't: cursors, counters, caches, code and files."""

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def words(name: str) -> Words:
    """The words of a name in snake, kebab, dotted or camel case, in lower case without accents."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    return tuple(word.lower() for word in _WORD.findall(plain))


class Said(msgspec.Struct, frozen=True):
    """The category that a name says; `sure` if the name can hardly mean anything else."""

    category: Category
    sure: bool


def said(name: str) -> Said | None:
    """What a name says of the categories that are never collected, if it does."""
    found = _without_harmless(words(name))
    surely, maybe = (_first(found, phrases) for phrases in (PHRASES, DOUBTFUL))
    if surely is not None:
        return Said(surely, sure=True)
    return None if maybe is None else Said(maybe, sure=False)


def _first(found: Words, phrases: Mapping[Category, tuple[Words, ...]]) -> Category | None:
    return next((category for category, known in phrases.items() if any(_has(found, phrase) for phrase in known)), None)


def _without_harmless(found: Words) -> Words:
    """The words, with a gap where something harmless stood."""
    for phrase in HARMLESS:
        for start in _starts(found, phrase):
            found = (*found[:start], *("" for _ in phrase), *found[start + len(phrase) :])
    return found


def _has(found: Words, phrase: Words) -> bool:
    joined = "".join(phrase)
    return any(_same(word, joined) for word in found) or any(True for _ in _starts(found, phrase))


def _starts(found: Words, phrase: Words) -> Iterator[int]:
    """Where a phrase stands in the words."""
    size = len(phrase)
    return (start for start in range(len(found) - size + 1) if all(map(_same, found[start : start + size], phrase)))


def _same(word: str, part: str) -> bool:
    """A plural's s is no difference."""
    return word in (part, f"{part}s") or (len(part) > 3 and f"{word}s" == part)
