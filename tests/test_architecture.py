"""The page on architecture names files and functions that there are, and that run on the walks it describes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.style.names import names_of
from tests.support.walk import trace
from tests.support.walks import WALKS

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
WALK_OF: Final = {
    "An event on its way to a vendor": "event to vendor",
    "A log record on its way to a collector": "log record to collector",
    "A call to another service, and its answer": "proxied call",
    "A policy on its way from its file into force": "policy to plan",
}
SECTIONS: Final = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def references(text: str) -> set[tuple[str, str]]:
    """Files that a text names, each with a function or class, or with nothing."""
    return set(re.findall(r"`([\w/]+\.py)(?:::([\w.]+))?`", text))


@cache
def names(file: str) -> frozenset[str]:
    module = f"gateway/{file}"
    return frozenset(name.qualified for name in names_of(module, (ROOT / module).read_text(encoding="utf-8")))


def test_each_file_and_function_that_the_page_names_exists() -> None:
    named = {(file, name) for file, name in references(PAGE) if not file.startswith("tests/") and file != "file.py"}
    assert {file for file, _ in named if not (ROOT / "gateway" / file).is_file()} == set()
    assert {f"{file}::{name}" for file, name in named if name and name not in names(file)} == set()


def test_each_room_of_the_picture_is_a_file_or_a_folder() -> None:
    picture = SECTIONS["Rooms"].partition("```mermaid")[2].partition("```")[0]
    rooms = re.findall(r'\["([\w./]+)<br/>', picture)
    assert len(rooms) > 10
    assert [room for room in rooms if not (ROOT / "gateway" / room).exists()] == []


def test_each_walk_is_a_section_of_the_page() -> None:
    assert sorted(WALK_OF.values()) == sorted(WALKS)
    assert WALK_OF.keys() <= SECTIONS.keys()


@pytest.mark.parametrize("section", WALK_OF)
def test_what_the_page_names_runs_on_its_walk(section: str, tmp_path: Path) -> None:
    walk = trace(WALK_OF[section], tmp_path)
    called = "\n".join((*walk.functions, *walk.closures))
    named = {(file, name) for file, name in references(SECTIONS[section]) if name}
    assert named
    assert [f"{file}::{name}" for file, name in sorted(named) if f"gateway/{file}::{name}" not in called] == []
