"""What counts as looser, and what the policy's overlay may change of the annotations."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts.classify import InvalidOverlay, Overlay, claims, loosens
from gateway.errors import BadContract, BadPolicy
from gateway.model import INDIRECT, NEVER, Category, FieldPrivacy
from tests.support.contracts import compiler, contract, proto

C = Category
BODY = """
message M { string a = 1 @OPERATIONAL; string b = 2; Sub held = 3 @CONTENT; string user = 4 @{category: USER_ID, max_length: 9}; }
message Sub { string c = 1 @OPERATIONAL; }
"""


def held(category: Category, **more: object) -> FieldPrivacy:
    return FieldPrivacy(category, **more)  # type: ignore[arg-type]  # a table's columns


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (held(C.NAME), held(C.NAME), False),
        (held(C.UNSPECIFIED), held(C.NAME), True),
        (held(C.NAME), held(C.UNSPECIFIED), False),
        (held(C.NAME), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL), held(C.NAME), False),
        (held(C.OPERATIONAL), held(C.USER_ID), True),
        (held(C.NAME), held(C.PHONE), True),
        (held(C.NAME), held(C.AGE), False),
        (held(C.AGE), held(C.NAME), True),
        (held(C.AGE), held(C.GENDER), True),
        (held(C.OPERATIONAL), held(C.OPERATIONAL, pattern="a"), True),
        (held(C.OPERATIONAL, pattern="a"), held(C.OPERATIONAL, pattern="b"), True),
        (held(C.OPERATIONAL, pattern="a"), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL), held(C.OPERATIONAL, max_length=9), False),
        (held(C.OPERATIONAL, max_length=9), held(C.OPERATIONAL, max_length=8), False),
        (held(C.OPERATIONAL, max_length=9), held(C.OPERATIONAL, max_length=10), True),
        (held(C.OPERATIONAL, max_length=9), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL, one_of=("a", "b")), held(C.OPERATIONAL, one_of=("b",)), False),
        (held(C.OPERATIONAL, one_of=("a", "b")), held(C.OPERATIONAL, one_of=("b", "c")), True),
        (held(C.OPERATIONAL, one_of=("a", "b")), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL), held(C.OPERATIONAL, one_of=("a",)), True),
        (held(C.OPERATIONAL, min=1, max=9), held(C.OPERATIONAL, min=2, max=8), False),
        (held(C.OPERATIONAL, min=1, max=9), held(C.OPERATIONAL, min=0, max=9), True),
        (held(C.OPERATIONAL, min=1, max=9), held(C.OPERATIONAL, min=1, max=10), True),
        (held(C.OPERATIONAL, min=1, max=9), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL), held(C.OPERATIONAL, min=1, max=9), True),
        (held(C.NAME, map_key=C.USER_ID), held(C.NAME, map_key=C.OPERATIONAL), True),
        (held(C.NAME), held(C.NAME, map_key=C.OPERATIONAL), True),
        (held(C.USER_ID), held(C.USER_ID, subject=True), True),
        (held(C.OPERATIONAL), held(C.OPERATIONAL, workspace=True), True),
        (held(C.OPERATIONAL, workspace=True), held(C.OPERATIONAL), True),
        (held(C.OPERATIONAL, workspace=True), held(C.NAME), False),
        (held(C.NAME, max_length=5), held(C.AGE), False),
        (held(C.OPERATIONAL, min=1, max=9, max_length=5), held(C.OPERATIONAL, min=1, max=9), True),
    ],
)
def test_what_lets_more_leave_is_looser(old: FieldPrivacy, new: FieldPrivacy, wanted: bool) -> None:
    assert loosens(old, new) is wanted


PRIVACY = st.builds(
    FieldPrivacy,
    category=st.sampled_from(Category),
    map_key=st.sampled_from([C.UNSPECIFIED, C.OPERATIONAL, C.NAME]),
    pattern=st.sampled_from(["", "a", "b"]),
    max_length=st.sampled_from([0, 5, 9]),
    one_of=st.sampled_from([(), ("a",), ("a", "b")]),
    min=st.sampled_from([0, 1]),
    max=st.sampled_from([0, 5, 9]),
)


@given(PRIVACY, PRIVACY)
def test_no_step_that_is_tighter_leads_out_of_the_eu(old: FieldPrivacy, new: FieldPrivacy) -> None:
    if not loosens(old, new) and new.category in INDIRECT:
        assert old.category is new.category


@given(PRIVACY, PRIVACY)
def test_no_step_that_is_tighter_leads_from_nowhere(old: FieldPrivacy, new: FieldPrivacy) -> None:
    if not loosens(old, new) and old.category in NEVER | {C.UNSPECIFIED}:
        assert new.category in NEVER | {C.UNSPECIFIED}


@given(PRIVACY)
def test_nothing_is_looser_than_itself(privacy: FieldPrivacy) -> None:
    assert not loosens(privacy, privacy)


def test_the_overlay_classifies_what_is_not_annotated_only_with_overrides_where_it_is() -> None:
    held_by = contract(proto(BODY))
    said = claims(held_by, {"t.M.b": Overlay(held(C.NAME)), "t.M.a": Overlay(held(C.AGE))})
    assert (said["t.M.b"], said["t.M.a"], said["t.Sub.c"]) == (held(C.NAME), held(C.AGE), held(C.OPERATIONAL))


def test_the_overlay_replaces_a_whole_annotation() -> None:
    said = claims(contract(proto(BODY)), {"t.M.user": Overlay(held(C.USER_ID), overrides=True)})
    assert said["t.M.user"] == held(C.USER_ID)


@pytest.mark.parametrize(
    ("name", "new"),
    [
        ("t.M.user", held(C.USER_ID)),
        ("t.M.a", held(C.USER_ID)),
        ("t.M.held", held(C.OPERATIONAL)),
        ("t.M.user", held(C.OPERATIONAL, max_length=9)),
    ],
)
def test_the_overlay_loosens_only_if_it_says_so(name: str, new: FieldPrivacy) -> None:
    with pytest.raises(InvalidOverlay, match="looser than its annotation; say `overrides: true` if that is meant"):
        claims(contract(proto(BODY)), {name: Overlay(new)})
    assert claims(contract(proto(BODY)), {name: Overlay(new, overrides=True)})[name] == new


@pytest.mark.parametrize("name", ["t.M.none", "t.None.a", "t.M", "t.M.HeldEntry.key"])
def test_an_overlay_on_what_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(InvalidOverlay, match="no contract has this field"):
        claims(contract(proto(BODY)), {name: Overlay(held(C.NAME))})


BAD: Final = """message M {
    string star = 1 @{category: OPERATIONAL, pattern: ".*"};
    string fine = 2 @{category: OPERATIONAL, pattern: "[a-z]{1,8}"};
    string open = 3 @{category: OPERATIONAL, pattern: "("};
    int32 span = 4 @{category: OPERATIONAL, min: 9, max: 1};
    int32 least = 5 @{category: OPERATIONAL, min: 9};
    int32 below = 6 @{category: OPERATIONAL, min: -9};
    string both = 7 @{category: OPERATIONAL, pattern: ")", min: 1};
    message N { string star = 1 @{category: OPERATIONAL, pattern: "a+"}; }
}"""


def test_annotations_that_cannot_be_are_told_all_at_once_each_with_its_file_and_field() -> None:
    with pytest.raises(BadContract) as caught:
        claims(contract(proto(BAD)), {})
    lines = str(caught.value).splitlines()
    (file,) = {line.split(": ")[0] for line in lines}
    assert file.endswith(".proto")
    assert [line.split(": ")[1:3] for line in lines] == [
        ["t.M.star", "pattern"],
        ["t.M.open", "pattern"],
        ["t.M.span", "min"],
        ["t.M.least", "min"],
        ["t.M.both", "pattern"],
        ["t.M.both", "min"],
        ["t.M.N.star", "pattern"],
    ]


def test_of_many_annotations_that_cannot_be_the_rest_is_counted() -> None:
    fields = " ".join(f"int32 f{number} = {number} @{{category: OPERATIONAL, min: 1}};" for number in range(1, 61))
    with pytest.raises(BadContract, match=r"t\.M\.f50: min: must be max or less; max left out is 0\nand 10 more$"):
        claims(contract(proto(f"message M {{ {fields} }}")), {})


@pytest.mark.parametrize(
    ("overlay", "wanted"),
    [
        (
            "t.M.user: {category: USER_ID}",
            "policy.yaml:30: classifications.t.M.user: looser than its annotation; say `overrides: true`",
        ),
        ("t.M.none: {category: NAME}", "policy.yaml:30: classifications.t.M.none: no contract has this field"),
        (
            "t.M.held: {subject: true}",
            "policy.yaml:30: classifications.t.M.held: looser than its annotation; say `overrides: true`",
        ),
    ],
)
def test_a_bad_overlay_is_named_by_its_line(overlay: str, wanted: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        compiler(BODY, f"classifications:\n  {overlay}\n")
    line = str(caught.value).partition(":")[2].partition(":")[0]
    assert str(caught.value).startswith(wanted.replace(":30:", f":{line}:"))
    assert int(line) > 20


@pytest.mark.parametrize(
    ("overlay", "wanted"),
    [
        ("{category: OPERATIONAL}", {"a", "held", "user"}),
        ("{category: OPERATIONAL, overrides: true}", {"a", "held", "user"}),
        ("{category: UNSPECIFIED, overrides: true}", {"a", "held", "user"}),
        ("{category: AGE}", {"a", "user"}),
    ],
)
def test_an_overlay_decides_what_leaves(overlay: str, wanted: set[str]) -> None:
    """The message's own category is a condition beside those of its fields."""
    body = BODY.replace("@CONTENT", "")
    plan = compiler(body, f"classifications:\n  t.M.held: {overlay}\n").plan("t.M", "eu-indirect")
    assert {field.name for field in plan.messages[0].fields} == wanted


WORKSPACES: Final = """
message M {
  string fit = 1 @{category: OPERATIONAL, workspace: true}; Sub held = 2 @{workspace: true};
  string name = 3 @{category: NAME, workspace: true}; string none = 4 @{workspace: true};
  repeated string many = 5 @{category: OPERATIONAL, workspace: true};
  int32 number = 6 @{category: OPERATIONAL, workspace: true}; repeated Sub subs = 7 @{workspace: true};
  map<string, string> map = 8 @{category: OPERATIONAL, workspace: true};
  google.protobuf.StringValue wrapped = 9 @{category: OPERATIONAL, workspace: true};
  bytes raw = 10 @{category: OPERATIONAL, workspace: true};
}
message Sub { string c = 1; }
"""


def test_only_a_single_operational_string_names_a_workspace() -> None:
    with pytest.raises(BadContract) as caught:
        claims(contract(proto(WORKSPACES)), {})
    assert [line.split(": ")[:3] for line in str(caught.value).splitlines()] == [
        ["f0.proto", f"t.M.{name}", "workspace"]
        for name in ("many", "map", "name", "none", "number", "raw", "subs", "wrapped")
    ]


@pytest.mark.parametrize("field", ["b", "n"])
def test_an_overlay_is_held_to_the_same_by_its_line(field: str) -> None:
    with pytest.raises(
        BadPolicy, match=rf"^policy\.yaml:\d+: classifications\.t\.M\.{field}: workspace: only a single"
    ):
        compiler(
            "message M { string b = 1; repeated string n = 2; }",
            "classifications:\n"
            f"  t.M.{field}: {{category: {'NAME' if field == 'b' else 'OPERATIONAL'}, workspace: true}}\n",
        )
