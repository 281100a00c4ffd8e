from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from gateway.demo import proposed_exporters as proposed
from gateway.demo.backends import ANALYTICS, EVENT, MESSAGE, SUPPORT
from gateway.demo.expectations import ACCEPTED_PATHS
from gateway.demo.vendor_bodies import parse_event, parse_ticket
from gateway.exporters.settings import TemplateSettings
from gateway.exporters.template.placeholders import leaves, template_parts

TRACK: Final[dict[str, Any]] = {
    "type": "track",
    "messageId": "00ff",
    "event": "video.exported",
    "userId": "usr_1",
    "timestamp": "2026-01-02T03:04:05Z",
    "properties": {"codec": "h264", "duration_s": 3, "subtitled": True, "share": 0.5},
    "context": {"app": {"version": "7.3.0"}, "traits": {"email": "a@acme.example"}},
}
TICKET: Final[dict[str, Any]] = {
    "subject": "SUPPORT_TOPIC_EXPORT, sup_1",
    "comment": {"body": "The discussion is in the archive under sup_1. User: usr_1.", "public": False},
    "requester": {"name": "usr_1", "email": "a@acme.example"},
    "external_id": "sup_1",
    "tags": ["kannelle", "SUPPORT_TOPIC_EXPORT"],
}


def test_a_track_call_is_read_as_an_event() -> None:
    read = parse_event(TRACK)
    assert (read.unexpected, read.fields) == (
        (),
        {
            "name": "video.exported",
            "time": "2026-01-02T03:04:05Z",
            "user": {"user_id": "usr_1", "work_email": "a@acme.example", "device": {"app_version": "7.3.0"}},
            "properties": {
                "codec": {"string_value": "h264"},
                "duration_s": {"int_value": 3},
                "subtitled": {"bool_value": True},
                "share": {"double_value": 0.5},
            },
        },
    )


def test_a_ticket_is_read_as_a_message() -> None:
    read = parse_ticket(TICKET)
    assert (read.unexpected, read.fields) == (
        (),
        {
            "reference": "sup_1",
            "topic": "SUPPORT_TOPIC_EXPORT",
            "user": {"user_id": "usr_1", "work_email": "a@acme.example"},
        },
    )


@pytest.mark.parametrize(
    ("read", "body", "odd"),
    [
        (parse_event, {**TRACK, "ip": "203.0.113.1"}, ("ip",)),
        (parse_event, {**TRACK, "context": {"traits": {"name": "Ada"}}}, ("context.traits.name",)),
        (parse_event, {**TRACK, "anonymousId": "somebody"}, ("anonymousId",)),
        (parse_event, {**TRACK, "type": "identify"}, ("type",)),
        (parse_ticket, {**TICKET, "tags": ["kannelle", "SUPPORT_TOPIC_EXPORT", "ada"]}, ("tags.2",)),
        (parse_ticket, {**TICKET, "subject": "Our export stops"}, ("subject",)),
        (
            parse_ticket,
            {**TICKET, "comment": {"body": "Please ring", "public": True}},
            ("comment.body", "comment.public"),
        ),
    ],
)
def test_what_is_anywhere_else_is_odd(
    read: Callable[[Mapping[str, Any]], Any], body: Mapping[str, Any], odd: tuple[str, ...]
) -> None:
    assert read(body).unexpected == odd


@pytest.mark.parametrize(("destination", "type"), [(ANALYTICS, EVENT), (SUPPORT, MESSAGE)])
def test_what_a_vendor_takes_is_what_the_policy_proposes(destination: str, type: str) -> None:
    exporter = proposed.proposed_exporters()[destination]
    assert isinstance(exporter, TemplateSettings)
    assert list(exporter.items) == [type]
    texts = [leaf for _, leaf in leaves(exporter.items[type]) if isinstance(leaf, str)]
    assert {
        ".".join(part) for text in texts for part in template_parts(text) if isinstance(part, tuple)
    } == ACCEPTED_PATHS[destination]
