"""Contracts that were compiled with another version of the gateway's own files.

They load if nothing is contradicted, and keep no more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from kannelle.privacy.v1 import annotations_pb2, context_pb2

from gateway.contracts.compatibility import combined, incompatibility
from gateway.contracts.load import load
from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadContract, BadPolicy
from gateway.policy.compile import Compiler
from gateway.policy.review.lint import lint
from tests.support.contracts import contract, policy, proto, release_of

Change = Callable[[FileDescriptorProto], object]
SOURCE: Final = (Path(__file__).parents[2] / "protos/kannelle/privacy/v1/annotations.proto").read_text(encoding="utf-8")
BODY: Final = proto("message A { string id = 1 @USER_ID; string name = 2 @NAME; }")


def ours() -> FileDescriptorProto:
    return FileDescriptorProto.FromString(annotations_pb2.DESCRIPTOR.serialized_pb)


def reordered(file: FileDescriptorProto) -> None:
    fields = [*privacy(file).field]
    del privacy(file).field[:]
    privacy(file).field.extend(fields[::-1])


def bare(file: FileDescriptorProto) -> None:
    file.ClearField("options")
    file.source_code_info.location.add()


def an_enum(file: FileDescriptorProto) -> None:
    privacy(file).name = "X"
    file.enum_type.add(name="FieldPrivacy").value.add(name="NONE", number=0)


def context() -> FileDescriptorProto:
    return FileDescriptorProto.FromString(context_pb2.DESCRIPTOR.serialized_pb)


def privacy(file: FileDescriptorProto) -> Any:
    return next(one for one in file.message_type if one.name == "FieldPrivacy")


def enum(file: FileDescriptorProto) -> Any:
    return next(one for one in file.enum_type if one.name == "DataCategory")


def bit(name: str, number: int) -> FieldDescriptorProto:
    return FieldDescriptorProto(
        name=name, number=number, type=FieldDescriptorProto.TYPE_BOOL, label=FieldDescriptorProto.LABEL_OPTIONAL
    )


AGREEING: Final[dict[str, Change]] = {
    "older: without a field": lambda file: privacy(file).field.pop(),
    "older: without a category": lambda file: enum(file).value.pop(),
    "newer: a field": lambda file: privacy(file).field.append(bit("hashed", 20)),
    "newer: a category": lambda file: enum(file).value.add(name="DATA_CATEGORY_BIOMETRY", number=95),
    "newer: a message type": lambda file: file.message_type.add(name="Retention").field.append(bit("short", 1)),
    "newer: a type within one": lambda file: privacy(file).nested_type.add(name="More"),
    "newer: an option": lambda file: file.extension.append(
        FieldDescriptorProto(
            name="kept",
            number=2303742,
            type=FieldDescriptorProto.TYPE_BOOL,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            extendee=".google.protobuf.FieldOptions",
        )
    ),
    "newer: a service": lambda file: file.service.add(name="MoreService"),
    "another order": reordered,
    "other comments and options": bare,
}

CONTRADICTING: Final[dict[str, tuple[Change, str]]] = {
    "a field's number": (
        lambda file: setattr(privacy(file).field[0], "number", 40),
        "FieldPrivacy.category: kannelle.privacy.v1.DataCategory category = 40, and here",
    ),
    "a field's name": (
        lambda file: setattr(privacy(file).field[3], "name", "regex"),
        "FieldPrivacy.pattern: string regex = 4, and here string pattern = 4",
    ),
    "a field's type": (
        lambda file: setattr(privacy(file).field[4], "type", 9),
        "FieldPrivacy.max_length: string max_length = 5, and here uint32",
    ),
    "one or many": (
        lambda file: setattr(privacy(file).field[5], "label", 1),
        "FieldPrivacy.one_of: string one_of = 6, and here repeated string",
    ),
    "a category's number": (
        lambda file: setattr(enum(file).value[1], "number", 60),
        "DataCategory.DATA_CATEGORY_USER_ID: 60, and here 1",
    ),
    "a category's name": (
        lambda file: setattr(enum(file).value[1], "name", "DATA_CATEGORY_UID"),
        "DataCategory: 1 is DATA_CATEGORY_UID, and here DATA_CATEGORY_USER_ID",
    ),
    "the option's number": (
        lambda file: setattr(next(one for one in file.extension if one.name == "field"), "number", 50001),
        "field: kannelle.privacy.v1.FieldPrivacy field = 50001",
    ),
    "the package": (
        lambda file: setattr(file, "package", "kannelle.privacy.v2"),
        "package: kannelle.privacy.v2, and here kannelle.privacy.v1",
    ),
    "a type that is an enum": (an_enum, "FieldPrivacy: a message type in one, an enum in the other"),
}


def loaded(folder: Path, *files: FileDescriptorProto) -> Any:
    (folder / "other.binpb").write_bytes(FileDescriptorSet(file=files).SerializeToString())
    return load([folder / "other.binpb"])


@pytest.mark.parametrize("row", AGREEING)
def test_another_version_that_agrees_loads_and_ours_counts(row: str, tmp_path: Path) -> None:
    theirs, own = ours(), contract(BODY).files["f0.proto"]
    AGREEING[row](theirs)
    held = loaded(tmp_path, theirs, own)
    assert held.annotations["t.A.id"] == contract(BODY).annotations["t.A.id"]
    fields = [field.name for field in held.message("kannelle.privacy.v1.FieldPrivacy").fields]
    assert fields == [field.name for field in privacy(ours()).field]
    if row == "newer: a message type":
        assert "kannelle.privacy.v1.Retention" in held.messages


@pytest.mark.parametrize("row", CONTRADICTING)
def test_another_version_that_contradicts_is_an_error_that_says_in_what(row: str, tmp_path: Path) -> None:
    change, text = CONTRADICTING[row]
    theirs = ours()
    change(theirs)
    with pytest.raises(BadContract) as caught:
        loaded(tmp_path, theirs)
    assert (
        "contradicts the one in the gateway itself: "
        f"{text if text.startswith('package') else 'kannelle.privacy.v1.' + text}" in str(caught.value)
    )


def test_a_folder_that_brings_its_own_copy_of_the_annotations_loads(tmp_path: Path) -> None:
    (tmp_path / "kannelle/privacy/v1").mkdir(parents=True)
    older = SOURCE.replace("message FieldPrivacy {", "// Of last year.\nmessage FieldPrivacy {")
    (tmp_path / "kannelle/privacy/v1/annotations.proto").write_text(older, encoding="utf-8")
    (tmp_path / "a.proto").write_text(BODY, encoding="utf-8")
    assert {"t.A.id", "t.A.name"} <= load([tmp_path]).annotations.keys()


# ── What a newer annotation says, and this gateway doesn't know
# ──────────────────────────────────────────────────────────

OPTIONS: Final = """
extend google.protobuf.FieldOptions {
  string kept = 2303742;
}
extend google.protobuf.MessageOptions {
  bool sealed = 2303743;
}
"""
ZERO: Final = "DATA_CATEGORY_UNSPECIFIED = 0;"
NEWER: Final = SOURCE.replace("message FieldPrivacy {", "message FieldPrivacy {\n  bool hashed = 20;", 1) + OPTIONS
F: Final = "(kannelle.privacy.v1.field)"
USER: Final = "DATA_CATEGORY_USER_ID"
FIELDS: Final[dict[str, str]] = {
    "a further rule": f"string a = 1 [{F} = {{category: {USER}, hashed: true}}];",
    "another category": f"string a = 1 [{F}.category = DATA_CATEGORY_BIOMETRY];",
    "another category of a workspace": f"string a = 1 [{F} = {{category: DATA_CATEGORY_BIOMETRY, workspace: true}}];",
    "another category of keys": f"map<string, string> a = 1 [{F} = {{category: {USER}, map_key: "
    f"DATA_CATEGORY_BIOMETRY}}];",
    "another option": f'string a = 1 [{F}.category = {USER}, (kannelle.privacy.v1.kept) = "a month"];',
    "another option alone, of a message": '  N a = 1 [(kannelle.privacy.v1.kept) = "a month"];',
    "another category of a message": f"N a = 1 [{F}.category = DATA_CATEGORY_BIOMETRY];",
    "a further rule of many messages": f"repeated N a = 1 [{F} = {{hashed: true}}];",
    "a further rule of an any": f"google.protobuf.Any a = 1 [{F} = {{hashed: true}}];",
    "a further rule of a map of messages": f"map<string, N> a = 1 [{F} = {{map_key: {USER}, hashed: true}}];",
}


def newer(folder: Path, field: str, options: str = "") -> Any:
    source = NEWER.replace(ZERO, f"{ZERO}\n  DATA_CATEGORY_BIOMETRY = 95;", 1)
    (folder / "kannelle/privacy/v1").mkdir(parents=True)
    (folder / "kannelle/privacy/v1/annotations.proto").write_text(source, encoding="utf-8")
    known = f"string id = 9 [{F} = {{category: {USER}, subject: true}}];"
    body = f"message A {{ {options} {field} {known} }} message N {{ string x = 1 [{F}.category = {USER}]; }}"
    (folder / "a.proto").write_text(proto(body), encoding="utf-8")
    return load([folder])


@pytest.mark.parametrize("row", FIELDS)
def test_a_field_of_which_a_newer_annotation_says_what_is_unknown_goes_nowhere(row: str, tmp_path: Path) -> None:
    held = newer(tmp_path, FIELDS[row])
    made = Compiler(held, policy(flows="{t.A: [eu-service]}"))
    assert [field.name for field in made.plan("t.A", "eu-service").messages[0].fields] == ["id"]
    assert {finding.place for finding in lint(made) if finding.code == "annotation-newer"} >= {"t.A.a"}
    # Whom an item is about is read all the same, and so is whose name it is.
    message = held.message_class("t.A")(id="usr_1")
    assert (
        release_of(ReferenceEngine(made.plan("t.A", "eu-service")), message.SerializeToString()).payload
        == message.SerializeToString()
    )


def test_only_an_overlay_that_overrides_classifies_such_a_field(tmp_path: Path) -> None:
    held = newer(tmp_path, FIELDS["a further rule"])
    with pytest.raises(
        BadPolicy, match=r"t\.A\.a: its annotation says what this gateway is too old to know; say `overrides: true`"
    ):
        Compiler(held, policy("classifications: {t.A.a: {category: USER_ID}}"))
    made = Compiler(held, policy("classifications: {t.A.a: {category: USER_ID, overrides: true}}"))
    assert [field.name for field in made.plan("t.A", "eu-service").messages[0].fields] == ["a", "id"]


def test_an_unknown_option_of_more_than_a_field_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BadContract, match=r"a\.proto: A: this gateway is too old to know the option kannelle\.privacy\.v1\.sealed"
    ):
        newer(tmp_path, "string a = 1;", "option (kannelle.privacy.v1.sealed) = true;")


# ── Properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES: Final = st.sampled_from(["a", "b", "c", "d"])
FIELD: Final = st.tuples(
    NAMES, st.integers(1, 4), st.sampled_from(["TYPE_STRING", "TYPE_INT32"]), st.sampled_from([1, 3])
)
SHAPE: Final = st.lists(FIELD, max_size=4, unique_by=(lambda field: field[0], lambda field: field[1]))
VALUES: Final = st.lists(
    st.tuples(NAMES, st.integers(0, 3)), max_size=4, unique_by=(lambda value: value[0], lambda value: value[1])
)


def _file(fields: list[Any], values: list[Any]) -> FileDescriptorProto:
    file = FileDescriptorProto(name="x.proto", package="p")
    message = file.message_type.add(name="M")
    for name, number, kind, label in fields:
        message.field.add(name=name, number=number, type=kind, label=label)
    for name, number in values:
        file.enum_type.add(name="E") if not file.enum_type else None
        file.enum_type[0].value.add(name=name, number=number)
    return file


def _plainly(ours: list[Any], theirs: list[Any]) -> bool:
    """Whether no pair of two lists of named, numbered things shares a name or a number and isn't alike."""
    return all(one == other for one in ours for other in theirs if one[0] == other[0] or one[1] == other[1])


@settings(max_examples=300, deadline=None)
@given(SHAPE, VALUES, SHAPE, VALUES)
def test_two_versions_agree_if_a_plain_reading_finds_no_pair_that_doesn_t(
    ours: Any, our: Any, theirs: Any, their: Any
) -> None:
    one, other = _file(ours, our), _file(theirs, their)
    assert (incompatibility(one, other) == "") is (_plainly(ours, theirs) and _plainly(our, their))
    both = combined(one, other)
    assert list(both.message_type[0].field) == list(one.message_type[0].field)


SAID: Final = st.builds(
    annotations_pb2.FieldPrivacy,
    category=st.sampled_from([0, 1, 2, 3, 10, 95]),
    map_key=st.sampled_from([0, 3, 95]),
    pattern=st.sampled_from(["", "x[0-9]{1,3}"]),
    subject=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(SAID, st.sampled_from([b"", b"\xa0\x01\x01", b"\xaa\x01\x02hi"]), st.sampled_from(["string", "N", "map", "Any"]))
def test_a_newer_annotation_never_keeps_more_than_what_is_known_of_it_would(said: Any, more: bytes, kind: str) -> None:
    """`more` are fields 20 and 21, which nobody knows here."""
    kinds = {"string": "string", "N": "N", "map": "map<string, string>", "Any": "google.protobuf.Any"}
    base = contract(proto(f"message A {{ {kinds[kind]} a = 1; }} message N {{ string x = 1 @OPERATIONAL; }}"))
    file = FileDescriptorProto.FromString(base.files["f0.proto"].SerializeToString())
    raw = said.SerializeToString() + more
    option = _varint(2303741 << 3 | 2) + _varint(len(raw)) + raw
    file.message_type[0].field[0].options.ParseFromString(option)
    held = type(base)([*(one for name, one in base.files.items() if name != "f0.proto"), file])
    kept = {field.name for field in Compiler(held, policy()).plan("t.A", "eu-store").messages[0].fields}
    unknown = bool(more) or 95 in (said.category, said.map_key)
    assert not (unknown and kept)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def test_what_a_newer_file_of_the_gateways_speaks_of_is_there(tmp_path: Path) -> None:
    theirs = context()
    theirs.message_type.add(name="Device2").field.append(bit("on", 1))
    more = FileDescriptorProto(
        name="kannelle/privacy/v1/more.proto", package="kannelle.privacy.v1", dependency=[theirs.name], syntax="proto3"
    )
    field = bit("device", 1)
    field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, ".kannelle.privacy.v1.Device2"
    more.message_type.add(name="More").field.append(field)
    assert "kannelle.privacy.v1.More" in loaded(tmp_path, ours(), theirs, more).messages
