"""No pattern repeats a group possessively: Python before 3.11.5 loses its place in the text there.

See https://github.com/python/cpython/issues/106052. A greedy group in an atomic one, `(?>(?:…)*)`, says the same, and
every Python that the gateway runs on reads it rightly.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

import gateway

SINGLE: Final = frozenset({"ANY", "IN", "LITERAL", "NOT_LITERAL"})
"""What is one character, as the parser of patterns names it; repeated possessively it is read rightly."""


def compiled() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield all patterns that the gateway's modules hold, with their names."""
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if found.name != "gateway.__main__":
            importlib.import_module(found.name)
    for module in [name for name in sys.modules if name.startswith("gateway.")]:
        for name, value in vars(sys.modules[module]).items():
            if isinstance(value, re.Pattern):
                yield f"{module}.{name}", value


def possessive_groups(pattern: re.Pattern[Any]) -> int:
    """How many groups of a pattern are repeated possessively."""
    parser: Any = importlib.import_module("re._parser")
    return _count(parser.parse(pattern.pattern, pattern.flags))


def _count(parsed: Any) -> int:
    if str(type(parsed).__name__) == "SubPattern":
        return sum(_of_node(str(kind), argument) for kind, argument in parsed)
    return sum(map(_count, parsed)) if isinstance(parsed, (list, tuple)) else 0


def _of_node(kind: str, argument: Any) -> int:
    if kind != "POSSESSIVE_REPEAT":
        return _count(argument)
    body = argument[2]
    return _count(body) + (len(body) != 1 or str(body[0][0]) not in SINGLE)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (r"a++", 0), (r"[a-z]{2,3}+", 0), (r"\d*+.?+", 0), (r"(?>(?:ab)*)", 0),
        (r"(?:ab)*+", 1), (r"(?:ab|c){2,}+", 1), (r"(?:a(?:bc)?+)++", 2), (r"(?=x(?:ab)*+)|(?P<n>(?>(?:yz)++))", 2),
    ],
)  # fmt: skip
def test_a_possessive_group_is_seen_wherever_it_stands(text: str, count: int) -> None:
    assert possessive_groups(re.compile(text)) == count


def test_no_pattern_has_one() -> None:
    patterns = dict(compiled())
    assert len(patterns) > 150
    assert {name: count for name, pattern in patterns.items() if (count := possessive_groups(pattern))} == {}
