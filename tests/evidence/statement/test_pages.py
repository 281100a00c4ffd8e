"""The statement as pages: what is in them, and that nothing in a text is read as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

import msgspec
import pytest

from gateway.evidence.statement.html import html_page
from gateway.evidence.statement.listed import ListedForm
from gateway.evidence.statement.markdown import markdown_page
from gateway.evidence.statement.promises import LIMITS
from gateway.evidence.statement.table import CheckedPlace, CheckedRule, Line, Statement
from gateway.model import Detector

HOSTILE: Final = "<script>alert('a & b')</script> | `x` **bold** [link](http://evil.example)\n# title"
FAILED: Final = CheckedPlace(False, HOSTILE, HOSTILE, "policy.yaml:7: destinations.crm.allow.NAME")
PASSED: Final = CheckedPlace(True, "a name to crm", "stripped", "policy.yaml:3: destinations.crm")


def statement(*checks: CheckedPlace) -> Statement:
    passed = all(one.passed for one in checks)
    rule = CheckedRule("sales-categories", HOSTILE, passed, checks)
    line = Line("sales", HOSTILE, passed, (rule,))
    forms = (ListedForm(("otlp", "attributes", "a"), HOSTILE, HOSTILE, (Detector.PHONE,)),)
    return Statement(HOSTILE, HOSTILE, passed, (line,), forms, LIMITS)


class Tags(HTMLParser):
    """Collects the elements of a page, and what its cells hold."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not {"src", "href", "onclick", "onload"}.intersection(name for name, _ in attrs)
        if tag == "td":
            self.cells.append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def test_a_page_in_html_escapes_every_text_and_needs_no_other_file() -> None:
    page = html_page(statement(FAILED, PASSED))
    read = Tags()
    read.feed(page)
    assert read.tags == set("html head meta title style body h1 h2 p table thead tr th tbody td".split())
    assert HOSTILE in read.cells
    assert FAILED.place in read.cells
    assert not re.search(r"<script|@import|url\(", page)
    assert "default-src &#x27;none&#x27;" in page


def test_a_page_in_markdown_has_its_tables_whatever_the_texts_are() -> None:
    lines = markdown_page(statement(FAILED, PASSED)).splitlines()
    assert [line for line in lines if line.startswith("#")] == [
        "# The privacy statement, promise by promise",
        "## What failed",
        "## Promises",
        "## Identifiers and exemptions",
        "## Not enforced here",
    ]
    head = 0
    for line in lines:
        cells = len(re.findall(r"(?<!\\)\|", line))
        assert cells == (head or cells) if line.startswith("|") else cells == 0
        head = cells
    assert not re.search(r"(?<!\\)[<`\[]", "\n".join(lines))


@pytest.mark.parametrize(("checks", "title"), [((FAILED,), True), ((PASSED,), False), ((), False)])
def test_what_failed_comes_first_if_anything_did(checks: tuple[CheckedPlace, ...], title: bool) -> None:
    assert ("## What failed" in markdown_page(statement(*checks))) is title
    assert ("<h2>What failed</h2>" in html_page(statement(*checks))) is title


def test_the_json_has_every_check_by_names_that_stay() -> None:
    held = msgspec.json.decode(msgspec.json.encode(statement(FAILED, PASSED)))
    assert [*held] == ["controller", "policy", "passed", "promises", "listed", "not_enforced"]
    (line,) = held["promises"]
    assert [*line] == ["id", "sentence", "passed", "rules"]
    (rule,) = line["rules"]
    assert [*rule] == ["rule", "text", "passed", "checks"]
    assert rule["checks"][1] == {
        "passed": True,
        "tried": "a name to crm",
        "outcome": "stripped",
        "place": "policy.yaml:3: destinations.crm",
    }
    assert held["listed"][0]["without"] == ["phone"]
    assert held["not_enforced"][0].keys() == {"what", "who"}
