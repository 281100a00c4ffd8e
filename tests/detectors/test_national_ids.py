"""National identifiers: those that their form tells are found however they are glued, others alone or after a label."""

from __future__ import annotations

import random
import re
import string
from datetime import UTC, datetime
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean
from stdnum.be import nn
from stdnum.cz import rc
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir as french
from stdnum.ie import pps
from stdnum.it import codicefiscale
from stdnum.pt import cc

from gateway.detectors import data
from gateway.detectors.check_digits import CHECKS
from gateway.detectors.detect import find, mask
from gateway.detectors.national_ids import Alone, Solid, Table
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.glued_values import GLUINGS, checked_by, nir, random_chars

VALUES = 2_000
TABLE = data.table("national_ids", Table)
ENTRIES: tuple[Solid | Alone, ...] = (*TABLE.solid, *TABLE.alone)
FORMS = {f"{entry.country} {entry.name}": entry for entry in ENTRIES}
LIBRARY: dict[str, ModuleType] = {
    "FR NIR": french,
    "CH AHV": ean,
    "IT codice_fiscale": codicefiscale,
    "BE national_number": nn,
    "ES DNI": dni,
    "ES NIE": nie,
    "IE PPS": pps,
    "FI HETU": hetu,
    "CZ birth_number": rc,
    "PT cartao_de_cidadao": cc,
}


def test_all_that_have_check_digits_are_compared() -> None:
    assert {name for name, entry in FORMS.items() if entry.check} == LIBRARY.keys()


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=50, deadline=None)
@given(draw=st.data())
def test_check_digits_are_as_the_library_has_them(name: str, draw: st.DataObject) -> None:
    entry = FORMS[name]
    form = re.compile(entry.form, re.ASCII)
    number = re.sub(r"[-. /:]", "", draw.draw(st.from_regex(form, fullmatch=True)))
    number = number[:6] + "-" + number[6:] if name == "FI HETU" and len(number) == 10 else number
    if name == "BE national_number":
        number = "20" + number[2:]  # what the library thinks of the years to come depends on the day
    ends = (
        [f"{end:02}" for end in range(100)]
        if name in ("FR NIR", "BE national_number")
        else string.digits + string.ascii_uppercase
    )
    for end in ends:
        other = number[: -len(end)] + end
        theirs = checked_by(LIBRARY[name], other)
        if theirs is not None and (form.fullmatch(other) or "national" in name):
            assert CHECKS[entry.check](other) == theirs, other


@pytest.mark.parametrize("gluing", GLUINGS)
def test_a_french_number_is_found_however_it_is_glued(gluing: str) -> None:
    chance = random.Random(gluing)
    values = [GLUINGS[gluing](chance, nir(chance)) for _ in range(VALUES)]
    assert sum(find(value, (Detector.NATIONAL_ID,)) is None for value in values) <= VALUES * 0.005


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("num secu 1 85 05 78 006 084 91", "num secu [ID]"),
        ("185057800608491", "[ID]"),
        ("tel185057800608491x", "tel[ID]x"),
        ("usr_185057800608491", "usr_[ID]"),
        ("1:85:05:78:006:084:91", "[ID]"),
        ("n° 1 85 05 2A 006 084 35, merci", "n° [ID], merci"),
        ("12 185057800608491 3", "12 [ID] 3"),
        ("sécurité sociale n° 1850578006084", "sécurité sociale n° [ID]"),
        ("my SSN is 123456789.", "my SSN is [ID]."),
        ("ssn=123-45-6789", "ssn=[ID]"),
        ("ssn_123456789", "ssn_[ID]"),
        ("123-45-6789", "[ID]"),
        ("123 45 6789", "[ID]"),
        ("AB123456C", "[ID]"),
        ("NI AB 12 34 56 C", "NI [ID]"),
        ("85.07.30-033.28", "[ID]"),
        ("NISS 85073003328", "NISS [ID]"),
        ("BSN: 123456782", "BSN: [ID]"),
        ("Steuer-ID 12 345 678 903", "Steuer-ID [ID]"),
        ("12345678Z", "[ID]"),
        ("dni 12.345.678-z", "dni [ID]"),
        ("X1234567L", "[ID]"),
        ("RSSMRA85T10A562S", "[ID]"),
        ("rssmra85t10a562s", "[ID]"),
        ("cf_RSSMRA85T10A562S", "cf_[ID]"),
        ("RSS MRA 85T10 A562S", "[ID]"),
        ("756.9217.0769.85", "[ID]"),
        ("ahv7569217076985", "ahv[ID]"),
        ("131052-308T", "[ID]"),
        ("710319/2745", "[ID]"),
        ("1234567T", "[ID]"),
        ("PPS 1234567TW", "PPS [ID]"),
        ("15 070649 C 103", "[ID]"),
        ("PESEL 44051401359", "PESEL [ID]"),
        ("passport no. X1234567", "passport no. [ID]"),
    ],
)
def test_an_identifier_is_found_and_masked_whole(text: str, masked: str) -> None:
    assert find(text, (Detector.NATIONAL_ID,)) is FieldReason.LOOKS_LIKE_NATIONAL_ID
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "185057800608492",  # wrong check digits
        "1732359330123",  # milliseconds
        "1732359330123456",
        "1732359330.12345",
        "12345678z",  # as of a short commit
        "1234567t",
        "ab123456c",
        "xAB123456C",
        "BG123456A",  # no such prefix
        "123-45-67890",
        "000-12-3456",
        "2026-11-29",
        "100-200-300",
        "the nirvana 12345678 of security 12345678",
        "1234567A",  # wrong check letter
        "85.07.30-033.29",
        "usr_8f3kq2",
    ],
)
def test_what_is_no_identifier_is_left_alone(text: str) -> None:
    assert find(text, (Detector.NATIONAL_ID,)) is None


@pytest.mark.parametrize("digits", [0, 3, 6, 9])
def test_times_are_no_identifiers(digits: int) -> None:
    chance = random.Random(digits)
    for _ in range(4_000):
        second = datetime(2015, 1, 1, tzinfo=UTC).timestamp() + chance.random() * 20 * 365 * 86_400
        assert find(str(int(second * 10**digits)), (Detector.NATIONAL_ID,)) is None


GOOD = {
    "pod": lambda chance: (
        f"editor-{random_chars(chance, 10, '2456789bcdfghjklmnpqrstvwxz')}-{random_chars(chance, 5, '2456789bcdfghjklmnpqrstvwxz')}"
    ),
    "span ID": lambda chance: random_chars(chance, 16, "0123456789abcdef"),
    "short commit": lambda chance: random_chars(chance, chance.randint(7, 12), "0123456789abcdef"),
    "commit": lambda chance: random_chars(chance, 40, "0123456789abcdef"),
    "order": lambda chance: f"ord_{random_chars(chance, 10, string.digits)}",
    "ULID": lambda chance: f"01J{random_chars(chance, 23, '0123456789ABCDEFGHJKMNPQRSTVWXYZ')}",
    "nanoid": lambda chance: random_chars(chance, 21, string.ascii_letters + string.digits + "_-"),
    "version": lambda chance: ".".join(str(chance.randint(0, 300)) for _ in range(4)),
    "repository": lambda chance: (
        f"{random_chars(chance, 12, string.digits)}.dkr.ecr.eu-west-3.amazonaws.com/kannelle/video-exporter"
    ),
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_machines_write_is_no_identifier(kind: str) -> None:
    chance = random.Random(kind)
    values = [GOOD[kind](chance) for _ in range(4_000)]
    assert [value for value in values if find(value, (Detector.NATIONAL_ID,))] == []
