"""Loading contracts: from descriptor sets and from folders, any number of each, one meaning for each name."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st
from kannelle.privacy.v1 import annotations_pb2, context_pb2

from gateway.contracts.classify import claims, field_names
from gateway.contracts.contract import Contract, message_of
from gateway.contracts.load import default_path, load, read
from gateway.errors import BadContract
from tests.support.contracts import contract, proto

ROOT = Path(__file__).parents[2]

IMPORT = 'syntax = "proto3";\nimport "kannelle/privacy/v1/annotations.proto";\n'
BASE = """\
syntax = "proto3";
package acme.v1;
import "google/protobuf/timestamp.proto";
import "kannelle/privacy/v1/annotations.proto";
// What a reader sees, and no compiler.
message Contact {
  string user_id = 1 [(kannelle.privacy.v1.field) = {category: DATA_CATEGORY_USER_ID, subject: true}, deprecated = true];
  google.protobuf.Timestamp seen_at = 2;
  optional int32 _odd__name_1 = 3;
  map<string, int32> counts = 4 [(kannelle.privacy.v1.field).max = 5, (kannelle.privacy.v1.field).min = -5];
}
"""


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / f"{name}.proto").write_text(text, encoding="utf-8")
    return path


def protoc(folder: Path, out: Path, *flags: str) -> Path:
    stubs = Path(annotations_pb2.__file__).parents[3]
    names = [file.name for file in folder.glob("*.proto")]
    command = (
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        f"-I{stubs}",
        f"--descriptor_set_out={out}",
        *flags,
        *names,
    )
    subprocess.run(command, check=True)
    return out


def fault(*paths: Path) -> str:
    with pytest.raises(BadContract) as caught:
        load(paths)
    return str(caught.value)


def test_the_default_contract_holds_kannelles_own() -> None:
    assert {"kannelle.crm.v1.Contact", "kannelle.video.v1.VideoExported"} <= set(load([default_path()]).messages)


def test_without_a_path_there_is_what_the_gateway_brings() -> None:
    assert {
        "kannelle.privacy.v1.AnalyticsEvent",
        "opentelemetry.proto.logs.v1.LogRecord",
        "google.protobuf.Any",
    } <= set(load([]).messages)


def test_a_folder_is_compiled_with_its_imports(tmp_path: Path) -> None:
    held = load([folder(tmp_path / "a", contact=BASE)])
    assert (
        message_of(held.message("acme.v1.Contact").fields_by_name["seen_at"]).full_name == "google.protobuf.Timestamp"
    )
    assert "acme.v1.Contact.user_id" in held.annotations


def test_several_sources_are_one_contract(tmp_path: Path) -> None:
    other = folder(
        tmp_path / "b",
        b='syntax = "proto3"; package acme.b; import "a.proto"; message B { acme.v1.Contact contact = 1; }',
        a=BASE,
    )
    held = load([folder(tmp_path / "a", a=BASE), protoc(other, tmp_path / "b.binpb"), default_path()])
    assert {"acme.v1.Contact", "acme.b.B", "kannelle.crm.v1.Contact"} <= set(held.messages)


@pytest.mark.parametrize(
    "flags", [(), ("--include_imports",), ("--include_imports", "--include_source_info"), ("--retain_options",)]
)
def test_one_file_is_the_same_from_a_folder_and_from_protoc(tmp_path: Path, flags: tuple[str, ...]) -> None:
    source = folder(tmp_path / "a", a=BASE)
    held = load([source, protoc(source, tmp_path / "a.binpb", *flags)])
    assert "acme.v1.Contact" in held.messages


def test_one_file_is_the_same_from_a_folder_and_from_buf(tmp_path: Path) -> None:
    source = folder(tmp_path / "a", a=BASE)
    module = tmp_path / "module"
    shutil.copytree(
        Path(annotations_pb2.__file__).parents[3] / "kannelle",
        module / "kannelle",
        ignore=shutil.ignore_patterns("*.py*"),
    )
    shutil.copytree(source, module, dirs_exist_ok=True)
    (module / "buf.yaml").write_text("version: v2\n")
    image = tmp_path / "image.binpb"
    subprocess.run((Path(sys.executable).with_name("buf"), "build", str(module), "-o", str(image)), check=True)
    assert "acme.v1.Contact" in load([image, source]).messages


def test_the_gateways_own_files_are_the_same_compiled_anew() -> None:
    """The stubs hold generated descriptors, without JSON names; a folder's are compiled."""
    assert "kannelle.privacy.v1.UserContext" in load([ROOT / "protos"]).messages


@pytest.mark.parametrize("first", ["folder", "set"])
def test_two_files_of_one_name_that_differ_are_an_error_that_names_both(tmp_path: Path, first: str) -> None:
    source = folder(tmp_path / "new", a=BASE.replace("int32 _odd", "int64 _odd"))
    image = protoc(folder(tmp_path / "old", a=BASE), tmp_path / "old.binpb")
    paths = [source, image] if first == "folder" else [image, source]
    assert fault(*paths) == f"a.proto: the file in {paths[1]} differs from the one in {paths[0]}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DATA_CATEGORY_USER_ID", "DATA_CATEGORY_OPERATIONAL"),
        ("deprecated = true", "deprecated = false"),
        ("deprecated = true", 'json_name = "id"'),
        ("seen_at = 2", "seen_at = 5"),
        ("optional int32", "int32"),
    ],
)
def test_a_difference_that_means_something_counts(tmp_path: Path, old: str, new: str) -> None:
    assert "differs" in fault(folder(tmp_path / "a", a=BASE), folder(tmp_path / "b", a=BASE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("// What a reader sees", "// Another"), ("\n", "\n\n"), ("user_id = 1 [", 'user_id = 1 [json_name = "userId", ')],
)
def test_a_difference_that_means_nothing_does_not_count(tmp_path: Path, old: str, new: str) -> None:
    assert (
        "acme.v1.Contact"
        in load([folder(tmp_path / "a", a=BASE), folder(tmp_path / "b", a=BASE.replace(old, new))]).messages
    )


def test_a_file_that_differs_from_the_gateways_own_is_an_error(tmp_path: Path) -> None:
    image = tmp_path / "old.binpb"
    file = FileDescriptorProto.FromString(context_pb2.DESCRIPTOR.serialized_pb)
    file.message_type[0].field[0].number = 77
    image.write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
    assert fault(image).startswith(
        f"kannelle/privacy/v1/context.proto: the file in {image} contradicts the one in the gateway itself: "
    )


def test_what_the_runtime_brings_is_taken_from_the_runtime(tmp_path: Path) -> None:
    image = tmp_path / "a.binpb"
    timestamp = FileDescriptorProto(name="google/protobuf/timestamp.proto", package="google.protobuf", syntax="proto3")
    timestamp.message_type.add(name="Timestamp").field.add(
        name="text", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL"
    )
    image.write_bytes(FileDescriptorSet(file=[timestamp]).SerializeToString())
    assert [*load([image]).message("google.protobuf.Timestamp").fields_by_name] == ["seconds", "nanos"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('syntax = "proto3";\nmessage A {\n  strin a = 1;\n}', 'a.proto:3:3: "strin" is not defined.'),
        ('syntax = "proto3";\nmessage A {\n  string a = 1\n}', "a.proto:4:1:"),
        ('syntax = "proto3";\nimport "no/such.proto";', "no/such.proto: File not found."),
        (f"{IMPORT}message A {{\n  string a = 1 [(kannelle.privacy.v1.field).categry = 1]; }}", "a.proto:4:"),
    ],
)
def test_what_does_not_compile_is_named_by_file_and_line(tmp_path: Path, text: str, wanted: str) -> None:
    said = fault(folder(tmp_path / "x", a=text))
    assert said.startswith(f"{tmp_path / 'x'}: ")
    assert wanted in said


def test_a_folder_without_protos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "readme.md").write_text("none")
    assert fault(tmp_path / "x") == f"{tmp_path / 'x'}: no .proto files"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"version: 1\n",
        b"\x0a\x05hello",
        b"\xff" * 20,
        b"\x0a\x00",
        FileDescriptorProto(name="a.proto", package="acme.v1").SerializeToString(),
        b'{"file": []}',
    ],
)
def test_a_file_that_is_no_descriptor_set_is_an_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "x.binpb"
    path.write_bytes(raw)
    assert fault(path).startswith(f"{path}: not a FileDescriptorSet;")


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert fault(tmp_path / "none") == f"{tmp_path / 'none'}: No such file or directory"


def test_a_set_without_its_imports_is_an_error(tmp_path: Path) -> None:
    source = folder(
        tmp_path / "a",
        a=BASE,
        b='syntax = "proto3"; package acme.b; import "a.proto"; message B { acme.v1.Contact contact = 1; }',
    )
    image = protoc(source, tmp_path / "all.binpb")
    files = FileDescriptorSet.FromString(image.read_bytes())
    image.write_bytes(
        FileDescriptorSet(file=[file for file in files.file if file.name == "b.proto"]).SerializeToString()
    )
    assert fault(image) == "b.proto: imports a.proto, which no contract holds"


def test_files_that_import_each_other_are_an_error() -> None:
    names = ("a.proto", "b.proto", "c.proto")
    files = [FileDescriptorProto(name=name, dependency=[names[(index + 1) % 3]]) for index, name in enumerate(names)]
    with pytest.raises(BadContract, match=r"^a\.proto: imports itself by way of b\.proto and c\.proto$"):
        Contract(files)


@pytest.mark.parametrize("nested", [False, True])
def test_message_sets_are_refused(tmp_path: Path, nested: bool) -> None:
    old = "message Old { option message_set_wire_format = true; extensions 4 to max; }"
    body = f"message Outer {{ {old} }}" if nested else old
    assert (
        fault(folder(tmp_path / "a", a=f'syntax = "proto2"; package x;\n{body}'))
        == "a.proto: Old: message_set_wire_format is not supported"
    )


def test_two_files_that_define_one_type_are_an_error_that_names_a_file(tmp_path: Path) -> None:
    text = 'syntax = "proto3"; package x; message A {}'
    said = fault(folder(tmp_path / "a", a=text), folder(tmp_path / "b", b=text))
    assert said.startswith("b.proto: ")
    assert "x.A" in said


def test_a_source_is_read_without_what_the_runtime_brings(tmp_path: Path) -> None:
    ((_, files),) = read([folder(tmp_path / "a", a=proto("message A { google.protobuf.Any any = 1; }"))])
    assert {file.name for file in files} == {"a.proto", "kannelle/privacy/v1/annotations.proto"}


def test_a_field_that_says_it_extends_something_is_a_field(tmp_path: Path) -> None:
    file = FileDescriptorProto(name="a.proto", package="t")
    file.message_type.add(name="M").field.add(
        name="a", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL", extendee=".t.M"
    )
    (tmp_path / "x.binpb").write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
    assert "t.M.a" in field_names(load([tmp_path / "x.binpb"]))


@pytest.mark.parametrize("wanted", ["M", "a", "S", "Call", "E", "t", "dep.proto"])
def test_a_name_that_is_not_utf8_is_an_error(tmp_path: Path, wanted: str) -> None:
    file = FileDescriptorProto(name="a.proto", package="t", dependency=["dep.proto"])
    file.message_type.add(name="M").field.add(name="a", number=1, type="TYPE_STRING", label="LABEL_OPTIONAL")
    file.service.add(name="S").method.add(name="Call", input_type=".t.M", output_type=".t.M")
    file.enum_type.add(name="E").value.add(name="V", number=0)
    raw = FileDescriptorSet(file=[FileDescriptorProto(name="dep.proto"), file]).SerializeToString()
    sized = bytes([len(wanted)]) + wanted.encode()
    (tmp_path / "x.binpb").write_bytes(raw.replace(sized, sized[:1] + b"\xff" * len(wanted)))
    fault(tmp_path / "x.binpb")


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_descriptor_set_that_was_tampered_with_loads_or_is_bad(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed, cut or doubled anywhere: names that are no names, types that aren't there, text that is none."""
    raw = bytearray(TAMPERED)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["change", "cut", "double"])):
            case "change":
                raw[at] = data.draw(st.integers(0, 255))
            case "cut":
                del raw[at : at + data.draw(st.integers(1, 9))]
            case "double":
                raw[at:at] = raw[at : at + data.draw(st.integers(1, 9))]
    path = tmp_path_factory.mktemp("tampered") / "x.binpb"
    path.write_bytes(raw)
    with suppress(BadContract):
        held = load([path])
        field_names(held)
        claims(held, {})


def tampered() -> bytes:
    """A descriptor set with something of everything."""
    text = proto(
        """enum E { A = 0; B = 1; } service S { rpc Call(M) returns (stream M); }
        message M { string user_id = 1 @{category: USER_ID, pattern: "u[0-9]{1,3}"}; map<string, M> more = 2 @{map_key: OPERATIONAL};
        message Inner { E e = 1; } oneof which { Inner inner = 3; google.protobuf.Any any = 4; } repeated int32 numbers = 5; }"""
    )
    return FileDescriptorSet(file=[contract(text).files["f0.proto"]]).SerializeToString()


TAMPERED = tampered()
