from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import msgspec
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from gateway.demo.service import CallAnswer
from gateway.demo.session import DemoResult
from gateway.demo.verify import occurs
from tests.demo.played import Played

NAME = "Léa Fontaine"


@pytest.mark.parametrize(
    "raw",
    [
        NAME.encode(),
        f"…{NAME.lower()}…".encode(),
        json.dumps({"name": NAME}).encode(),
        quote(f"/people/{NAME}").encode(),
        quote(f"/people/{NAME}", safe="").lower().encode(),
        NAME.encode().hex().encode(),
        NAME.encode().hex().upper().encode(),
        *(base64.b64encode(b"-" * before + NAME.encode() + b"+" * after) for before in range(4) for after in range(3)),
        base64.urlsafe_b64encode(b"?>" + NAME.encode()),
        base64.b64encode(NAME.encode()).rstrip(b"="),
    ],
)
def test_a_value_is_found_in_any_form(raw: bytes) -> None:
    assert occurs(NAME.encode(), b'{"a": "' + raw + b'"}')


@pytest.mark.parametrize("raw", [b"", b"Fontaine", b"L\xc3\xa9a Fontain", base64.b64encode(b"Lea Fontaine")])
def test_what_is_not_there_is_not_found(raw: bytes) -> None:
    assert not occurs(NAME.encode(), raw)


def test_all_is_well_as_it_is(played: Played) -> None:
    assert played.examine().findings == ()


def with_message(
    destination: str, change: Callable[[tuple[Message, ...]], tuple[Message, ...]]
) -> Callable[[DemoResult], DemoResult]:
    return lambda seen: msgspec.structs.replace(
        seen, received={**seen.received, destination: change(seen.received[destination])}
    )


def with_fields(destination: str, **fields: object) -> Callable[[DemoResult], DemoResult]:
    """The first message of a destination, with some fields set to what their JSON says."""

    def change(messages: tuple[Message, ...]) -> tuple[Message, ...]:
        first = type(messages[0])()
        first.CopyFrom(messages[0])
        return (ParseDict(fields, first), *messages[1:])

    return with_message(destination, change)


def with_bytes(destination: str, raw: bytes) -> Callable[[DemoResult], DemoResult]:
    return lambda seen: msgspec.structs.replace(seen, raw={**seen.raw, destination: seen.raw[destination] + raw})


def with_answer(name: str, answer: CallAnswer) -> Callable[[DemoResult], DemoResult]:
    return lambda seen: msgspec.structs.replace(seen, answers={**seen.answers, name: answer})


def with_faults(destination: str, *faults: str) -> Callable[[DemoResult], DemoResult]:
    return lambda seen: msgspec.structs.replace(seen, faults={**seen.faults, destination: faults})


def with_metadata(*keys: str) -> Callable[[DemoResult], DemoResult]:
    return lambda seen: msgspec.structs.replace(seen, metadata=keys)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            with_fields("crm", note="off for a while"),
            ("crm", "Emit: kannelle.crm.v1.Contact: note", "left, and holds FREE_TEXT"),
        ),
        (with_fields("crm", full_name=""), ("crm", "Emit: kannelle.crm.v1.Contact: full_name", "is missing")),
        (
            with_fields("crm", full_name="Somebody Else"),
            ("crm", "Emit: kannelle.crm.v1.Contact: full_name", "left, and holds NAME"),
        ),
        (with_message("crm", lambda messages: ()), ("crm", "Emit: kannelle.crm.v1.Contact", "is missing")),
        (with_message("crm", lambda messages: messages * 2), ("crm", "an item", "arrived, and should not have")),
        (
            with_message("analytics", lambda messages: (*messages, messages[-1])),
            ("analytics", "an item", "arrived, and should not have"),
        ),
        (
            with_bytes("support", b"noor.HADDAD@lumen-pictures.example"),
            ("support", "within SendMessage", "found in what it got"),
        ),
        (
            with_bytes("application-log", base64.b64encode(b".Bastien Leroy")),
            ("application-log", "within logger.exception", "found in"),
        ),
        (
            with_bytes("activity-log", b'"https://kannelle.example/s/9f4tQx"'),
            ("activity-log", "share_link", "found in what it got"),
        ),
        (with_answer("TrackEvents", CallAnswer(3)), ("", "TrackEvents", "answered 3 accepted")),
        (with_answer("SendMessage", CallAnswer(failed="UNAVAILABLE")), ("", "SendMessage", "answered UNAVAILABLE")),
        (
            with_faults("support", "Zendesk: tags.2 is not as it should be"),
            ("support", "", "Zendesk: tags.2 is not as it should be"),
        ),
        (
            with_fields("workspace-directory", membership={"role": "WORKSPACE_ROLE_ADMIN"}),
            ("workspace-directory", "AddMembership: studio asks: membership.role", "left, and holds ORGANISATION"),
        ),
        (
            with_bytes("workspace-directory", b"('x-signed-in-as', 'Camille Aubert')"),
            ("workspace-directory", "within AddMembership", "found in what it got"),
        ),
        (
            with_fields("studio", membership={"workEmail": "lea.fontaine@halle-nord.example"}),
            ("studio", "AddMembership: workspaces answers: membership.work_email", "left, and holds WORK_EMAIL"),
        ),
        (with_message("studio", lambda messages: ()), ("studio", "AddMembership: workspaces answers", "is missing")),
        (
            with_message("access-log", lambda messages: messages[:1]),
            ("access-log", "workspaces' gateway", "is missing"),
        ),
        (
            with_fields("access-log", peer="crm.kannelle.svc"),
            ("access-log", "studio's gateway: peer", "left, and holds OPERATIONAL: 'crm.kannelle.svc'"),
        ),
        (
            with_answer("AddMembership", CallAnswer(failed="PERMISSION_DENIED")),
            ("", "AddMembership", "answered PERMISSION_DENIED"),
        ),
        (with_metadata("authorization", "x-signed-in-as"), ("workspace-directory", "metadata: x-signed-in-as", "left")),
        (with_metadata(), ("workspace-directory", "metadata: authorization", "is missing")),
        (lambda seen: msgspec.structs.replace(seen, answers={}), ("", "TrackEvent", "answered nothing")),
        (
            lambda seen: msgspec.structs.replace(seen, sent=seen.sent[2:]),
            ("", "OpenTelemetry SDK", "sent 3 of 4 records"),
        ),
    ],
)
def test_whatever_is_not_as_it_should_be_is_found(
    played: Played, change: Callable[[DemoResult], DemoResult], expected: tuple[str, str, str]
) -> None:
    told = played.examine(change)
    assert not told.ok
    destination, where, what = expected
    assert any(
        finding.destination == destination and finding.where.startswith(where) and finding.what.startswith(what)
        for finding in told.findings
    ), told.findings
