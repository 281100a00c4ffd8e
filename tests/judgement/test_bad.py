"""Personal data is found however it is glued.

As a token, in free text, and what is banking data or a place also among names and phones.
"""

from __future__ import annotations

import os
from math import sqrt

import phonenumbers
import pytest
from stdnum.fr import siret

from tests.judgement import bad, good
from tests.judgement.bad import KINDS
from tests.judgement.glue import glues_of, text_glues_of
from tests.judgement.passing import MAX_PASSING, bare, fields, texts, tokens
from tests.judgement.value import Bad

JUDGED = int(os.environ.get("JUDGED", "20000"))
"""How many values of each kind a long run tries, for each way of gluing."""

TOKENS = [200, pytest.param(JUDGED, marks=pytest.mark.soak)]
TEXTS = [40, pytest.param(JUDGED // 5, marks=pytest.mark.soak)]
BARE = [1000, pytest.param(20_000, marks=pytest.mark.soak)]

JUDGED_IN_FULL = 5000
"""From how many values on chance makes no difference."""

NEVER = ("card", "iban", "coordinates", "coordinates labelled", "secret")
"""What no recipient gets, whatever field it stands in."""


def most(count: int) -> float:
    """How many of so many may pass; of a sample, chance may let a few more."""
    share = MAX_PASSING * count
    return share if count >= JUDGED_IN_FULL else share + 3 * sqrt(share)


def is_phone(text: str) -> bool:
    """Whether digits are a valid phone number with its country's code."""
    if not text.isdigit() or len(text) > bad.MAX_PHONE_DIGITS:
        return False
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{text}"))
    except phonenumbers.NumberParseException:
        return False


def sample(kind: str) -> Bad:
    return next(bad.values(kind, 1))


@pytest.mark.parametrize("count", TOKENS)
@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in KINDS for way in glues_of(sample(kind))])
def test_hardly_a_token_that_holds_personal_data_passes(kind: str, way: str, count: int) -> None:
    passing = tokens(kind, way, count)
    assert len(passing.passed) <= most(count), str(passing)


@pytest.mark.parametrize("count", TEXTS)
@pytest.mark.parametrize(("kind", "way"), [(kind, way) for kind in KINDS for way in text_glues_of(sample(kind))])
def test_no_text_shows_personal_data_or_half_of_it(kind: str, way: str, count: int) -> None:
    passing = texts(kind, way, count)
    assert not passing.passed, str(passing)


@pytest.mark.parametrize("count", BARE)
@pytest.mark.parametrize("field", ["name", "phone"])
@pytest.mark.parametrize("kind", NEVER)
def test_what_nobody_gets_is_neither_a_name_nor_a_phone_number(kind: str, field: str, count: int) -> None:
    """A card's number that is a phone's too can't be told from it."""
    passing = fields(field, (text for text in bare(kind, count) if not is_phone(text)))
    assert len(passing.passed) <= most(passing.tried), str(passing)


@pytest.mark.parametrize("count", BARE)
@pytest.mark.parametrize("kind", NEVER)
def test_what_nobody_gets_is_no_company(kind: str, count: int) -> None:
    """A card's number that is a company's too can't be told from it."""
    passing = fields("organisation", (text for text in bare(kind, count) if not siret.is_valid(text)))
    assert len(passing.passed) <= most(passing.tried), str(passing)


@pytest.mark.parametrize("field", ["name", "phone"])
def test_a_phone_number_stays_whole_where_it_may_stand(field: str) -> None:
    made = [str(value) for value in good.values("phone", 1000)]
    assert fields(field, made).passed == made
