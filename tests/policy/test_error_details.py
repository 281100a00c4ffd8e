"""What passes of gRPC's error details, whoever brings their protos; a field that a newer version brings is noticed."""

from __future__ import annotations

import importlib.resources
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import text_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from gateway.contracts.load import load
from gateway.policy import error_details
from gateway.policy.compile import Compiler
from gateway.policy.flow_targets import contract_types
from tests.support.contracts import (
    PROTO_HEADER,
    compiler,
    contract,
    decode,
    encode,
    minimiser,
    policy,
    proto,
    release_of,
)

UNCLASSIFIED: Final = {
    "ErrorInfo.metadata",
    "DebugInfo.stack_entries",
    "DebugInfo.detail",
    "QuotaFailure.Violation.subject",
    "QuotaFailure.Violation.quota_dimensions",
    "PreconditionFailure.Violation.subject",
    "RequestInfo.request_id",
    "RequestInfo.serving_data",
    "ResourceInfo.resource_type",
    "ResourceInfo.resource_name",
    "ResourceInfo.owner",
    "ResourceInfo.description",
    "Help.Link.description",
    "Help.Link.url",
    "LocalizedMessage.locale",
}
HOLDERS: Final = {
    "QuotaFailure.violations",
    "PreconditionFailure.violations",
    "BadRequest.field_violations",
    "BadRequest.FieldViolation.localized_message",
    "Help.links",
    "Status.details",
}
"""Messages and `Any`: what they hold decides."""


def names(message: Any) -> set[str]:
    own = {field.full_name.removeprefix(error_details.RPC_PACKAGE) for field in message.fields}
    return own.union(*(names(nested) for nested in message.nested_types if not nested.GetOptions().map_entry))


def test_every_field_is_decided_on() -> None:
    modules = (error_details_pb2, status_pb2)
    found = set().union(
        *(names(message) for module in modules for message in module.DESCRIPTOR.message_types_by_name.values())
    )
    assert found == UNCLASSIFIED | HOLDERS | {
        name.removeprefix(error_details.RPC_PACKAGE) for name in error_details.CLASSIFICATIONS
    }


@pytest.mark.parametrize(
    ("type", "text", "inside", "closed", "outside"),
    [
        ("RetryInfo", "retry_delay {seconds: 5}", *["retry_delay {seconds: 5}"] * 3),
        ("RetryInfo", "retry_delay {seconds: 99999}", "", "", ""),
        ("ErrorInfo", 'reason: "FULL" domain: "crm.kannelle.io" metadata {key: "who" value: "ada@acme.example"}',
         *['reason: "FULL" domain: "crm.kannelle.io"'] * 2, 'reason: "FULL"'),
        ("ErrorInfo", 'reason: "ada@acme.example" domain: "ada@acme.example"', "", "", ""),
        ("QuotaFailure", ('violations {subject: "clientip:1.2.3.4" description: "too many for ada@acme.example" '
                         'quota_value: 5}'),
         'violations {description: "too many for [EMAIL]" quota_value: 5}', "violations {quota_value: 5}", ""),
        ("PreconditionFailure", 'violations {type: "TOS" subject: "ada" description: "sign first"}',
         'violations {type: "TOS" description: "sign first"}', *['violations {type: "TOS"}'] * 2),
        ("BadRequest", ('field_violations {field: "contact.email" description: "bad: ada@acme.example" reason: '
                       '"MALFORMED"}'),
         'field_violations {field: "contact.email" description: "bad: [EMAIL]" reason: "MALFORMED"}',
         'field_violations {field: "contact.email" reason: "MALFORMED"}', 'field_violations {reason: "MALFORMED"}'),
        ("LocalizedMessage", 'locale: "fr-FR" message: "non"', 'message: "non"', "", ""),
        ("DebugInfo", 'stack_entries: "main" detail: "ada"', "", "", ""),
        ("RequestInfo", 'request_id: "1" serving_data: "ada"', "", "", ""),
        ("ResourceInfo", 'resource_name: "ada" owner: "ada" description: "hers"', "", "", ""),
        ("Help", 'links {url: "https://acme.example/ada" description: "hers"}', "", "", ""),
        ("Status", 'code: 5 message: "no ada@acme.example"', 'code: 5 message: "no [EMAIL]"', "code: 5", "code: 5"),
        ("Status", "code: 612345678", "", "", ""),
    ],
)  # fmt: skip
def test_what_a_recipient_gets_of_it(type: str, text: str, inside: str, closed: str, outside: str) -> None:
    held, name = contract(proto("message M {}")), f"{error_details.RPC_PACKAGE}{type}"
    for destination, wanted in (("eu-service", inside), ("eu-indirect", closed), ("us-service", outside)):
        left = release_of(minimiser("message M {}", name, destination), encode(held, name, text)).payload
        assert decode(held, name, left) == text_format.Parse(
            wanted, held.message_class(name)(), descriptor_pool=held.pool
        )


def test_they_are_carried_where_any_message_is() -> None:
    body = "message M { google.protobuf.Any any = 1; }"
    given = AnyMessage()
    given.Pack(error_details_pb2.ErrorInfo(reason="FULL", domain="ada@acme.example"))
    raw = b"\x0a" + bytes([given.ByteSize()]) + given.SerializeToString()
    message: Any = decode(contract(proto(body)), "t.M", release_of(minimiser(body, "t.M", "eu-service"), raw).payload)
    assert error_details_pb2.ErrorInfo.FromString(message.any.value) == error_details_pb2.ErrorInfo(reason="FULL")


@pytest.mark.parametrize(
    ("overlay", "wanted"),
    [
        ("{}", ""),
        ("{category: OPERATIONAL, one_of: [GONE]}", ""),
        ("{category: OPERATIONAL, one_of: [FULL]}", 'reason: "FULL"'),
        ("{category: CONTENT}", 'reason: "FULL"'),
    ],
)
def test_the_policy_has_the_last_word(overlay: str, wanted: str) -> None:
    more = f"classifications: {{google.rpc.ErrorInfo.reason: {overlay}}}"
    held, name = contract(proto("message M {}")), "google.rpc.ErrorInfo"
    left = release_of(minimiser("message M {}", name, "eu-service", more), encode(held, name, 'reason: "FULL"')).payload
    assert decode(held, name, left) == text_format.Parse(wanted, held.message_class(name)(), descriptor_pool=held.pool)


def test_an_overlay_that_is_not_approved_yet_is_no_return_to_what_is_built_in() -> None:
    made = compiler(
        "message M {}", "classifications: {google.rpc.ErrorInfo.reason: {category: OPERATIONAL, one_of: [GONE]}}"
    )
    assert "google.rpc.ErrorInfo.reason" not in error_details.unclaimed_classifications(made.claims)
    assert "google.rpc.ErrorInfo.domain" in error_details.unclaimed_classifications(made.claims)


OLDER: Final = """\
syntax = "proto3";
package google.rpc;
import "google/protobuf/duration.proto";
option go_package = "acme.example/rpc";
message RetryInfo { google.protobuf.Duration retry_delay = 1; }
message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
"""


def _copies() -> dict[str, str]:
    folder = importlib.resources.files("google.rpc")
    return {
        name: (folder / f"{name}.proto").read_text(encoding="utf-8") for name in ("error_details", "status", "code")
    }


@pytest.mark.parametrize("form", ["folder", "set"])
@pytest.mark.parametrize("copies", [_copies(), {"error_details": OLDER}], ids=["the same", "older"])
def test_a_contract_may_bring_its_own_copy(tmp_path: Path, form: str, copies: dict[str, str]) -> None:
    (tmp_path / "google" / "rpc").mkdir(parents=True)
    for name, text in copies.items():
        (tmp_path / "google" / "rpc" / f"{name}.proto").write_text(text, encoding="utf-8")
    body = 'import "google/rpc/error_details.proto"; message M { google.rpc.ErrorInfo info = 1; }'
    (tmp_path / "m.proto").write_text(proto(body, 'syntax = "proto3"; package t;'), encoding="utf-8")
    held = load([tmp_path if form == "folder" else _image(tmp_path)])
    assert contract_types(held) == ("t.M",)
    plan = Compiler(held, policy()).plan("t.M", "eu-service")
    assert [field.name for field in plan.messages[1].fields] == ["reason", "domain"]


def _image(folder: Path) -> Path:
    out = folder / "image.binpb"
    command = (
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{folder}",
        "--include_imports",
        f"--descriptor_set_out={out}",
        "m.proto",
    )
    subprocess.run(command, check=True)
    assert FileDescriptorSet.FromString(out.read_bytes()).file
    return out


def test_the_gateways_own_types_are_not_a_contracts() -> None:
    assert contract_types(contract(proto("message M {}", PROTO_HEADER))) == ("t.M",)
