"""Company numbers are told as the library tells them."""

from __future__ import annotations

import random
import re
from types import ModuleType
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import get_cc_module
from stdnum.be import vat as belgian
from stdnum.ch import uid
from stdnum.cz import rc
from stdnum.fr import siren, siret

from gateway.detectors import data
from gateway.detectors.companies import CompanyNumber, is_company_number
from tests.detectors.glued_values import checked_by

KINDS = {f"{kind.country} {kind.name}": kind for kind in data.table("company_numbers", tuple[CompanyNumber, ...])}
OTHERS = {"FR SIREN": siren, "FR SIRET": siret, "BE enterprise": belgian, "CH UID": uid}
UNCHECKED = {"AT", "BG", "CY", "CZ", "ES", "GB", "GR", "IE", "LT", "LV", "NL", "PT", "RO", "SI"}
"""Of these countries the form alone is told: their prefix is enough."""


@pytest.mark.parametrize("name", [name for name in KINDS if name != "GB VAT in Northern Ireland"])
@settings(max_examples=30, deadline=None)
@given(draw=st.data())
def test_a_number_is_told_as_the_library_tells_it(name: str, draw: st.DataObject) -> None:
    kind = KINDS[name]
    library = OTHERS.get(name) or cast("ModuleType", get_cc_module(kind.country.lower(), "vat"))
    number = draw.draw(st.from_regex(re.compile(kind.form, re.ASCII), fullmatch=True))
    for end in range(100) if number[-2:].isdigit() else ():
        other = f"{number[:-2]}{end:02}"
        theirs = checked_by(library, other)
        if theirs is not None and re.fullmatch(kind.form, other) and not rc.is_valid(other[2:]):
            assert is_company_number(other) or not theirs, other
            assert theirs or kind.country in UNCHECKED or not is_company_number(other), other


def test_whoever_has_digits_alone_is_checked() -> None:
    chance = random.Random(1)
    for length in (9, 14):
        numbers = ["".join(chance.choices("0123456789", k=length)) for _ in range(3_000)]
        library = siren if length == 9 else siret
        assert [is_company_number(number) for number in numbers] == [library.is_valid(number) for number in numbers]


@pytest.mark.parametrize(
    "text",
    [
        "38012986646850",
        "380 129 866 46850",
        "380129866",
        "FR 83 404 833 048",
        "fr83404833048",
        "BE0428759497",
        "BE 0428.759.497",
        "0428.759.497",
        "DE136695976",
        "NL004495445B01",
        "ESA28015865",
        "CHE-100.155.212",
        "CHE-107.787.577 IVA",
        "IT00743110157",
        "IE6433435F",
        "35600000000048",
    ],
)
def test_a_company_number_is_told(text: str) -> None:
    assert is_company_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111111111111111",
        "38012986646851",
        "0612345678",
        "185057800608491",
        "ES12345678Z",
        "Acme",
        "DE136695977",
        "X" * 99,
        "38012986646850, 380129866",
    ],
)
def test_what_is_none_is_told(text: str) -> None:
    assert not is_company_number(text)
