"""What the environment says of the program."""

from __future__ import annotations

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs

from gateway.pipe.resource import resource_prefix


@pytest.mark.parametrize(
    ("name", "listed", "attributes"),
    [
        ("video", "", {"service.name": "video"}),
        ("", "a=b, c = d%20e ,f=g=h", {"a": "b", "c": "d e", "f": "g=h"}),
        ("video", "service.name=other,a=b", {"service.name": "video", "a": "b"}),
        ("video", "a", {"service.name": "video"}),
        ("", "a=b,c", {}),
        ("", "a=%ff", {"a": "\ufffd"}),
        ("\udcff", "", {}),
    ],
)
def test_the_environment_names_the_program(name: str, listed: str, attributes: dict[str, str]) -> None:
    made = ResourceLogs.FromString(resource_prefix({"OTEL_SERVICE_NAME": name, "OTEL_RESOURCE_ATTRIBUTES": listed}))
    assert {pair.key: pair.value.string_value for pair in made.resource.attributes} == attributes


def test_nothing_said_is_nothing_added() -> None:
    assert resource_prefix({}) == b""
