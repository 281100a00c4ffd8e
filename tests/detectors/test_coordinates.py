"""Coordinates: found whatever is between latitude and longitude and touches them.

Prices, versions, shares and times stay.
"""

from __future__ import annotations

from random import Random

import pytest

from gateway.detectors.detect import find
from gateway.errors import FieldReason
from gateway.model import Detector
from tests.detectors.labels import with_labels

SOUGHT = (Detector.COORDINATES, Detector.IP)

PLACES = [
    ("48.8566_2.3522", "[COORDINATES]"),
    ("48.8566-2.3522", "[COORDINATES]"),
    ("48.8566--2.3522", "[COORDINATES]"),
    ("-48.8566/-2.3522", "[COORDINATES]"),
    ("48.8566:2.3522", "[COORDINATES]"),
    ("48.8566,2.3522", "[COORDINATES]"),
    ("48.8566;2.3522", "[COORDINATES]"),
    ("48.8566 2.3522", "[COORDINATES]"),
    ("48.8566+2.3522", "[COORDINATES]"),
    ("48.85/2.35", "[COORDINATES]"),
    ("48.85_2.35", "[COORDINATES]"),
    ("48.85:-122.35", "[COORDINATES]"),
    ("48.850-2.3522", "[COORDINATES]"),
    ("at48.8566_2.3522now", "at[COORDINATES]now"),
    ("lat48.8566lon2.3522", "lat[COORDINATES]"),
    ("lat48.85lon2.35", "lat[COORDINATES]"),
    ("xlat_48.8566/lon_2.3522y", "xlat_[COORDINATES]y"),
    ("48.8566N_2.3522E", "[COORDINATES]"),
    ("x48.8566n2.3522ey", "x[COORDINATES]y"),
    ("48,8566_2,3522", "[COORDINATES]"),
    ("7,48.8566,2.3522", "7,[COORDINATES]"),
    ("seen 12.50 48.85/2.35 there", "seen 12.50 [COORDINATES] there"),
    ("x+48.8577+002.2950", "x[COORDINATES]"),
    ("ll=48.8,2.3", "[COORDINATES]"),
    ("geo:48,2", "[COORDINATES]"),
]
CLEAN = """
1.25.3_1.30.2 12.50,99.90 0.25-0.75 0.25/0.75 0.1234_0.5678 16.9/9.0 2.36-9+deb12u4 3.12_3.13 1.25_1.30 3.12/3.13 1.5_2.5 1.25-2.50
1732359330.123456-1732359331.123456 0.52/0.58/0.59 1.25/2.50/3.75 1.25:2.50:3.75 200.25/300.75 95.1234_120.5678 12.345-13.456 48.8566
12.3456ms,45.6789ms 1.1234x1.2345 v1.2.3-4.5.6 10.15.30_20.15.30
""".split()


@pytest.mark.parametrize(("text", "masked"), PLACES)
def test_a_place_is_found_however_it_is_written(text: str, masked: str) -> None:
    assert find(text, (Detector.COORDINATES,)) is FieldReason.LOOKS_LIKE_COORDINATES
    assert with_labels(text, (Detector.COORDINATES,)) == masked


@pytest.mark.parametrize("text", [*CLEAN, "12.50, 99.90", "p50 12.3456ms p99 45.6789ms", "loss 0.1234, 0.4567"])
def test_prices_versions_shares_and_times_are_no_place(text: str) -> None:
    assert find(text, SOUGHT) is None


def place(random: Random, least: int, most: int) -> tuple[str, str]:
    return (
        f"{random.uniform(-90, 90):.{random.randint(least, most)}f}",
        f"{random.uniform(-180, 180):.{random.randint(least, most)}f}",
    )


def letters(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=random.randint(0, 8)))


@pytest.mark.parametrize(
    ("between", "least"),
    [(between, 4) for between in (*"_/-:,; +", ", ", "--", "lon", "LNG", "longitude", "_lon_", "&lng=")]
    + [(between, 2) for between in ("_", "/", ":", "lon", "_lng_")],
)
def test_nearly_all_places_are_found_with_each_gap(between: str, least: int) -> None:
    random = Random(f"{between} {least}")
    tokens = []
    for _ in range(2000):
        one, other = place(random, least, 6 if least == 4 else 3)
        tokens.append(
            letters(random)
            + one
            + (between if between != "+" or not other.startswith("-") else "")
            + other
            + letters(random)
        )
    missed = [token for token in tokens if find(token, (Detector.COORDINATES,)) is None]
    assert len(missed) <= len(tokens) / 200, missed[:20]
