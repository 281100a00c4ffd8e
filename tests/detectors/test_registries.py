"""What the detectors know is what the libraries say that keep such registries."""

from __future__ import annotations

import pytest

from gateway.detectors import data
from tests.detectors.registries import FOLDER, REGISTRIES, differences, rendered, stored


@pytest.mark.parametrize("name", REGISTRIES)
def test_files_and_libraries_agree(name: str) -> None:
    content = REGISTRIES[name]()
    assert list(differences(stored(name), content)) == []
    assert (FOLDER / name).read_text() == rendered(name, content)


def test_the_version_is_a_day() -> None:
    assert (FOLDER / "version.txt").read_text() == f"{data.VERSION}\n"
    assert len(data.VERSION) == len("2026-11-29")


def test_differences_are_named_by_kind() -> None:
    old = {"AD": "a", "AE": "b", "AL": "c"}
    assert list(differences(old, {"AE": "x", "AL": "c", "MA": "d"})) == [
        "  added 1: MA",
        "  removed 1: AD",
        "  changed 1: AE",
    ]


def test_of_many_differences_some_are_named() -> None:
    assert next(iter(differences([], [f"{number:02}" for number in range(30)]))).endswith('"19" and 10 more')
