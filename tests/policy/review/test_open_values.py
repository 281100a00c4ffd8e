"""Each piece of advice that `lint` gives on a kind of value works.

Applied as it says, the finding goes, and the value leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import pytest

from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.review.explain import explain
from gateway.policy.review.findings import Finding
from gateway.policy.review.lint import lint
from tests.support.contracts import POLICY, contract, proto

TYPES: Final[Mapping[str, str]] = {
    "string": "string",
    "int32": "int32",
    "uint64": "uint64",
    "double": "double",
    "float": "float",
    "bytes": "bytes",
    "bool": "bool",
    "enum": "E",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "struct": "google.protobuf.Struct",
    "value": "google.protobuf.Value",
    "string wrapper": "google.protobuf.StringValue",
    "int wrapper": "google.protobuf.Int64Value",
    "double wrapper": "google.protobuf.DoubleValue",
    "bytes wrapper": "google.protobuf.BytesValue",
    "bool wrapper": "google.protobuf.BoolValue",
    "message": "N",
    "repeated string": "repeated string",
    "repeated double": "repeated double",
    "repeated message": "repeated N",
    "map of strings": "map<string, string>",
    "map of doubles": "map<int32, double>",
    "map of messages": "map<string, N>",
    "map by bool": "map<bool, string>",
    "in a oneof": "ONEOF",
}

FLOATS: Final = re.compile(r"google\.protobuf\.DoubleValue|double|float")


class Case:
    """A message with one field of a type, and what was done to it.

    `lint` gives advice, and `apply` follows it to the letter.
    """

    def __init__(self, type: str, options: list[str], region: str) -> None:
        self.type = type
        self.options = options
        self.region = region
        self.timestamps = False

    @property
    def made(self) -> Compiler:
        label = f" @{{{', '.join(self.options)}}}" if self.options else ""
        field = f"oneof which {{ string f = 1{label}; }}" if self.type == "ONEOF" else f"{self.type} f = 1{label};"
        part = (
            ""
            if "N" not in self.type.replace("ONEOF", "")
            else "message N { string x = 1 @{category: OPERATIONAL, one_of: 'a'}; }"
        )
        body = f"message A {{ {field} string id = 9 @USER_ID; }} {part} enum E {{ NONE = 0; }}"
        policy = POLICY if self.timestamps else POLICY.replace("timestamps: {days_around_receipt: 7}\n", "")
        to = "us-vendor" if self.region == "US" else "eu-log, eu-store"
        return Compiler(contract(proto(body)), parse(f"{policy}flows: {{t.A: [{to}]}}\n"))

    def find(self) -> list[Finding]:
        return [
            one for one in lint(self.made) if one.place == "t.A.f" and one.code not in ("not-accepted", "empty-flow")
        ]

    def set(self, option: str, value: str) -> None:
        self.options = [one for one in self.options if not one.startswith(f"{option}:")] + [f"{option}: {value}"]

    def apply(self, finding: Finding) -> None:
        for said, follow in ADVICE:
            if match := re.search(said, finding.text):
                follow(self, match)
                return
        raise AssertionError(f"nobody could follow: {finding.text}")


def bounded(case: Case) -> None:
    case.set("min", "1")
    case.set("max", "9")


def integer(case: Case) -> None:
    case.type = FLOATS.sub(lambda match: "google.protobuf.Int64Value" if "." in match[0] else "int64", case.type)
    bounded(case)


def rows(case: Case) -> None:
    case.type, case.options = "repeated N", []


ADVICE: Final[list[tuple[str, Callable[[Case, re.Match[str]], None]]]] = [
    (r"its keys have no category \(`map_key`\)", lambda case, _: case.set("map_key", "OPERATIONAL")),
    (r"say what it holds, such as (?:USER_ID, )?(\w+)", lambda case, match: case.set("category", match[1])),
    (r"label it as what it holds \((\w+)", lambda case, match: case.set("category", match[1])),
    (r"say what it holds", lambda case, _: case.set("category", "OPERATIONAL")),
    (r"give it one_of or a pattern", lambda case, _: case.set("one_of", "'a'")),
    (r"give it min and max", lambda case, _: bounded(case)),
    (r"say `timestamps: \{days_around_receipt: 7\}` in the policy", lambda case, _: setattr(case, "timestamps", True)),
    (r"make it an integer with min and max", lambda case, _: integer(case)),
    (r"make it a list of messages whose fields have bounds", lambda case, _: rows(case)),
    (r"min and max would say which there are", lambda case, _: bounded(case)),
]


@pytest.mark.parametrize("region", ["EU", "US"])
@pytest.mark.parametrize("label", ["none", "OPERATIONAL"])
def test_each_piece_of_advice_can_be_followed_and_ends_what_it_is_about(label: str, region: str) -> None:
    for name, type_ in TYPES.items():
        if label != "none" and "message" in name:
            continue
        case = Case(type_, [] if label == "none" else [f"category: {label}"], region)
        told: list[str] = []
        found = case.find()
        while found:
            finding = found[0]
            told.append(finding.text)
            assert len(told) <= 5, (name, told)
            case.apply(finding)
            found = case.find()
            assert finding not in found, (name, told)
        if region == "US" and "opaque" not in str(told) and not {"bytes", "bytes wrapper", "struct", "value"} & {name}:
            kept = {
                path.partition(".")[0].removesuffix("[*]")
                for path, node in explain(case.made, "t.A", "us-vendor").walk()
                if node.kept
            }
            assert "f" in kept, (name, told)
