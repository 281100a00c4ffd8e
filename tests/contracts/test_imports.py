"""What protos import: of other folders, of descriptor sets, of installed packages.

And what is said of what isn't there.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path
from typing import Final

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from gateway.contracts import installed
from gateway.contracts.load import load
from gateway.errors import BadContract

SYNTAX: Final = 'syntax = "proto3";\npackage t;\n'


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / f"{name.replace('__', '/')}.proto"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return path


def fault(*paths: Path) -> str:
    with pytest.raises(BadContract) as caught:
        load(paths)
    return str(caught.value)


BROUGHT: Final[dict[str, tuple[str, str]]] = {
    "google/api/annotations.proto": (
        'service S { rpc Get(A) returns (A) { option (google.api.http) = {get: "/a"}; } } message A {}',
        "google.api.HttpRule",
    ),
    "google/api/field_behavior.proto": ("message A { string a = 1 [(google.api.field_behavior) = REQUIRED]; }", ""),
    "google/api/resource.proto": (
        'message A { option (google.api.resource) = {type: "t/A"}; }',
        "google.api.ResourceDescriptor",
    ),
    "google/type/money.proto": ("message A { google.type.Money price = 1; }", "google.type.Money"),
    "google/type/date.proto": ("message A { google.type.Date day = 1; }", "google.type.Date"),
    "google/rpc/status.proto": ("message A { google.rpc.Status status = 1; }", "google.rpc.Status"),
    "google/protobuf/timestamp.proto": ("message A { google.protobuf.Timestamp at = 1; }", "google.protobuf.Timestamp"),
    # In the gateway itself, and as a generated module alone.
    "opentelemetry/proto/common/v1/common.proto": (
        "message A { opentelemetry.proto.common.v1.KeyValue kv = 1; }",
        "opentelemetry.proto.common.v1.KeyValue",
    ),
}


@pytest.mark.parametrize("name", BROUGHT)
def test_what_installed_packages_bring_is_found(name: str, tmp_path: Path) -> None:
    body, type_ = BROUGHT[name]
    held = load([folder(tmp_path / "a", a=f'{SYNTAX}import "{name}";\n{body}')])
    assert {"t.A", type_} - {""} <= set(held.messages)


MODULES: Final = {
    "buf/validate/validate.proto": "protovalidate/_gen/buf/validate/validate_pb.py",
    "protoc-gen-openapiv2/options/annotations.proto": "protoc_gen_openapiv2/options/annotations_pb2.py",
    "other/old.proto": "other/old_pb2.py",
}
CALLS: Final = {
    "protovalidate/_gen/buf/validate/validate_pb.py": "_DESC = file_desc(\n    {raw!r},\n    "
    "[descriptor_pb.desc()],\n)\n",
    "protoc_gen_openapiv2/options/annotations_pb2.py": "DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile({raw!r})\n",
    "other/old_pb2.py": "DESCRIPTOR = _descriptor.FileDescriptor(name='x', serialized_pb={raw!r})\n",
}
RUN: Final = "raise SystemExit('a module was run')\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages beside the real one."""
    site = tmp_path / "site-packages"
    site.mkdir()
    paths = sysconfig.get_paths()
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {**paths, "platlib": str(site)})
    return site


@pytest.mark.parametrize("name", MODULES)
def test_a_generated_module_tells_its_file_without_being_run(name: str, site: Path, tmp_path: Path) -> None:
    module = MODULES[name]
    (inner := FileDescriptorProto(name="deep/inner.proto", package="deep", syntax="proto3")).message_type.add(
        name="Inner"
    )
    file = FileDescriptorProto(name=name, package="found", syntax="proto3", dependency=["deep/inner.proto"])
    file.message_type.add(name="Rule").field.add(
        name="inner",
        number=1,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        type_name=".deep.Inner",
    )
    for path, call, held in ((module, CALLS[module], file), ("deep/inner_pb2.py", CALLS["other/old_pb2.py"], inner)):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(RUN + "X = f(b'no descriptor')\n" + call.format(raw=held.SerializeToString()))
    made = load([folder(tmp_path / "a", a=f'{SYNTAX}import "{name}";\nmessage A {{ found.Rule rule = 1; }}')])
    assert {"t.A", "found.Rule", "deep.Inner"} <= set(made.messages)


@pytest.mark.parametrize("text", ["", "(", "X = f(b'')\n", "X = f(b'\\xff\\xff')\n", "(" * 5000, "\0"])
def test_a_module_that_tells_nothing_is_as_if_it_were_not_there(text: str, site: Path, tmp_path: Path) -> None:
    (site / "other").mkdir()
    (site / "other/old_pb2.py").write_text(text)
    assert "other/old.proto: File not found." in fault(folder(tmp_path / "a", a=f'{SYNTAX}import "other/old.proto";\n'))


def test_a_folder_may_import_from_another_folder_and_from_a_descriptor_set(tmp_path: Path) -> None:
    shared = folder(tmp_path / "third", shared__money=f"{SYNTAX}message Money {{ int64 cents = 1; }}")
    file = FileDescriptorProto(name="sets/x.proto", package="sets", syntax="proto3")
    file.message_type.add(name="X")
    (tmp_path / "x.binpb").write_bytes(FileDescriptorSet(file=[file]).SerializeToString())
    body = (
        f'{SYNTAX}import "shared/money.proto";\nimport public "sets/x.proto";\nmessage A {{ Money m = 1; sets.X x = '
        f"2; }}"
    )
    own = folder(tmp_path / "own", a=body)
    for paths in ([own, shared, tmp_path / "x.binpb"], [tmp_path / "x.binpb", shared, own]):
        assert {"t.A", "t.Money", "sets.X"} <= set(load(paths).messages)
    assert "shared/money.proto: File not found." in fault(own, tmp_path / "x.binpb")


MISSING: Final = [
    (
        "google/api/none.proto",
        "google/api/none.proto: install the package googleapis-common-protos, name the folder that it is in among",
    ),
    ("buf/validate/none.proto", "buf/validate/none.proto: install the package protovalidate, name the folder"),
    ("protoc-gen-openapiv2/none.proto", "install the package protoc-gen-openapiv2, name the folder"),
    (
        "validate/validate.proto",
        "validate/validate.proto: name the folder that it is in among the contracts too, or give a descriptor set",
    ),
    (
        "our/common.proto",
        (
            "our/common.proto: name the folder that it is in among the contracts too, or give a descriptor set, which "
            "`buf build"
        ),
    ),
]


@pytest.mark.parametrize(("name", "text"), MISSING)
def test_what_is_not_found_is_named_with_how_to_provide_it(name: str, text: str, tmp_path: Path) -> None:
    said = fault(folder(tmp_path / "a", a=f'{SYNTAX}import "{name}";\n'))
    assert f"{name}: File not found." in said
    assert text in said


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('import "a.proto";', ["a.proto"]),
        ("import 'a/b-c.proto' ;import weak\n\"d.proto\";", ["a/b-c.proto", "d.proto"]),
        ('// import "x.proto";', ["x.proto"]),
        (
            (
                'import "../x.proto"; import "/etc/x.proto"; import "a/../x.proto"; import "a\\n.proto"; import '
                '"--x=y.proto";'
            ),
            [],
        ),
        ('message import_ { string import = 1; } "a.proto";', []),
    ],
)
def test_imports_are_read_and_none_that_leads_out(text: str, found: list[str]) -> None:
    assert list(installed.imports(text.encode())) == found
