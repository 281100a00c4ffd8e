"""Who gets what of an item."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from gateway.errors import ItemReason, Reason, Refused
from gateway.model import Facts, Release, Withheld
from gateway.pipeline.flows import Flow, Flows
from tests.support.contracts import UNKNOWN_FACTS, compiler
from tests.support.requests import field

V1: Final = "kannelle.privacy.v1."
BODY: Final = """
message Seen { string id = 1 @USER_ID; string name = 2 @NAME; string mail = 3 @WORK_EMAIL; }
message Unsent { string id = 1 @USER_ID; }
"""
FLOWS: Final = (
    "{t.Seen: [eu-service, us-vendor], "
    f"{V1}AnalyticsService/*: [eu-log], {V1}AnalyticsService/TrackEvent: [us-store], "
    f"{V1}SupportService/SendMessage: [eu-log], {V1}AccessEntry: [eu-log], otlp/logs: [eu-log]}}"
)
PLAN: Final = "tracking_plan:\n  video.exported: {properties: {codec: {one_of: [h264]}}}\n"


@pytest.fixture(scope="module")
def flows() -> Flows:
    return Flows(compiler(BODY, PLAN, FLOWS))


def destinations(flow: Flow, raw: bytes = b"", facts: Facts = UNKNOWN_FACTS) -> list[str]:
    return [verdict.destination for verdict in flow.decide(raw, facts)]


EVENT: Final = field(2, b"video.exported")


@pytest.mark.parametrize(
    ("service", "method", "expected"),
    [
        ("AnalyticsService", "TrackEvent", ["us-store"]),
        ("AnalyticsService", "TrackEvents", ["eu-log"]),
        ("AnalyticsService", "AnythingElse", ["eu-log"]),
        ("SupportService", "SendMessage", ["eu-log"]),
    ],
)
def test_a_calls_own_flow_comes_before_its_services(
    service: str, method: str, expected: list[str], flows: Flows
) -> None:
    assert destinations(flows.of_method(f"{V1}{service}", method), EVENT) == expected


def reason_of(call: object) -> Reason:
    assert callable(call)
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.reason


@pytest.mark.parametrize(
    ("service", "method"),
    [
        ("SupportService", "SendMessages"),
        ("ActivityLogService", "RecordActivity"),
        ("", ""),
        ("AnalyticsService/TrackEvent", ""),
    ],
)
def test_a_call_without_a_flow_is_refused(service: str, method: str, flows: Flows) -> None:
    assert reason_of(lambda: flows.of_method(f"{V1}{service}", method)) is ItemReason.UNKNOWN_FLOW


@pytest.mark.parametrize(
    ("type", "reason"),
    [
        ("t.Unsent", ItemReason.UNKNOWN_FLOW),
        (f"{V1}AnalyticsEvent", ItemReason.UNKNOWN_FLOW),
        ("google.protobuf.Any", ItemReason.UNKNOWN_FLOW),
        ("t.Unheard", ItemReason.UNKNOWN_TYPE),
        ("t.seen", ItemReason.UNKNOWN_TYPE),
        ("", ItemReason.UNKNOWN_TYPE),
    ],
)
def test_a_type_without_a_flow_is_refused(type: str, reason: Reason, flows: Flows) -> None:
    assert reason_of(lambda: flows.of_type(type)) is reason


def test_nobody_can_send_an_item_that_only_the_gateway_makes(flows: Flows) -> None:
    assert flows.find(f"{V1}AccessEntry") is not None
    assert reason_of(lambda: flows.of_type(f"{V1}AccessEntry")) is ItemReason.UNKNOWN_FLOW


def test_a_signal_has_a_flow_or_is_refused(flows: Flows) -> None:
    assert destinations(flows.of("otlp/logs")) == ["eu-log"]
    assert reason_of(lambda: flows.of("otlp/traces")) is ItemReason.UNKNOWN_FLOW


def test_each_destination_gets_what_it_may(flows: Flows) -> None:
    item = field(1, b"usr_1") + field(2, b"Ana") + field(3, b"ana@acme.example")
    eu, us = flows.of_type("t.Seen").decide(item, UNKNOWN_FACTS)
    assert isinstance(eu, Release)
    assert isinstance(us, Release)
    assert (eu.destination, eu.payload) == ("eu-service", item)
    assert (us.destination, us.payload) == ("us-vendor", field(1, b"usr_1") + field(3, b"ana@acme.example"))
    assert {eu.type, us.type} == {"t.Seen"}
    assert eu.plan == flows.engine("t.Seen", "eu-service").plan.digest != us.plan


def test_a_vendor_gets_nothing_of_a_personal_account(flows: Flows) -> None:
    facts = Facts(received_ns=0, personal=True)
    eu, us = flows.of_type("t.Seen").decide(field(1, b"usr_1"), facts)
    assert isinstance(eu, Release)
    assert us == Withheld("us-vendor", ItemReason.PERSONAL_ACCOUNT)


@pytest.mark.parametrize("raw", [b"\xff", field(2, b"\xff")])
def test_what_one_destination_refuses_none_gets(raw: bytes, flows: Flows) -> None:
    """The name is read for one of the two only."""
    assert reason_of(lambda: flows.of_type("t.Seen").decide(raw, UNKNOWN_FACTS)) is ItemReason.MALFORMED


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_threads_do_not_disturb_one_another(flows: Flows) -> None:
    """Receivers decide on large items in threads."""
    flow = flows.of_type("t.Seen")
    items = [field(1, b"usr_%d" % number) + field(3, b"Ana%d@acme.example" % (number % 7)) for number in range(300)]
    alone = [flow.decide(item, UNKNOWN_FACTS) for item in items]
    other = Flows(compiler(BODY, PLAN, FLOWS)).of_type("t.Seen")
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: [other.decide(item, UNKNOWN_FACTS) for item in items], range(4)))
    assert together == [alone] * 4


def test_a_minimiser_is_made_once(flows: Flows) -> None:
    assert flows.engine("t.Unsent", "eu-log") is flows.engine("t.Unsent", "eu-log")
    assert destinations(flows.only("t.Unsent", "eu-log")) == ["eu-log"]


@pytest.mark.parametrize(("type", "destination"), [("t.Unheard", "eu-log"), ("t.Seen", "nowhere")])
def test_an_unknown_name_has_no_minimiser(type: str, destination: str, flows: Flows) -> None:
    with pytest.raises(KeyError):
        flows.engine(type, destination)


def test_a_flow_of_a_type_that_is_not_here_takes_nothing() -> None:
    flows = Flows(compiler(BODY, flows="{t.Unheard: [eu-log]}"))
    with pytest.raises(Refused, match=ItemReason.UNKNOWN_TYPE):
        flows.of_type("t.Unheard")
