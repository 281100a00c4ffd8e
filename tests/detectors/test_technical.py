"""What is surely technical is blanked, and nothing that is somebody's is blanked with it."""

from __future__ import annotations

import random
import re
import string
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors import technical
from tests.detectors.labels import is_technical, without_technical

COUNT = 4000
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

WHOLE = """
123e4567-e89b-12d3-a456-426614174000 00000000-0000-4000-8000-00000000000a 3E11FA47-71CA-11E1-9E33-C80AA9429562
3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5:11-18 3e11fa47-71ca-11e1-9e33-c80aa9429562:1-612345678
d670460b4b4aece5915caf5c68d12f560a9fe3e4 D670460B4B4AECE5915CAF5C68D12F560A9FE3E4 9f86d081884c7d659a2feaa0c55ad015 5f7c8ec7c33c6c004bbafe82
4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7 3f4e8a1b9c2d 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 01ARZ3NDEKTSV4RRFFQ69G5FAV 01h455vb4pex5vsknk084sn02q
2026-11-23 2026/11/23 23.11.2026 11/23/2026 2026-11-23T10:15 2026-11-23T10:15:30Z 2026-11-23T10:15:30.061234567+01:00 2026-11-23_10-15-30
2026-11-23T10-15-30Z 20261123101530 20261123101530123 20261123T101530Z 20261123-101530 20261123T101530.123+0100
10:15:30 10:15:30.061234567 T10:15:30Z 10:15:30,123 10:15:30+01:00 01:02:03:04 01:02:03;29 23/Nov/2026:10:15:30
vp09.00.51.08.01.01.01.01.00 vp09.02.10.10 av01.0.04M.10.0.112.09.16.09.0 av01.0.15M.10
""".split()


@pytest.mark.parametrize(
    "token",
    [*WHOLE, "2026-11-23 10:15:30,123", "23/Nov/2026:10:15:30 +0100", "23 Nov 2026 10:15:30", "Nov  3 10:15:30"],
)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("usr_", ""), ("sha256:", ","), ("auth0|", " "), ("(", ")"), ("é", "é")]
)
def test_what_is_technical_is_blanked(token: str, before: str, after: str) -> None:
    assert is_technical(token)
    if before != "sha256:" or ":" not in token:
        assert without_technical(before + token + after) == before + "~" * len(token) + after


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("v1.2.3-0.20191109021931-daa7c04131f5", "v1.2.3-0.~"),
        ("v1.2.3-rc.1.0.20191109021931-000000000000", "v1.2.3-rc.1.0.~"),
        ("kannelle-2026-11-23-4.log", "kannelle-~-4.log"),
        ("x2026-11-23T10:15:30Zy", "x~y"),
        ("1.0.0-alpha+20261123101530", "1.0.0-alpha+~"),
        ("2026-11-23T10:15:30Z/2026-11-24T00:00:00Z", "~/~"),
        ("2026-11-23 10:15:30 200 12ms", "~ 200 12ms"),
        ("vpc/i-0123456789abcdef0", "vpc/i-~"),
        ("attached_subnet-0a1b2c3d4e5f60718", "attached_subnet-~"),
        ("range: bytes=40651-55890", "range: ~"),
        ("bytes 40651-55890/120000", "~"),
        ("{123e4567-e89b-12d3-a456-426614174000}/0612345678", "{~}/0612345678"),
        ("image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "image@sha256:~"),
    ],
)
def test_what_stands_around_stays(text: str, left: str) -> None:
    found = without_technical(text)
    assert len(found) == len(text)
    assert re.sub("~+", "~", found) == left


OTHER = """
0612345678 tel0612345678 abc4111111111111111def 06:12:34:56:78 06:12:34-56-78 06:12:34.56.78 4111-1111-1111-1111
FR7630006000011234567890189 be68539007547034 ae070331234567890123456 a0612345678bcdef abcdef0612345678 203-0-113-77 48.8566,2.3522
185057800608491 12345678-1234-1234-1234-123456789012 0142345678ABCDEFGHJKMNPQRS 01ABCDEFGH0612345678JKMNPQ x10:15:30 10:15:30:
i-33612345678abcdef sg-a3361234567890bcd wi-0123456789abcdef0 bytes=0612-345678 bytes=40651-55890-1 xbytes=40651-55890
+45 12:34:56:78 2001:db8::12:34:56 10:15:30.0612345678 612345678123456 20261323101530 2026-13-01 2026-11-2345 d670460B4b4aece5
123e4567-e89b-12d3-a456-426614174000x 123e4567-e89b-12d3-a456-426614174000:0612345678 deadbeefdeadbeefdeadbeef
""".split()


@pytest.mark.parametrize("text", [*OTHER, "06:12:34 56:78:90", "06:12:34 56 78", "06 12:34:56 78", "+33 6:12:34:56:78"])
def test_what_could_be_somebodys_is_not_blanked(text: str) -> None:
    assert not is_technical(text)
    assert "~" not in without_technical(text).removeprefix("~" * 36)


def _digits(chance: random.Random, count: int) -> str:
    return "".join(chance.choices(string.digits, k=count))


def _phone(chance: random.Random) -> str:
    prefix, count = chance.choice(
        [
            ("0", 9),
            ("+33", 9),
            ("0033", 9),
            ("0", 8),
            ("0", 10),
            ("+49", 9),
            ("0049", 10),
            ("2", 9),
            ("+1", 10),
            ("+353", 9),
            ("04", 8),
            ("6", 8),
        ]
    )
    return prefix + _digits(chance, count)


def _card(chance: random.Random) -> str:
    prefix = chance.choice(["4", "51", "37", "36", "6011", "62", "2221", "5018", "2200"])
    return prefix + _digits(chance, chance.choice([13, 15, 16, 16, 19]) - len(prefix))


def _iban(chance: random.Random) -> str:
    country, size = chance.choice(
        [("FR", 25), ("DE", 20), ("BE", 14), ("AE", 21), ("AD", 22), ("BA", 18), ("EE", 18), ("NO", 13), ("LU", 18)]
    )
    lettered, rest = chance.choice([("GB", 14), ("IE", 14), ("NL", 10), ("MT", 25)]), _digits(chance, size)
    bank = (
        lettered[0]
        + _digits(chance, 2)
        + "".join(chance.choices(string.ascii_uppercase, k=4))
        + _digits(chance, lettered[1])
    )
    iban = chance.choice([country + rest, country + rest, bank])
    return chance.choice([iban, iban.lower()])


def _national_id(chance: random.Random) -> str:
    return f"{chance.choice('12')}{_digits(chance, 2)}{chance.randrange(1, 13):02}{_digits(chance, 10)}"


def _address(chance: random.Random) -> str:
    return ".".join(str(chance.randrange(256)) for _ in range(4))


def _parts(value: str, chance: random.Random) -> list[str]:
    if "." in value:
        return value.split(".")
    size, cuts = chance.choice([0, 2, 3, 4, 5]), [0]
    while cuts[-1] < len(value):
        cuts.append(cuts[-1] + (size or chance.randrange(1, 6)))
    return [value[start:end] for start, end in pairwise(cuts)]


def _separated(value: str, chance: random.Random) -> str:
    separators = chance.choice(["", ":", "/", "_", "-", ".", " ", ":/_-. ", ":/_-"])
    if not separators:
        return value
    first, *rest = _parts(value, chance)
    return first + "".join(chance.choice(separators) + part for part in rest)


def _glue(chance: random.Random) -> str:
    letters = chance.choice([string.ascii_lowercase, string.ascii_letters, "abcdef", "ABCDEF", CROCKFORD[10:]])
    return "".join(chance.choices(letters, k=chance.randrange(9)))


@pytest.mark.parametrize(
    "make", [_phone, _card, _iban, _national_id, _address], ids=lambda make: make.__name__.strip("_")
)
def test_no_number_of_anybody_is_blanked_however_it_is_glued(make: Callable[[random.Random], str]) -> None:
    chance, blank = random.Random(20), []
    for _ in range(COUNT * 2):
        before, value, after = _glue(chance), _separated(make(chance), chance), _glue(chance)
        around = (before + chance.choice(["", "", *"._:/- "]), chance.choice(["", "", *"._:/- "]) + after)
        text = value.join(around)
        if "~" in without_technical(text)[len(around[0]) : len(around[0]) + len(value)]:
            blank.append(text)
    assert len(blank) <= COUNT * 2 // 1000, blank


def _hexadecimal(size: int) -> Callable[[random.Random], str]:
    return lambda chance: f"{chance.getrandbits(4 * size):0{size}x}"


RANDOM: dict[str, tuple[Callable[[random.Random], str], float]] = {
    "object ID": (_hexadecimal(24), 0.003),
    "trace ID": (_hexadecimal(32), 0.001),
    "SHA-1": (_hexadecimal(40), 0.001),
    "SHA-224": (_hexadecimal(56), 0.0),
    "SHA-256": (_hexadecimal(64), 0.0),
    "SHA-512": (_hexadecimal(128), 0.0),
    "UUID": (lambda chance: str(uuid.UUID(int=chance.getrandbits(128), version=4)), 0.0),
    "ULID": (lambda chance: "01" + "".join(chance.choices(CROCKFORD, k=24)), 0.01),
    "moment": (lambda chance: datetime.fromtimestamp(chance.randrange(1 << 31), UTC).strftime("%Y%m%d%H%M%S"), 0.0),
    "date and time": (lambda chance: datetime.fromtimestamp(chance.random() * (1 << 31), UTC).isoformat(), 0.0),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_what_is_random_is_nearly_always_told(kind: str) -> None:
    """What isn't is mostly letters or has its digits at one end: it need not hold a number."""
    (make, share), chance = RANDOM[kind], random.Random(7)
    missed = [token for token in (make(chance) for _ in range(COUNT)) if not is_technical(token)]
    assert len(missed) <= share * COUNT, missed


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*WHOLE, "-", ":", " ", "0", "a", "T", "é", "_"]) | st.text("0aF-:. ", max_size=12), max_size=5
    ).map("".join)
)
def test_the_hint_is_there_wherever_a_shape_is(text: str) -> None:
    found = technical._SHAPES.search(text)
    assert found is None or not technical._is_sure(found) or technical._HINT.search(text)
    assert len(without_technical(text)) == len(text)
