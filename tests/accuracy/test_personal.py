"""Personal data is found however it is glued.

As a token, in free text, and what is banking data or a place also among names and phones.
"""

from __future__ import annotations

import os
from math import sqrt

import phonenumbers
import pytest
from stdnum.fr import siret

from tests.accuracy.error_rates import MAX_MISS_RATE, missed_texts, missed_tokens, plain_values, unchanged_values
from tests.accuracy.glue import glues_of, text_glues_of
from tests.support.samples import harmless as good
from tests.support.samples import personal as bad
from tests.support.samples.personal import KINDS
from tests.support.samples.value import PersonalValue

SAMPLES = int(os.environ.get("SAMPLES", "20000"))
"""How many values of each kind a long run tries, for each way of gluing."""

TOKENS = [200, pytest.param(SAMPLES, marks=pytest.mark.soak)]
TEXTS = [40, pytest.param(SAMPLES // 5, marks=pytest.mark.soak)]
BARE = [1000, pytest.param(20_000, marks=pytest.mark.soak)]

MIN_SAMPLES_WITHOUT_CHANCE = 5000
"""From how many values on chance makes no difference."""

PROHIBITED = ("card", "iban", "coordinates", "coordinates labelled", "secret")
"""What no recipient gets, whatever field it stands in."""


def max_errors(count: int) -> float:
    """How many of so many may pass; of a sample, chance may let a few more."""
    share = MAX_MISS_RATE * count
    return share if count >= MIN_SAMPLES_WITHOUT_CHANCE else share + 3 * sqrt(share)


def is_phone(text: str) -> bool:
    """Whether digits are a valid phone number with its country's code."""
    if not text.isdigit() or len(text) > bad.MAX_PHONE_DIGITS:
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{text}"))
    except phonenumbers.NumberParseException:
        return False


def sample(kind: str) -> PersonalValue:
    return next(bad.values(kind, 1))


@pytest.mark.parametrize("count", TOKENS)
@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in KINDS for way in glues_of(sample(kind))])
def test_hardly_a_token_that_holds_personal_data_passes(kind: str, way: str, count: int) -> None:
    passing = missed_tokens(kind, way, count)
    assert len(passing.errors) <= max_errors(count), str(passing)


@pytest.mark.parametrize("count", TEXTS)
@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in KINDS for way in text_glues_of(sample(kind))])
def test_no_text_shows_personal_data_or_half_of_it(kind: str, way: str, count: int) -> None:
    passing = missed_texts(kind, way, count)
    assert not passing.errors, str(passing)


@pytest.mark.parametrize("count", BARE)
@pytest.mark.parametrize("field", ["name", "phone"])
@pytest.mark.parametrize("kind", PROHIBITED)
def test_what_nobody_gets_is_neither_a_name_nor_a_phone_number(kind: str, field: str, count: int) -> None:
    """A card's number that is a phone's too can't be told from it."""
    passing = unchanged_values(field, (text for text in plain_values(kind, count) if not is_phone(text)))
    assert len(passing.errors) <= max_errors(passing.tried), str(passing)


@pytest.mark.parametrize("count", BARE)
@pytest.mark.parametrize("kind", PROHIBITED)
def test_what_nobody_gets_is_no_company(kind: str, count: int) -> None:
    """A card's number that is a company's too can't be told from it."""
    passing = unchanged_values("organisation", (text for text in plain_values(kind, count) if not siret.is_valid(text)))
    assert len(passing.errors) <= max_errors(passing.tried), str(passing)


@pytest.mark.parametrize("field", ["name", "phone"])
def test_a_phone_number_stays_whole_where_it_may_stand(field: str) -> None:
    made = [str(value) for value in good.values("phone", 1000)]
    assert unchanged_values(field, made).errors == made
