"""Calls to a running gateway move each metric by the right amount, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.config import Local, LocalHttp
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.fake_delivery import FakeDelivery
from tests.support.metric_samples import Sample, sample_value, samples
from tests.support.requests import (
    DESCRIBE,
    EMIT,
    LOGS,
    PREVIEW,
    PROFILES,
    STREAM,
    TRACK,
    TRACK_BATCH,
    emit_request,
    event,
    field,
    logs_request,
    track_request,
)
from tests.support.running_gateway import RunningGateway, run_gateway

Made = Callable[[RunningGateway], Any]

FLOW: Final = "kannelle.privacy.v1.AnalyticsService/*"
ANALYTICS: Final = "kannelle.privacy.v1.AnalyticsService"
LOGS_SERVICE: Final = LOGS[1:].rpartition("/")[0]
MANY: Final = track_request(event(), event(user_id="not one"), event(work_email="anna@gmail.com"))


def moved(before: Mapping[Sample, float], after: Mapping[Sample, float]) -> dict[str, float]:
    """What differs, as Prometheus writes it.

    Sums and inner buckets, which depend on the clock, and what is in use are left out.
    """
    changes = {one: count - before.get(one, 0) for one, count in after.items() if count != before.get(one, 0)}
    kept = {
        one: by
        for one, by in changes.items()
        if not one[0].endswith(("_sum", "_bucket")) and not one[0].startswith("resource_")
    }
    return {
        f"{name}{{{','.join(f'{key}={value}' for key, value in sorted(labels))}}}": by
        for (name, labels), by in kept.items()
    }


def called(service: str, code: str = "OK", listener: str = "local", by: int = 1) -> dict[str, int]:
    return {
        f"calls_total{{code={code},listener={listener},service={service}}}": by,
        f"call_duration_seconds_count{{listener={listener},service={service}}}": by,
    }


def decided(flow: str, accepted: int, *, rejected: Mapping[str, int] | None = None) -> dict[str, int]:
    refused = {
        f"items_total{{flow={flow},outcome=rejected,reason={reason}}}": count
        for reason, count in (rejected or {}).items()
    }
    if not accepted:
        return refused
    return {
        f"items_total{{flow={flow},outcome=accepted,reason=}}": accepted,
        f"decision_duration_seconds_count{{flow={flow}}}": accepted,
        **refused,
    }


def released(destination: str, count: int) -> dict[str, int]:
    return {f"verdicts_total{{destination={destination},reason=,verdict=release}}": count}


def stripped(destination: str, category: str, cause: str, by: int = 1) -> dict[str, int]:
    return {f"fields_stripped_total{{category={category},cause={cause},destination={destination}}}": by}


CANCELLED: Final[Sample] = (
    "calls_total",
    frozenset({("listener", "local"), ("service", ANALYTICS), ("code", "CANCELLED")}),
)

WITHHELD: Final = {"verdicts_total{destination=analytics,reason=PERSONAL_ACCOUNT,verdict=withhold}": 1}

TABLE: Final[Mapping[str, tuple[Made, Mapping[str, int]]]] = {
    "an item": (
        lambda g: g.raw(TRACK, track_request()),
        called(ANALYTICS) | decided(FLOW, 1) | released("analytics", 1),
    ),
    "a field that the plan doesn't have": (
        lambda g: g.raw(TRACK, track_request(event(full_name="Anna"))),
        called(ANALYTICS) | decided(FLOW, 1) | released("analytics", 1) | stripped("analytics", "NAME", "plan"),
    ),
    "a value that fails": (
        lambda g: g.raw(TRACK, track_request(event(user_id="not one"))),
        called(ANALYTICS) | decided(FLOW, 1) | released("analytics", 1) | stripped("analytics", "USER_ID", "value"),
    ),
    "a withheld item": (
        lambda g: g.raw(TRACK, track_request(event(work_email="anna@gmail.com"))),
        called(ANALYTICS) | decided(FLOW, 1) | WITHHELD,
    ),
    "an item that isn't one": (
        lambda g: g.raw(TRACK, b"\xff"),
        called(ANALYTICS, "INVALID_ARGUMENT") | decided("", 0, rejected={"MALFORMED": 1}),
    ),
    "a batch": (
        lambda g: g.raw(TRACK_BATCH, MANY),
        called(ANALYTICS)
        | decided(FLOW, 3)
        | released("analytics", 2)
        | WITHHELD
        | stripped("analytics", "USER_ID", "value"),
    ),
    "a batch that isn't one": (lambda g: g.raw(TRACK_BATCH, b"\xff"), called(ANALYTICS, "INVALID_ARGUMENT")),
    "a type without a flow": (
        lambda g: g.raw(EMIT, emit_request("anna.example.Type")),
        called("kannelle.privacy.v1.EmitService", "FAILED_PRECONDITION") | decided("", 0, rejected={"UNKNOWN_TYPE": 1}),
    ),
    "a preview": (
        lambda g: g.raw(PREVIEW, field(2, b"")),
        called("kannelle.privacy.v1.PrivacyService", "FAILED_PRECONDITION"),
    ),
    "no preview": (lambda g: g.raw(PREVIEW, b""), called("kannelle.privacy.v1.PrivacyService", "INVALID_ARGUMENT")),
    "a description": (
        lambda g: g.raw(DESCRIBE, b"\xff"),
        called("kannelle.privacy.v1.PrivacyService", "INVALID_ARGUMENT"),
    ),
    "records": (
        lambda g: g.raw(LOGS, logs_request("INFO", "WARN").SerializeToString()),
        called(LOGS_SERVICE) | decided("otlp/logs", 2) | released("application-log", 2),
    ),
    "attributes": (
        lambda g: g.raw(LOGS, attributes("anna@example.com", "user.full_name", "user.id")),
        called(LOGS_SERVICE)
        | decided("otlp/logs", 1)
        | released("application-log", 1)
        | stripped("application-log", "UNSPECIFIED", "plan", 2)
        | stripped("application-log", "UNSPECIFIED", "value"),
    ),
    "profiles": (lambda g: g.raw(PROFILES, b""), called(PROFILES[1:].rpartition("/")[0], "UNIMPLEMENTED")),
    "a method that isn't there": (lambda g: g.raw(f"{TRACK}Anna", b""), {}),
}


def attributes(*keys: str) -> bytes:
    """A record with values that no attribute may have."""
    request = logs_request("INFO")
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    for key in keys:
        record.attributes.add(key=key).value.string_value = "anna"
    return request.SerializeToString()


@pytest.mark.parametrize("row", TABLE)
async def test_a_call_moves_what_it_should(row: str, tmp_path: Path) -> None:
    call, expected = TABLE[row]
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        before = samples(gateway.gateway.telemetry)
        await call(gateway)
        assert moved(before, samples(gateway.gateway.telemetry)) == expected


async def test_a_streams_items_count_each(tmp_path: Path) -> None:
    async with run_gateway(tmp_path, FakeDelivery()) as gateway:
        await gateway.raw_stream(STREAM, [track_request(), b"\xff", track_request()])
        assert sample_value(gateway, "items_total", flow=FLOW, outcome="accepted", reason="") == 2
        assert sample_value(gateway, "items_total", flow="", outcome="rejected", reason="MALFORMED") == 1
        assert sample_value(gateway, "calls_total", listener="local", service=ANALYTICS, code="OK") == 1


async def test_a_call_that_is_cancelled_counts_as_such(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with run_gateway(tmp_path, gate) as gateway:
        method: Any = gateway.channel.unary_unary(TRACK)
        call = method(track_request())
        await gate.wait_for(1)
        call.cancel()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while (ended := samples(gateway.gateway.telemetry).get(CANCELLED)) is None:
                await gateway.raw(DESCRIBE, b"\xff")
        assert ended == 1
        gate.open()


async def test_the_loads_of_the_first_policy_are_shown(tmp_path: Path) -> None:
    async with run_gateway(
        tmp_path, FakeDelivery(), local=Local(address="127.0.0.1:0"), local_http=LocalHttp(address="127.0.0.1:0")
    ) as gateway:
        shown = samples(gateway.gateway.telemetry)
        assert [dict(labels)["version"] for name, labels in shown if name == "policy_info"] == ["1"]
        assert sample_value(gateway, "calls_total", listener="local_http", service=LOGS_SERVICE, code="OK") == 0
