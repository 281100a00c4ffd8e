"""Names that say age, gender, banking data, location or a credential, in English and French, whatever the label beside them says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
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
    plain = name if name.isascii() else _without_accents(name)
    return tuple(word.lower() for word in _WORD.findall(plain))


def _without_accents(name: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))


class Said(msgspec.Struct, frozen=True):
    """The category that a name says; `sure` if the name can hardly mean anything else."""

    category: Category
    sure: bool


class _Phrase(msgspec.Struct, frozen=True):
    """Some words in a row, each in all its forms; `index` is its place in the list that it comes from."""

    index: int
    parts: tuple[frozenset[str], ...]

    def stands(self, found: Words, start: int) -> bool:
        """Whether the words from `start` on are this phrase."""
        end = start + len(self.parts)
        return end <= len(found) and all(word in part for word, part in zip(found[start:end], self.parts, strict=True))


class _Lexicon:
    """Phrases by what they begin with, so that looking one up costs the same however many there are."""

    def __init__(self, phrases: Iterable[Words]) -> None:
        self._by_head: dict[str, list[_Phrase]] = {}
        for index, phrase in enumerate(phrases):
            made = _Phrase(index, tuple(map(_forms, phrase)))
            for form in made.parts[0]:
                self._by_head.setdefault(form, []).append(made)

    def standing(self, found: Words) -> Iterator[_Phrase]:
        """Yield the phrases that stand somewhere in the words, once for each place."""
        for start, word in enumerate(found):
            yield from (phrase for phrase in self._by_head.get(word, ()) if phrase.stands(found, start))


class _Speaker:
    """Categories by the phrases that say them, as words in a row or written as one."""

    def __init__(self, known: Mapping[Category, tuple[Words, ...]]) -> None:
        self._categories = tuple(category for category, phrases in known.items() for _ in phrases)
        phrases = [phrase for phrases in known.values() for phrase in phrases]
        self._lexicon = _Lexicon(phrases)
        self._joined: dict[str, int] = {}
        for index, phrase in enumerate(phrases):
            for form in _forms("".join(phrase)):
                self._joined.setdefault(form, index)

    def hear(self, found: Words) -> Category | None:
        """The first category, in the order of the list, of which a phrase stands in the words."""
        heard = [self._joined[word] for word in found if word in self._joined]
        heard += [phrase.index for phrase in self._lexicon.standing(found)]
        return self._categories[min(heard)] if heard else None


def _forms(part: str) -> frozenset[str]:
    """A word as it is and with a plural's s, or without the one that it has."""
    singular = {part[:-1]} if len(part) > 3 and part.endswith("s") else frozenset[str]()
    return frozenset({part, f"{part}s"} | singular)


_SURE: Final = _Speaker(PHRASES)
_DOUBTFUL: Final = _Speaker(DOUBTFUL)
_HARMLESS: Final = _Lexicon(HARMLESS)


def said(name: str) -> Said | None:
    """What a name says of the categories that are never collected, if it does. Takes time in proportion to the name's length."""
    found = _without_harmless(words(name))
    surely = _SURE.hear(found)
    if surely is not None:
        return Said(surely, sure=True)
    maybe = _DOUBTFUL.hear(found)
    return None if maybe is None else Said(maybe, sure=False)


def _without_harmless(found: Words) -> Words:
    """The words, with a gap where something harmless stood. What stands first in the list makes its gaps first."""
    for phrase in sorted(set(_HARMLESS.standing(found)), key=lambda phrase: phrase.index):
        size = len(phrase.parts)
        gaps = {start + offset for start in range(len(found)) if phrase.stands(found, start) for offset in range(size)}
        found = tuple("" if index in gaps else word for index, word in enumerate(found))
    return found
