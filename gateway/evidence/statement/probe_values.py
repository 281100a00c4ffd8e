"""The values of probe messages: invented, each such as its category holds. Whoever reads a result may see them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final

import msgspec

from gateway.detectors.detect import find
from gateway.model import Category, FieldPrivacy
from gateway.policy.review.pattern_samples import samples

FULL_NAME: Final = "Zénaïde Quimperlé"
JOINED_NAMES: Final = ("zenaide-quimperle", "QuimperleZenaide", "render.zenaide.7")
"""A name, or a word of it, as a token has it."""

BUSINESS_ADDRESS: Final = "zenaide.quimperle@kannelle-probe.example"
FREE_MAIL_ADDRESS: Final = "zenaide.quimperle@gmail.com"
PHONE_NUMBER: Final = "+33 6 39 98 12 34"
SENTENCE: Final = "Zénaïde Quimperlé called about her invoice"
PLAIN_SENTENCE: Final = "Zenaide Quimperle called about her invoice"
"""The same without accents, which more patterns let pass."""

HARMLESS_TEXT: Final = "probe"
"""What an operational text holds that has no rule of its own."""

TEXTS: Final[Mapping[Category, str]] = {
    Category.UNSPECIFIED: "Zénaïde Quimperlé, unclassified",
    Category.WORK_EMAIL: BUSINESS_ADDRESS,
    Category.NAME: FULL_NAME,
    Category.PHONE: PHONE_NUMBER,
    Category.PERSONAL_EMAIL: FREE_MAIL_ADDRESS,
    Category.POSTAL_ADDRESS: "12 rue des Lilas, 29300 Quimperlé",
    Category.DEVICE: "Zénaïde's notebook",
    Category.NETWORK: "203.0.113.77",
    Category.ORGANISATION: "Lilas Vidéo SARL",
    Category.USAGE: "searched for Zénaïde's birthday",
    Category.CONTENT: "Scene 1: Zénaïde at her desk",
    Category.FREE_TEXT: SENTENCE,
    Category.COOKIE: "cookie of Zénaïde's browser",
    Category.PAYMENT: "FR40 invoice of Zénaïde",
    Category.AGE: "52 years",
    Category.GENDER: "woman",
    Category.BANKING: "FR7630006000011234567890189",
    Category.LOCATION: "47.8726, -3.5503",
    Category.CREDENTIAL: "hunter2 is Zénaïde's",
}
"""A text of each category but USER_ID and OPERATIONAL, whose form the policy or the contract says."""

CATEGORY_BY_TEXT: Final[Mapping[str, Category]] = {text: category for category, text in TEXTS.items()}
"""Of which category each of them is."""

BIRTH_DATE_SECONDS: Final = 446_860_800
"""1984-02-29, in seconds since 1970."""

MAX_SAMPLES: Final = 64
"""Samples of a pattern that are looked at for one in which nothing personal shows."""


class ProbeValues(msgspec.Struct, frozen=True):
    """What a message's fields are filled with.

    `texts` are those of categories; an operational text without one is such as its rule asks. `only`: the categories of
    texts that are filled in; all of them without it. `seconds` since 1970 are what times hold; without it that is the
    time of receipt.
    """

    user_id: str
    texts: Mapping[Category, str] = msgspec.field(default_factory=lambda: TEXTS)
    only: Collection[Category] | None = None
    seconds: int | None = None

    def text(self, privacy: FieldPrivacy) -> str | None:
        """The text of a field; None leaves it empty."""
        if self.only is not None and privacy.category not in self.only:
            return None
        given = self.texts.get(privacy.category)
        if given is not None:
            return given
        return self.user_id if privacy.category is Category.USER_ID else operational_text(privacy)

    def whole_number(self, privacy: FieldPrivacy) -> int:
        """The number of a field, within its bounds where it has some."""
        return privacy.min or privacy.max if privacy.bounded else 1


def operational_text(privacy: FieldPrivacy) -> str:
    """A text such as the rule of an operational field asks."""
    if privacy.one_of:
        return privacy.one_of[0]
    return harmless_sample(privacy.pattern) if privacy.pattern else HARMLESS_TEXT


@cache
def harmless_sample(pattern: str) -> str:
    """A text that a pattern matches, and in which nothing personal shows if there is one."""
    found = ""
    for text in samples(pattern, MAX_SAMPLES):
        found = found or text
        if find(text) is None:
            return text
    return found or HARMLESS_TEXT
