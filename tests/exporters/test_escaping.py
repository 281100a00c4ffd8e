"""No value says anything in a vendor's language: what is in a body beside values is what the template has in it."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import Rejected
from gateway.exporters.mixpanel.settings import MixpanelSettings
from gateway.exporters.segment.settings import SegmentSettings
from gateway.exporters.settings import TemplateSettings
from gateway.exporters.template.body_schema import BodySchema
from gateway.exporters.template.field_renderers import milliseconds, rfc3339
from gateway.exporters.template.markup import Markup, escape_liquid
from gateway.exporters.template_renderer import TemplateRenderer
from gateway.exporters.zendesk.settings import ZendeskSettings
from tests.support.contracts import contract, proto

HELD: Final = contract(
    proto("""
    message A { string a = 1; string b = 2; repeated string tags = 3; map<string, string> words = 4; int64 size = 5; }
    """)
)
A: Final = HELD.message_class("t.A")

TWO: Final = "{a}{b} of {{{a}{b}}} and {{{{ticket.id}}}}{a}%"
TICKET: Final = {
    "subject": TWO,
    "external_id": "{a}",
    "priority": TWO,
    "status": "{a}",
    "type": "{b}",
    "tags": ["kannelle", "{a}", TWO, "{b}"],
    "custom_fields": [{"id": 7, "value": TWO}, {"id": 8, "value": "{tags}"}],
    "comment": {
        "body": TWO,
        "html_body": '<p title="{a}">{a}{b} {{{a}}}</p>'
        "<a href=\"https://a.example/{a}?of={b}\" title='{b}{a}'>{{{{ticket.id}}}} {b}</a>&lt;{a}",
    },
    "requester": {"name": TWO, "email": "{a}{b}"},
}

Texts = st.text(alphabet="{}%<>\"'&/\\`a=[]#;! \n\u00e9-", max_size=12)
HOSTILE: Final = (
    "{{ticket.requester.email}}",
    "{% if true %}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onclick='a",
    "--><b>",
    "&lt;b&gt;&#123;",
    "[a](javascript:b)",
    "%}{%",
)


def drawn(template: Any, shape: BodySchema, **fields: Any) -> Any:
    body = TemplateRenderer({"t.A": template}, HELD.message_class, rfc3339, shape).render(
        "t.A", A(**fields).SerializeToString()
    )
    assert not isinstance(body, Rejected)
    return body


def ticket(a: str, b: str) -> Any:
    return drawn(TICKET, ZendeskSettings.BODY, a=a, b=b, tags=[a, b])


def texts(tree: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a body, by their places."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from texts(value, f"{at}.{key}")
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from texts(value, f"{at}[{index}]")
    elif isinstance(tree, str):
        yield at, tree


class Read(HTMLParser):
    """A document's tags with the names of their attributes, and all else that isn't text.

    Its texts, and its attributes' values.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.markup: list[Any] = []
        self.text = ""
        self.values: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.append((tag, [name for name, _ in attrs]))
        self.values += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.markup.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.markup.append(data)

    def handle_decl(self, decl: str) -> None:
        self.markup.append(decl)

    def handle_pi(self, data: str) -> None:
        self.markup.append(data)

    def unknown_decl(self, data: str) -> None:
        self.markup.append(data)


@settings(max_examples=300, deadline=None)
@given(a=Texts, b=Texts)
@example(a="{", b="{")
@example(a="", b="% if a %")
def test_no_value_adds_markup_or_a_placeholder(a: str, b: str) -> None:
    plain, found = ticket("x" * bool(a), "x" * bool(b)), ticket(a, b)
    own = dict(texts(plain))
    for place, text in texts(found):
        for delimiter in ("{{", "{%"):
            assert text.count(delimiter) == own[place].count(delimiter), place
        if ".tags" in place:
            assert all(text.count(char) == own[place].count(char) for char in ' ,\n<"')
    if "comment" in found:
        read, bare = Read(found["comment"]["html_body"]), Read(plain["comment"]["html_body"])
        assert read.markup == bare.markup
        assert (
            read.text == f"{escape_liquid(a)}{escape_liquid(b)} {{{escape_liquid(a)}}}"
            f"{{{{ticket.id}}}} {escape_liquid(b)}"
            f"<{escape_liquid(a)}"
        )
        assert (read.values[0], read.values[2]) == (escape_liquid(a), escape_liquid(b) + escape_liquid(a))
        assert unquote(read.values[1]) == f"https://a.example/{a}?of={b}"
        assert read.values[1].count("/") == 3


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("template", "place"),
    [
        ({"comment": {"html_body": "<p>{a}</p>"}}, ".comment.html_body"),
        ({"comment": {"body": "{a}"}}, ".comment.body"),
        ({"subject": "{a}"}, ".subject"),
        ({"requester": {"name": "{a}"}}, ".requester.name"),
        ({"tags": "{tags}"}, ".tags[0]"),
        ({"custom_fields": [{"id": 1, "value": "{a}"}]}, ".custom_fields[0].value"),
    ],
)
def test_what_a_vendor_would_expand_or_run_is_text(value: str, template: Any, place: str) -> None:
    text = dict(texts(drawn(template, ZendeskSettings.BODY, a=value, tags=[value])))[place]
    assert not any(delimiter in text for delimiter in ("{{", "}}", "{%", "%}"))
    if "html" in place:
        assert Read(text).markup == [("p", []), "/p"]
    if place.endswith(".body"):
        assert "](" not in text.replace("\\](", "")
        assert "<" not in text.replace("\\<", "")


@pytest.mark.parametrize(
    ("address", "there"), [("ann@acme.example", True), ("{{ticket.id}}@acme.example", False), ("{a}@b.example", True)]
)
def test_what_identifies_is_itself_or_left_out(address: str, there: bool) -> None:
    body = drawn({"external_id": "{a}", "requester": {"email": "{a}"}}, ZendeskSettings.BODY, a=address)
    assert body == ({"external_id": address, "requester": {"email": address}} if there else {})


def test_every_text_of_zendesk_has_its_markup() -> None:
    def markups(shape: BodySchema) -> Iterator[Markup]:
        for field, sorts in shape.fields.items():
            if {"text", "list"} & set(sorts):
                yield shape.markup_of(field)
            if field in shape.nested:
                yield from markups(shape.nested[field])

    assert Markup.NONE not in set(markups(ZendeskSettings.BODY))


@pytest.mark.parametrize("kind", [SegmentSettings, MixpanelSettings])
@pytest.mark.parametrize("value", HOSTILE)
def test_who_reads_data_only_gets_it_as_it_is(kind: type[TemplateSettings], value: str) -> None:
    body = drawn({"event": "{a}", "properties": {"b": "{a}", "c": "{words}"}}, kind.BODY, a=value, words={"d": value})
    assert body == {"event": value, "properties": {"b": value, "c": {"d": value}}}


RESERVED: Final = ("token", "ip", "distinct_id", "time", "$insert_id", "$os", "$", "mp_lib", "mp_")


@pytest.mark.parametrize("key", RESERVED)
def test_a_key_of_the_vendors_own_that_comes_with_a_map_is_left_out(key: str) -> None:
    filler = TemplateRenderer(
        {"t.A": {"properties": "{words}"}}, HELD.message_class, milliseconds, MixpanelSettings.BODY
    )
    spread = A(words={key: "v", "codec": "h264"}).SerializeToString()
    assert filler.render("t.A", spread) == {"properties": {"codec": "h264"}}
    assert filler.render("t.A", A(words={key: "v"}).SerializeToString()) == {}


def test_within_a_property_keys_are_anybodys() -> None:
    body = drawn({"properties": {"held": "{words}"}}, MixpanelSettings.BODY, words={"token": "v"})
    assert body == {"properties": {"held": {"token": "v"}}}
