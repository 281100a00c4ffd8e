from __future__ import annotations

import pytest

from tests.style.names import Renamed, Word, faults, names_of, words

SOURCE = """
MOST = 3

class Depot:
    lots: int

    def __init__(self, courier: object) -> None:
        self._held = courier

def settle() -> None:
    held = 1
"""
ALL = frozenset("module class function attribute constant parameter".split())


def found(word: str, kinds: frozenset[str] = ALL, allowed: tuple[str, ...] = ()) -> list[str]:
    names = names_of("gateway/stock.py", SOURCE)
    return list(faults(names, [Word(word, kinds, "Other", allowed, "")], []))


@pytest.mark.parametrize(
    ("word", "line", "name"),
    [
        ("stock", 1, "module stock"),
        ("MOST", 2, "constant MOST"),
        ("Depot", 4, "class Depot"),
        ("lots", 5, "attribute Depot.lots"),
        ("courier", 7, "parameter Depot.__init__.courier"),
        ("held", 8, "attribute Depot._held"),
        ("settle", 10, "function settle"),
    ],
)
def test_a_word_is_found_wherever_it_is_a_name(word: str, line: int, name: str) -> None:
    assert found(word) == [f"gateway/stock.py:{line}: {name}: write Other"]


def test_a_word_counts_only_as_the_kinds_of_names_that_are_listed_and_where_it_is_not_allowed() -> None:
    assert found("courier", frozenset({"class"})) == []
    assert found("settle", ALL, ("gateway/st*.py",)) == []


@pytest.mark.parametrize(
    ("pair", "count"),
    [
        (Renamed("gateway/stock.py", "Depot.lots", "gateway/queues.py", "Depot.queues"), 1),
        (Renamed("gateway/lots.py", "Depot.lots", "gateway/stock.py", "gone"), 1),
        (Renamed("gateway/lots.py", "Depot.lots", "gateway/queues.py", "Depot.queues"), 0),
        (Renamed("gateway/stock.py", "Depot.crates", "gateway/stock.py", "Depot.batches"), 0),
        (Renamed("gateway/stock.py", "", "gateway/queues.py", ""), 1),
    ],
)
def test_a_name_that_was_replaced_does_not_come_back(pair: Renamed, count: int) -> None:
    assert len(list(faults(names_of("gateway/stock.py", SOURCE), [], [pair]))) == count


def test_a_word_that_is_allowed_somewhere_says_why() -> None:
    assert [word.word for word in words() if word.allowed and not word.reason] == []


def test_each_word_stands_once() -> None:
    every = [word.word for word in words()]
    assert sorted(set(every)) == sorted(every)
