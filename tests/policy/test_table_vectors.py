"""The table of where data may be, as language-neutral cases: loader and compiler agree with each."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.contracts.contract import Contract
from gateway.errors import BadPolicy
from gateway.model import Category
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.log_destinations import log_sources
from tests.policy.residency_documents import document
from tests.support.contracts import contract, proto

PATH: Final = Path(__file__).parents[1] / "vectors/rules/table.json"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a category may be: the regions, or any; what for, with all below it, or anything."""

    category: str
    regions: list[str] | str
    purpose: str | None
    promise: str


class Logs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a log may hold, where it stands, and what makes one of the destination that it feeds."""

    regions: list[str]
    categories: list[str]
    fed_by: list[str]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, as `tests/vectors/README.md` tells it."""

    rows: list[Row]
    only_destination: dict[str, str]
    without_personal_data: list[str]
    log: Logs
    tried_regions: list[str]
    tried_purposes: list[str]

    def may(self, row: Row, region: str, name: str, purpose: str) -> bool:
        """Whether the destination `name` may receive the category of `row`."""
        if row.category in self.without_personal_data:
            return True
        below = row.purpose is None or f"{purpose}.".startswith(f"{row.purpose}.")
        return region in row.regions and below and self.only_destination.get(region, name) == name


TABLE: Final = msgspec.json.decode(PATH.read_bytes(), type=Table)
FIELDS: Final = [category for category in Category if category not in (Category.UNSPECIFIED, Category.OPERATIONAL)]


def held() -> Contract:
    fields = (f"string {category.name.lower()} = {int(category)} @{category.name};" for category in FIELDS)
    return contract(
        proto(f"message All {{ {' '.join(fields)} string operational = 3 @{{category: OPERATIONAL, one_of: 'a'}}; }}")
    )


def arrives(text: str) -> list[str]:
    """The fields of a message with one of each category that a policy's one destination gets; none if none loads."""
    try:
        file = parse(text)
    except BadPolicy:
        return []
    (name,) = file.policy.destinations
    return [field.name.upper() for field in Compiler(held(), file).plan("t.All", name).messages[0].fields]


def test_there_is_a_row_for_each_category() -> None:
    assert [row.category for row in TABLE.rows] == [*dict.fromkeys(row.category for row in TABLE.rows)]
    assert {row.category for row in TABLE.rows} == set(Category.__members__)


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.category)
def test_a_category_arrives_where_the_table_says_and_nowhere_else(row: Row) -> None:
    for region, name, purpose in product(TABLE.tried_regions, ("crm", "other"), TABLE.tried_purposes):
        ceiling = row.category if region in row.regions else "OPERATIONAL"
        got = arrives(document(region, row.category, ceiling, name, purpose=purpose))
        assert got == ([row.category] if TABLE.may(row, region, name, purpose) else []), (region, name, purpose)


@pytest.mark.parametrize("source", ["recipient: log", *TABLE.log.fed_by])
def test_a_log_holds_what_the_table_says_where_it_says(source: str) -> None:
    by_name = source.startswith("recipient")
    flows, recipient = ("{}", "log") if by_name else (f"{{{source}: [kept]}}", "store")
    for region, row in product(TABLE.tried_regions, TABLE.rows):
        held_there = TABLE.may(row, region, "kept", "sales")
        text = document(region, row.category, row.category, "kept", recipient=recipient, flows=flows)
        fine = held_there and region in TABLE.log.regions and row.category in TABLE.log.categories
        if not fine:
            assert arrives(text) == [], (region, row.category)
            continue
        assert [*log_sources(parse(text).policy)] == ["kept"]
        assert arrives(text) == [row.category]
