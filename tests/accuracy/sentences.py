"""Sentences of five languages with a place for a value, and what of a value must not be left in one."""

from __future__ import annotations

from random import Random
from typing import Final

MIN_REVEALING_CHARS: Final = 5
"""How many letters and digits of a value in a row tell something of it."""

SENTENCES: Final = (
    "Please call me back under {} before noon, thank you.",
    "The customer wrote that {} is right now.",
    "Merci de me rappeler : {} (urgent).",
    "Voici ce que le client nous a transmis, {}, depuis hier.",
    "Bitte melden Sie sich unter {} bis zum Abend!",
    "Der Kunde schreibt: „{}“ und bittet um Hilfe.",
    "Por favor, use {} para la factura; gracias.",
    "El cliente nos dio {} ayer por la tarde.",
    "Il cliente ha scritto {} nel messaggio.",
    "Grazie, il mio dato: {}\nA presto",
)


def in_sentence(value: str, random: Random) -> str:
    """A sentence that holds a value."""
    return random.choice(SENTENCES).format(value)


def alphanumerics(text: str) -> str:
    """The letters and digits of a text, one after the other."""
    return "".join(filter(str.isalnum, text)).lower()
