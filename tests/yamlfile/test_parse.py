"""YAML in, structs out: what is read, what is refused, and how the error says so."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from gateway.errors import BadPolicy, BadSetup
from gateway.yamlfile import MAX_DOCUMENT_BYTES, Node, build, compose, parse, read, unknown_name_text
from gateway.yamlfile.durations import EXPECTED
from gateway.yamlfile.nodes import compose_slowly

NAMES = [f"name-{number}" for number in range(30)]


class Colour(IntEnum):
    RED = 1
    DARK_BLUE = 2


class Size(StrEnum):
    SMALL = "small"


class Cat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="cat"):
    lives: int = 9


class Dog(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="dog"):
    name: str


class Void(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="null"):
    pass


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    colour: Colour = Colour.RED


class Thing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: str | None = None
    regions: tuple[str, ...] = ()
    number: int | None = None
    count: Annotated[int, Meta(ge=1, le=10)] = 1
    ratio: Annotated[float, Meta(gt=0)] = 1.0
    flag: bool = False
    colours: frozenset[Colour] = frozenset()
    size: Size = Size.SMALL
    mode: Literal["on", "off"] = "on"
    only: Literal[1] = 1
    span: timedelta | None = None
    pet: Cat | Dog | Void | None = None
    mixed: Mapping[str, Colour | Inner] = {}
    named: Mapping[Annotated[str, Meta(pattern="[a-z]+", description="a lower-case name")], int] = {}
    folder: Path | None = None
    short: Annotated[str, Meta(min_length=1, max_length=3)] = "x"
    inner: Inner | None = None
    names: str | tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    tree: Any = None


def thing(text: str) -> Thing:
    return parse(text, "thing.yaml", Thing, BadPolicy)[0]


def fault(text: str) -> str:
    with pytest.raises(BadPolicy) as caught:
        thing(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("regions: [NO, FR]", Thing(regions=("NO", "FR"))),
        ("regions: [on, off, yes, y, Null, True]", Thing(regions=("on", "off", "yes", "y", "Null", "True"))),
        ("regions: [1_000, 10:30, 0x1F, 0o7, 010, 2026-01-01, 1., .5, .inf, <<, =]",
         Thing(regions=("1_000", "10:30", "0x1F", "0o7", "010", "2026-01-01", "1.", ".5", ".inf", "<<", "="))),
        ("mode: off", Thing(mode="off")),
        ("number: -12", Thing(number=-12)),
        ("number: ~", Thing()),
        ("number:", Thing()),
        ("text: '12'", Thing(text="12")),
        ("ratio: 2", Thing(ratio=2.0)),
        ("ratio: 2.5e-1", Thing(ratio=0.25)),
        ("flag: true", Thing(flag=True)),
        ("colours: [RED, DARK_BLUE]", Thing(colours=frozenset(Colour))),
        ("span: 12h", Thing(span=timedelta(hours=12))),
        ("span: 36mo", Thing(span=timedelta(days=1080))),
        ("span: 2y", Thing(span=timedelta(days=730))),
        ("names: a", Thing(names="a")),
        ("names: [a, b]", Thing(names=("a", "b"))),
        ("pet: {kind: cat}", Thing(pet=Cat())),
        ("pet: {kind: dog, name: Rex}", Thing(pet=Dog("Rex"))),
        ("pet: {kind: null}", Thing(pet=Void())),
        ("pet: null", Thing()),
        ("mixed: {a: RED, b: {colour: DARK_BLUE}}", Thing(mixed={"a": Colour.RED, "b": Inner(Colour.DARK_BLUE)})),
        ("folder: a/b", Thing(folder=Path("a/b"))),
        ("inner: {}", Thing(inner=Inner())),
        ("tree: {a: [1, 0.5, true, NO, '7'], $b: {}}", Thing(tree={"a": (1, 0.5, True, "NO", "7"), "$b": {}})),
        ("tree: text", Thing(tree="text")),
        ("\ufeff# a byte order mark\ntext: é", Thing(text="é")),
    ],
)  # fmt: skip
def test_a_document_is_read_by_its_types(text: str, expected: Thing) -> None:
    assert thing(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "thing.yaml:1: must be a mapping of keys to values"),
        ("- a", "thing.yaml:1: must be a mapping of keys to values"),
        ("flag: true\ntext: 12", "thing.yaml:2: text: must be text; write it in quotes"),
        ("text: {a: b}", "thing.yaml:1: text: must be text"),
        ("regions: NO", "thing.yaml:1: regions: must be a list, such as [a, b]"),
        ("regions: {a: b}", "thing.yaml:1: regions: must be a list"),
        ("folder: ''", "thing.yaml:1: folder: must not be empty; leave it out, or write null, for none"),
        ('folder: "a\\0b"', "thing.yaml:1: folder: must not hold a NUL"),
        ("folder: 1", "thing.yaml:1: folder: must be text; write it in quotes"),
        ("named: {a: x}", "thing.yaml:1: named.a: must be a whole number"),
        ("tree: {a: [1, ~]}", "thing.yaml:1: tree.a[1]: must not be empty"),
        ("tree: [9999999999999999999]", "thing.yaml:1: tree[0]: must be a whole number of at most 9223372036854775807"),
        ("tree: {a: .nan}", ("thing.yaml:1: tree.a: must be a number that JSON can hold; to say a text, write it in "
                            "quotes")),
        ("names: 1", "thing.yaml:1: names: must be text; write it in quotes"),
        ("names: {a: b}", "thing.yaml:1: names: must be text"),
        ("names: [a, '']", "thing.yaml:1: names[1]: must be of 1 or more characters"),
        ("regions:\n  - FR\n  - 12", "thing.yaml:3: regions[1]: must be text; write it in quotes"),
        ("number: 1_000", "thing.yaml:1: number: must be a whole number"),
        ("number: true", "thing.yaml:1: number: must be a whole number"),
        ("number: 1.5", "thing.yaml:1: number: must be a whole number"),
        ("number: '1'", "thing.yaml:1: number: must be a whole number"),
        ("number: 9223372036854775808", "thing.yaml:1: number: must be a whole number of at most 9223372036854775807"),
        ("number: 99999999999999999999999", ("thing.yaml:1: number: must be a whole number of at most "
                                            "9223372036854775807")),
        ("number: -9223372036854775809", ("thing.yaml:1: number: must be a whole number of at least "
                                         "-9223372036854775808")),
        ("number: '99999999999999999999999'", "thing.yaml:1: number: must be a whole number"),
        ("count: 0", "thing.yaml:1: count: must be positive"),
        ("count: 11", "thing.yaml:1: count: must be 10 or less"),
        ("ratio: 0", "thing.yaml:1: ratio: must be positive"),
        ("ratio: .nan", "thing.yaml:1: ratio: must be a number"),
        ("flag: yes", "thing.yaml:1: flag: must be true or false"),
        ("colours: [RED,\n  DARKBLUE]", ("thing.yaml:2: colours[1]: must be one of RED, DARK_BLUE; did you mean "
                                        "DARK_BLUE?")),
        ("colours: [RED, RED]", "thing.yaml:1: colours[1]: is in the list twice"),
        ("colours: [1]", "thing.yaml:1: colours[0]: must be one of RED, DARK_BLUE"),
        ("size: large", "thing.yaml:1: size: must be small"),
        ("only: 2", "thing.yaml:1: only: must be 1"),
        ("span: 0d", "thing.yaml:1: span: must be positive"),
        ("span: -3d", "thing.yaml:1: span: must be positive"),
        ("span: 3 days", f"thing.yaml:1: span: must be {EXPECTED}"),
        ("pet: {}", "thing.yaml:1: pet.kind: is required"),
        ("pet: cat", "thing.yaml:1: pet: must be a mapping of keys to values"),
        ("pet:\n  kind: cow", "thing.yaml:2: pet.kind: must be one of cat, dog, null"),
        ("pet:\n  kind:", "thing.yaml:2: pet.kind: must be one of cat, dog, null"),
        ("pet:\n  kind: dog", "thing.yaml:1: pet.name: is required"),
        ("pet:\n  kind: cat\n  name: Tom", "thing.yaml:3: pet.name: is not a key here; known: kind, lives"),
        ("mixed: {a: GREEN}", "thing.yaml:1: mixed.a: must be one of RED, DARK_BLUE"),
        ("named:\n  a: 1\n  B: 1", "thing.yaml:3: named.B: must be a lower-case name"),
        ("short: ''", "thing.yaml:1: short: must be of 1 or more characters"),
        ("short: long", "thing.yaml:1: short: must be of 3 or fewer characters"),
        ("inner:\n  color: RED", "thing.yaml:2: inner.color: is not a key here; known: colour; did you mean colour?"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_line_and_key(text: str, expected: str) -> None:
    assert fault(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text: a\ntext: b", "thing.yaml:2: text: is here twice, first at thing.yaml:1"),
        ("inner: {colour: RED, colour: RED}", "thing.yaml:1: colour: is here twice, first at thing.yaml:1"),
        ("text: &a b", "thing.yaml:1: anchors and aliases are not allowed; write it out"),
        ("text: *a", "thing.yaml:1: anchors and aliases are not allowed; write it out"),
        ("\n&a text: b", "thing.yaml:2: anchors and aliases are not allowed; write it out"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]", ("thing.yaml:1: anchors and aliases are not allowed; write it "
                                                      "out")),
        ("text: !!str b", "thing.yaml:1: tags are not allowed"),
        ("text: !!python/object:os.system b", "thing.yaml:1: tags are not allowed"),
        ("text: a\n---\ntext: b", "thing.yaml:2: is a second document; there may be only one"),
        ("1: a", "thing.yaml:1: a key must be text; write it in quotes"),
        ("text: a\ntrue: a", "thing.yaml:2: a key must be text; write it in quotes"),
        ("? [a]\n: b", "thing.yaml:1: a key must be text; write it in quotes"),
        ('"a\\nb": c', "thing.yaml:1: a key must be printable text of 1 to 500 characters"),
        ("'': c", "thing.yaml:1: a key must be printable text of 1 to 500 characters"),
        ("[" * 1000, "thing.yaml:1: nests deeper than 32 levels"),
        ("- " * 1000, "thing.yaml:1: nests deeper than 32 levels"),
        ("text: a\n#\0", "thing.yaml:2: holds a character that YAML does not allow"),
        ('text: "\\ud800"', "thing.yaml:1: holds half a surrogate pair"),
        ('text: "\\UFFFFFFFF"', "thing.yaml: is not YAML"),
        ("text:\n\t- a", "thing.yaml:2: is not YAML: found character that cannot start any token"),
        ("text: a: b", "thing.yaml:1: is not YAML: mapping values are not allowed here"),
        ("text: [a}", "thing.yaml:1: is not YAML: expected ',' or ']', but got '}'"),
        ("x" * (MAX_DOCUMENT_BYTES + 1), "thing.yaml: is larger than 1000000 bytes"),
    ],
)  # fmt: skip
def test_what_is_not_plain_yaml_is_refused(text: str, expected: str) -> None:
    assert fault(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "text: {{}}",
        "number: {}",
        "colours: [{}]",
        "size: {}",
        "pet: {{kind: {}}}",
        "named: {{a: {}}}",
        "text: '{}",
        "text: !{}!x y",
        "text: *{}",
        "text: 'a' {}",
        "text: [{}}}",
        "text: {}: b",
        "text: @{}",
        'text: "\\q{}"',
    ],
)
def test_an_error_repeats_no_value(text: str) -> None:
    assert "hunter2" not in fault(text.format("hunter2"))


@given(
    st.text(alphabet=st.sampled_from("ab:,-[]{}&*!|>'\"%#?@\\ \n\t01~<u\ud800é\0"), max_size=60) | st.text(max_size=60)
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadPolicy):
        thing(text)


LINES = (
    "a: b", "- a", "  c: [x, {y: z}]", "? k", ": v", "{", "}", "[a,", "]", "'q'", '"\\x41\\ud800\\', 'b"', "| ", "  text", "> ", "#c",
    "--- ", "... ", "%YAML 1.1", "!t a", "&a b", "*a", "\t", " ", "\r", "\x85", "\u2028", "\ufeff", "1.5: ~", "é😀: null", "\0",
)  # fmt: skip
"""Of which documents are put together, that one parser or the other may find hard."""


def nodes(node: Node) -> object:
    """All that there is to say of a node."""
    match node.value:
        case dict(entries):
            return node.place, {key: nodes(entry) for key, entry in entries.items()}
        case list(items):
            return node.place, [*map(nodes, items)]
    return node.place, type(node.value), node.value, node.text, node.plain


@given(st.lists(st.sampled_from(LINES) | st.text(max_size=3), max_size=12).flatmap(
    lambda parts: st.sampled_from(["\n", "", " "]).map(lambda between: between.join(parts))
))  # fmt: skip
@settings(max_examples=500, deadline=None)
def test_what_either_parser_takes_is_read_alike(text: str) -> None:
    with suppress(BadPolicy):
        slowly = nodes(compose_slowly(text, "thing.yaml", BadPolicy))
        assert nodes(compose(text, "thing.yaml", BadPolicy)) == slowly


@pytest.mark.parametrize("path", [*Path("gateway/policy").glob("kannelle.*")], ids=lambda path: path.name)
def test_both_parsers_find_each_key_on_its_line(path: Path) -> None:
    text = path.read_text("utf-8")
    assert nodes(compose(text, "a", BadPolicy)) == nodes(compose_slowly(text, "a", BadPolicy))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
@settings(max_examples=200, deadline=None)
def test_text_in_quotes_is_read_as_it_is(text: str) -> None:
    escaped = "".join(f"\\U{ord(character):08x}" for character in text)
    assert thing(f'text: "{escaped}"').text == text


def test_an_origin_knows_the_line_of_every_key() -> None:
    _, origin = parse(
        "text: a\ncolours:\n  - RED\n  - DARK_BLUE\ninner:\n  colour: RED", "thing.yaml", Thing, BadPolicy
    )
    assert origin.at() == "thing.yaml:1"
    assert origin.at("colours") == "thing.yaml:2: colours"
    assert origin.at("colours", 1) == "thing.yaml:4: colours[1]"
    assert origin.at("colours", "DARK_BLUE") == "thing.yaml:4: colours.DARK_BLUE"
    assert origin.at("colours", 7) == "thing.yaml:2: colours[7]"
    assert origin.at("inner", "colour") == "thing.yaml:6: inner.colour"
    assert origin.at("inner", "shape", "width") == "thing.yaml:5: inner.shape.width"
    assert origin.at("text", "b") == "thing.yaml:1: text.b"
    assert str(origin.error_at(("inner",), "must be gone")) == "thing.yaml:5: inner: must be gone"
    assert isinstance(origin.error_at((), "is wrong"), BadPolicy)


def test_a_node_shows_its_place_and_no_value() -> None:
    assert repr(compose("text: secret", "thing.yaml", BadPolicy)) == "Node(place='thing.yaml:1')"


def test_nodes_put_together_by_hand_are_built_too() -> None:
    root = Node("here", {"inner": Node("there", {"colour": Node("elsewhere", "BLUE", "BLUE")})})
    with pytest.raises(BadSetup, match=r"^elsewhere: inner\.colour: must be one of RED, DARK_BLUE"):
        build(root, Thing, BadSetup)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "thing.yaml"
    path.write_bytes(b"\xef\xbb\xbftext: a\ncount: 0\n")
    with pytest.raises(BadPolicy) as caught:
        read(path, Thing, BadPolicy)
    assert str(caught.value) == f"{path}:2: count: must be positive"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ": can't be read: No such file or directory"),
        (b"text: a\ncount: \xff", ":2: is not UTF-8"),
        (b"#" * (MAX_DOCUMENT_BYTES + 1), ": is larger than 1000000 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadPolicy) as caught:
        read(path, Thing, BadPolicy)
    assert str(caught.value) == f"{path}{expected}"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("crn", ["crm", "log"], "must be one of crm, log; did you mean crm?"),
        ("vendor", ["crm", "log"], "must be one of crm, log"),
        ("vendor", ["crm"], "must be crm"),
        ("nam-7", NAMES[:25], f"must be one of {', '.join(NAMES[:25])}; did you mean name-7?"),
        ("nam-7", NAMES, "must be one of the 30 names in the manual; the nearest are name-7, name-27, name-17"),
        ("", NAMES, "must be one of the 30 names in the manual; the nearest are name-9, name-8, name-7"),
    ],
)
def test_a_name_that_is_not_known_meets_those_that_are(name: str, known: list[str], expected: str) -> None:
    assert unknown_name_text(name, known, "the manual") == expected


def test_names_that_are_listed_nowhere_else_are_all_told() -> None:
    assert unknown_name_text("x", NAMES) == f"must be one of {', '.join(NAMES)}"
