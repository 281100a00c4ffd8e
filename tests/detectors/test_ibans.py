"""IBANs: those of all countries are found however they are glued; identifiers that look like none are left alone."""

from __future__ import annotations

import random
import string

import pytest
from schwifty import IBAN

from gateway.detectors.decode import Decoding
from gateway.detectors.detect import find, mask
from gateway.detectors.ibans import ibans
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.glued_values import GLUINGS, iban

VALUES = 2_000
UUID_ALPHABET = string.digits + "abcdef"
ALPHABETS = {
    "KSUID": (27, string.digits + string.ascii_letters),
    "ULID": (26, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
    "nanoid": (21, string.digits + string.ascii_letters + "_-"),
    "cuid": (24, string.digits + string.ascii_lowercase),
    "base64": (43, string.digits + string.ascii_letters + "+/"),
    "base64url": (22, string.digits + string.ascii_letters + "-_"),
    "ObjectId": (24, UUID_ALPHABET),
}


def found(text: str) -> bool:
    return any(ibans(Decoding(text, (), loose=False)))


@pytest.mark.parametrize("gluing", GLUINGS)
def test_an_iban_of_any_country_is_found_however_it_is_glued(gluing: str) -> None:
    chance = random.Random(gluing)
    values = [GLUINGS[gluing](chance, iban(chance)) for _ in range(VALUES)]
    assert sum(not found(value) for value in values) <= VALUES * 0.005


def test_generated_ibans_are_valid_to_the_library() -> None:
    chance = random.Random(1)
    for _ in range(500):
        assert IBAN(iban(chance), validate_bban=False).is_valid


@pytest.mark.parametrize("name", ALPHABETS)
def test_an_identifier_is_no_iban(name: str) -> None:
    length, alphabet = ALPHABETS[name]
    chance = random.Random(name)
    assert not [value for _ in range(20_000) if found(value := "".join(chance.choices(alphabet, k=length)))]


def test_a_pod_name_is_no_iban() -> None:
    chance, alphabet = random.Random(2), "bcdfghjklmnpqrstvwxz2456789"
    for _ in range(20_000):
        ends = "-".join("".join(chance.choices(alphabet, k=size)) for size in (10, 5))
        assert not found(f"{chance.choice(('editor', 'euro-24', 'pro-10-mail', 'video-exporter-de'))}-{ends}")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ibanFR7630006000011234567890189", "iban[IBAN]"),
        ("xyzFR7630006000011234567890189abc", "xyz[IBAN]abc"),
        ("FR76/3000/6000/0112/3456/7890/189", "[IBAN]"),
        ("FR76:3000:6000_0112-3456.7890 189", "[IBAN]"),
        ("F R 7 6 3000 6000 0112 3456 7890 189", "[IBAN]"),
        ("fr76 30006 00001 12345678901 89", "[IBAN]"),
        ("(FR76) 3000 - 6000 - 0112 - 3456 - 7890 - 189", "([IBAN]"),
        ("MA64011519000001205000534921", "[IBAN]"),
        ("ma64 011 519 0000012050005349 21", "[IBAN]"),
        ("CI93CI0080111301134291200589", "[IBAN]"),
        ("SN08SN0100152000048500003035", "[IBAN]"),
        ("DZ580002100001113000000570", "[IBAN]"),
        ("CM2110002000300277976315008", "[IBAN]"),
        ("AO06004400006729503010102", "[IBAN]"),
        ("MZ59000301080016367102371", "[IBAN]"),
        ("Romania ro49 aaaa 1b31 0075 9384 0000", "Romania [IBAN]"),
        ("https://bank.example/accounts/de89370400440532013000/balance", "https://bank.example/accounts/[IBAN]/balance"),
    ],
)  # fmt: skip
def test_an_iban_is_masked_whole(text: str, masked: str) -> None:
    assert find(text, (Detector.IBAN,)) is FieldReason.LOOKS_LIKE_IBAN
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "FR7630006000011234567890188",  # wrong check digits
        "FR76 3000 6000 0112 3456 7890    189",  # too far apart
        "FR76,3000,6000,0112,3456,7890,189",
        "XX7630006000011234567890189",  # no such country
        "FR7630006000011234567890",  # too short
    ],
)
def test_what_is_no_iban_is_left_alone(text: str) -> None:
    assert find(text, (Detector.IBAN,)) is None


def test_sentences_are_no_ibans() -> None:
    words = (
        "the price of a video editor for the team was never told to us by people who make films and sell them".split()
    )
    chance = random.Random(3)
    sentences = [
        f"euro {number} {' '.join(chance.choices(words, k=9))}" for number in range(10, 100) for _ in range(100)
    ]
    assert not [text for text in sentences if found(text)]
