"""The approvals file: written, read back, and what it lets count."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts.approvals import (
    COMMAND,
    HEADER,
    VERSION,
    Approval,
    Approvals,
    read_approvals,
    read_recorded,
    write_approvals,
)
from gateway.contracts.classify import approved
from gateway.contracts.field_types import approvals_of
from gateway.errors import BadPolicy
from gateway.model import Category, FieldPrivacy
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from tests.support.contracts import POLICY, contract, proto

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "1e5",
        "0x1F",
        "1_000",
        "12:30",
        "null",
        "~",
        "yes",
        "true",
        "=",
        "<<",
        "2001-01-01",
        "- a",
        "{a: b}",
        "#",
        "a: b",
        "'",
        '"',
        "\\",
        "\n",
    ]
)
APPROVAL = st.builds(
    Approval,
    category=st.sampled_from(Category),
    map_key=st.sampled_from(Category),
    subject=st.booleans(),
    workspace=st.booleans(),
    pattern=TEXT,
    max_length=st.integers(0, 2**32 - 1),
    one_of=st.lists(TEXT, max_size=3).map(tuple),
    min=INT64,
    max=INT64,
    type=TEXT,
)
NAMES = st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,8}(\.[A-Za-z_][A-Za-z0-9_]{0,8}){0,3}", fullmatch=True
) | st.sampled_from(["null", "true", "y", "no.on", "e1"])

USER = FieldPrivacy(Category.USER_ID, pattern="u[0-9]{1,3}")
AGE = FieldPrivacy(Category.AGE)


@settings(deadline=None, max_examples=200)
@given(
    approvals=st.builds(
        Approvals,
        version=st.just(VERSION),
        approved=st.dictionaries(NAMES, APPROVAL, max_size=5),
        enums=st.dictionaries(NAMES, st.lists(TEXT, max_size=3).map(tuple), max_size=3),
    )
)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, approvals: Approvals) -> None:
    path = tmp_path_factory.mktemp("lock") / "approvals.lock"
    write_approvals(path, approvals)
    assert read_approvals(path) == approvals == read_recorded(path)


@pytest.mark.parametrize("command", [COMMAND, "make protos"])
def test_each_field_is_one_line_in_order_and_who_writes_is_told(tmp_path: Path, command: str) -> None:
    path = tmp_path / "approvals.lock"
    write_approvals(
        path,
        Approvals(
            version=VERSION,
            approved={
                "b.B.b": Approval(Category.USER_ID, pattern="u[0-9]{1,3}", type="string"),
                "a.A.a": Approval(Category.OPERATIONAL, one_of=("x y", "z"), min=1, max=5, type="repeated integer"),
                "c.C.c": Approval(),
            },
            enums={"e.F": ("B",), "e.E": ("A", "B")},
        ),
        command,
    )
    assert path.read_text() == HEADER.format(command) + (
        "version: 2\n"
        "approved:\n"
        '  a.A.a: {category: OPERATIONAL, one_of: ["x y", z], min: 1, max: 5, type: "repeated integer"}\n'
        '  b.B.b: {category: USER_ID, pattern: "u[0-9]{1,3}", type: string}\n'
        "  c.C.c: {}\n"
        "enums:\n"
        "  e.E: [A, B]\n"
        "  e.F: [B]\n"
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("version: 3\napproved: {}\n", "approvals.lock:1: version: must be 2"),
        ("version: 0\napproved: {}\n", "approvals.lock:1: version: must be 2"),
        ("approved: {}\n", "version: is required"),
        ("version: 2\n", "approved: is required"),
        (
            "# Ours.\nversion: 1\napproved: {}\n",
            "approvals.lock:2: version: is 1, of approvals that say nothing of fields' types; `privacy-gateway approve` ",
        ),
        ("version: 2\napproved: {}\nenums: {a.E: A}\n", "approvals.lock:3: enums.a.E: must be a list"),
        (
            "version: 2\napproved:\n  a.A.a: {category: SHOE_SIZE}\n",
            "approvals.lock:3: approved.a.A.a.category: must be one of",
        ),
        (
            "version: 2\napproved:\n  a.A.a: {categori: NAME}\n",
            "approvals.lock:3: approved.a.A.a.categori: is not a key here",
        ),
        ("version: 2\napproved: [a]\n", "approvals.lock:2: approved: must be a mapping"),
        ("approved: {", "approvals.lock:1: is not YAML"),
    ],
)
def test_what_is_wrong_is_named_by_file_line_and_key(tmp_path: Path, text: str, wanted: str) -> None:
    path = tmp_path / "approvals.lock"
    path.write_text(text)
    with pytest.raises(BadPolicy) as caught:
        read_approvals(path)
    assert wanted in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadPolicy, match=r"none\.lock: is not there yet; `privacy-gateway approve` shows"):
        read_approvals(tmp_path / "none.lock")


@pytest.mark.parametrize(
    ("said", "recorded", "counts"),
    [
        (USER, USER, True),
        (USER, None, False),
        (FieldPrivacy(Category.USER_ID), USER, False),
        (FieldPrivacy(Category.USER_ID, pattern="u[0-9]{1,3}", max_length=3), USER, True),
        (FieldPrivacy(Category.OPERATIONAL), FieldPrivacy(Category.NAME), False),
        (FieldPrivacy(Category.NAME), FieldPrivacy(Category.OPERATIONAL), True),
        (AGE, USER, True),
        (FieldPrivacy(), USER, True),
    ],
)
def test_what_counts_is_what_was_recorded_or_is_tighter(
    said: FieldPrivacy, recorded: FieldPrivacy | None, counts: bool
) -> None:
    before = {} if recorded is None else {"a.A.a": recorded}
    assert approved({"a.A.a": said}, before) == ({"a.A.a": said} if counts else {})


BODY = """
message M { string a = 1 @OPERATIONAL; string b = 2 @NAME; Sub held = 3 @CONTENT; }
message Sub { string c = 1 @NAME; }
"""


def kept(tmp_path: Path, body: str, recorded: dict[str, FieldPrivacy], destination: str = "eu-service") -> set[str]:
    """The fields of t.M and below that leave, with these approvals."""
    made = contract(proto(body))
    write_approvals(tmp_path / "approvals.lock", approvals_of(made, recorded))
    file = parse(f"{POLICY}flows: {{}}\napprovals: approvals.lock\n", tmp_path / "policy.yaml")
    plan = Compiler(made, file).plan("t.M", destination)
    return {f"{message.name}.{field.name}" for message in plan.messages for field in message.fields}


ALL = {
    "t.M.a": FieldPrivacy(Category.OPERATIONAL),
    "t.M.b": FieldPrivacy(Category.NAME),
    "t.M.held": FieldPrivacy(Category.CONTENT),
    "t.Sub.c": FieldPrivacy(Category.NAME),
}


def test_what_was_approved_leaves(tmp_path: Path) -> None:
    assert kept(tmp_path, BODY, ALL) == {"t.M.a", "t.M.b", "t.M.held", "t.Sub.c"}


@pytest.mark.parametrize(
    ("name", "gone"), [("t.M.a", {"t.M.a"}), ("t.M.b", {"t.M.b"}), ("t.Sub.c", {"t.M.held", "t.Sub.c"})]
)
def test_what_was_not_approved_stays(tmp_path: Path, name: str, gone: set[str]) -> None:
    recorded = {key: value for key, value in ALL.items() if key != name}
    assert kept(tmp_path, BODY, recorded) == {"t.M.a", "t.M.b", "t.M.held", "t.Sub.c"} - gone


def test_what_was_loosened_stays_until_it_is_approved(tmp_path: Path) -> None:
    loosened = BODY.replace("b = 2 @NAME", "b = 2 @OPERATIONAL")
    assert "t.M.b" not in kept(tmp_path, loosened, ALL)
    assert "t.M.b" in kept(tmp_path, loosened, {**ALL, "t.M.b": FieldPrivacy(Category.OPERATIONAL)})


@pytest.mark.parametrize("annotation", ["", "@OPERATIONAL"])
def test_a_condition_on_a_message_holds_until_its_end_is_approved(tmp_path: Path, annotation: str) -> None:
    """Without a category of its own, a message leaves by its fields' categories alone: less said is looser."""
    recorded = {**ALL, "t.M.held": FieldPrivacy(Category.PHONE)}
    open_ = BODY.replace("@CONTENT", annotation)
    policy = "eu-indirect"  # takes no PHONE, and no NAME either: so the field below is made operational
    body, recorded = (
        open_.replace("c = 1 @NAME", "c = 1 @OPERATIONAL"),
        {**recorded, "t.Sub.c": FieldPrivacy(Category.OPERATIONAL)},
    )
    assert kept(tmp_path, body, recorded, policy) == {"t.M.a"}


def test_a_new_condition_on_a_message_holds_at_once(tmp_path: Path) -> None:
    body = BODY.replace("c = 1 @NAME", "c = 1 @OPERATIONAL")
    recorded = {"t.M.a": ALL["t.M.a"], "t.Sub.c": FieldPrivacy(Category.OPERATIONAL)}
    assert kept(tmp_path, body, recorded, "eu-indirect") == {"t.M.a"}
    assert kept(tmp_path, body, recorded, "eu-service") == {"t.M.a", "t.M.held", "t.Sub.c"}


ENUM = "enum Codec { CODEC_A = 0; CODEC_B = 1; }"
TYPES = "message Sub { string c = 1 @NAME; } message Other { string c = 1 @NAME; } enum Else { ELSE_A = 0; }"


def of_type(type: str) -> str:
    """A message with a field of a type, beside types and an enum."""
    return f"message M {{ {type} a = 1 @{{category: OPERATIONAL, map_key: OPERATIONAL}}; }} {TYPES} {ENUM}"


@pytest.mark.parametrize(
    ("was", "now", "counts"),
    [
        ("string", "string", True),
        ("Codec", "Codec", True),
        ("int32", "uint64", True),
        ("float", "double", True),
        ("Codec", "string", False),
        ("string", "Codec", False),
        ("Codec", "Else", False),
        ("Codec", "int32", False),
        ("int64", "string", False),
        ("int64", "double", False),
        ("bool", "int32", False),
        ("string", "bytes", False),
        ("google.protobuf.Timestamp", "google.protobuf.Timestamp", True),
        ("google.protobuf.Timestamp", "string", False),
        ("google.protobuf.Timestamp", "google.protobuf.Duration", False),
        ("google.protobuf.StringValue", "string", False),
        ("string", "repeated string", False),
        ("repeated string", "string", False),
        ("repeated string", "map<string, string>", False),
        ("map<string, string>", "map<string, string>", True),
        ("map<int32, string>", "map<string, string>", False),
        ("map<string, Codec>", "map<string, Codec>", True),
        ("map<string, Codec>", "map<string, string>", False),
    ],
)
def test_an_approval_counts_for_the_type_that_it_was_given_for(
    was: str, now: str, counts: bool, tmp_path: Path
) -> None:
    said = {"t.M.a": FieldPrivacy(Category.OPERATIONAL, Category.OPERATIONAL)}
    recorded, made = (contract(proto(of_type(one))) for one in (was, now))
    write_approvals(tmp_path / "approvals.lock", approvals_of(recorded, said))
    file = parse(f"{POLICY}flows: {{}}\napprovals: approvals.lock\n", tmp_path / "policy.yaml")
    assert Compiler(made, file).classifications == (said if counts else {})


@pytest.mark.parametrize("type", ["Codec", "repeated Codec", "map<string, Codec>"])
@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ("CODEC_A = 0; CODEC_B = 1;", True),
        ("CODEC_B = 0; CODEC_A = 7;", True),
        ("CODEC_A = 0;", True),
        ("CODEC_A = 0; CODEC_B = 1; CODEC_GEORGI_DIMITROVA = 2;", False),
        ("CODEC_A = 0; CODEC_GEORGI_DIMITROVA = 1;", False),
    ],
)
def test_an_approval_counts_for_the_values_that_the_enum_had(
    values: str, counts: bool, type: str, tmp_path: Path
) -> None:
    said = {"t.M.a": FieldPrivacy(Category.OPERATIONAL, Category.OPERATIONAL)}
    write_approvals(tmp_path / "approvals.lock", approvals_of(contract(proto(of_type(type))), said))
    made = contract(proto(of_type(type).replace(ENUM, f"enum Codec {{ {values} }}")))
    file = parse(f"{POLICY}flows: {{}}\napprovals: approvals.lock\n", tmp_path / "policy.yaml")
    assert Compiler(made, file).classifications == (said if counts else {})


def test_a_condition_on_a_message_holds_though_its_type_is_another(tmp_path: Path) -> None:
    recorded = {"t.M.held": FieldPrivacy(Category.PHONE), "t.Other.c": FieldPrivacy(Category.NAME)}
    body = f"message M {{ Sub held = 1 @PHONE; }} {TYPES}"
    write_approvals(tmp_path / "approvals.lock", approvals_of(contract(proto(body)), recorded))
    file = parse(f"{POLICY}flows: {{}}\napprovals: approvals.lock\n", tmp_path / "policy.yaml")
    made = Compiler(contract(proto(body.replace("Sub held", "Other held"))), file)
    assert made.classifications == recorded


def test_what_was_recorded_without_types_is_there_to_be_approved_again(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text("version: 1\napproved: {a.A.a: {category: NAME}}\n")
    assert read_recorded(tmp_path / "a.lock").approved == {"a.A.a": Approval(Category.NAME)}
    assert read_recorded(tmp_path / "none.lock").approved == {}
