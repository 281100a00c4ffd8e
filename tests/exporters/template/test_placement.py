"""What a vendor expands is what the template says, whichever values are put into it, if any."""

from __future__ import annotations

import re
from itertools import product
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.exporters.template.markup import ESCAPES, Markup
from gateway.exporters.template.placeholders import TemplatePart
from gateway.exporters.template.placement import placeholder_markups

PIECES: Final = st.sampled_from(("{", "}", "%", "{{", "}}", "{%", "%}", "ticket.id", " ", "\ue000", ("a",), ("b",)))
VALUES: Final = ("", "x", "{", "}}", "%", "{{ticket.id}}", "%}{%")
EXPANDED: Final = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}|\{\{.*|\{%.*", re.DOTALL)


def filled(parts: list[TemplatePart], values: dict[str, str]) -> str:
    return "".join(part if isinstance(part, str) else values[part[0]] for part in parts)


def accepted(parts: list[TemplatePart]) -> bool:
    try:
        return placeholder_markups(parts, Markup.LIQUID) is not None
    except ValueError:
        return False


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=9))
@example(["{", ("a",), "{", "ticket.id", "}}"])
@example(["{{", ("a",), "}}"])
def test_what_is_expanded_does_not_depend_on_values(parts: list[TemplatePart]) -> None:
    if not accepted(parts):
        return
    escape = ESCAPES[Markup.LIQUID]
    found = {
        tuple(EXPANDED.findall(filled(parts, {"a": escape(a), "b": escape(b)}))) for a, b in product(VALUES, VALUES)
    }
    assert len(found) == 1


@pytest.mark.parametrize("markup", Markup)
def test_a_text_without_a_placeholder_has_no_places(markup: Markup) -> None:
    assert placeholder_markups(["{{ticket.id}} {%"], markup) == ()


@pytest.mark.parametrize("markup", [markup for markup in Markup if markup is not Markup.NONE])
def test_each_placeholder_has_its_markup(markup: Markup) -> None:
    assert placeholder_markups([("a",), " {{b}} ", ("c",)], markup) == (markup, markup)
