"""What is counted, and how Prometheus reads it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, get_args

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.errors import CallReason, Cause, DeliveryReason, FieldReason, ItemReason
from gateway.model import Category, FieldPath, FieldVerdict, QueueDepth, Release, Verdict, Withheld
from gateway.pipeline.batch_decision import BatchDecision
from gateway.pipeline.field_counters import EXACT_ITEMS, SAMPLING_STRIDE
from gateway.policy.document import Mode, TrafficDirection
from gateway.telemetry import GRPC_CODES, ProxyCallResult, ResourceUsage, Telemetry
from gateway.telemetry.counts import DeliveryOutcome, OutboxStatus
from gateway.telemetry.exposition import CONTENT_TYPE_OPENMETRICS, Exposition, is_openmetrics
from gateway.telemetry.metrics import (
    BUCKET_BOUNDS_SECONDS,
    BYTE_RESOURCES,
    CALL_DURATION,
    FIELDS_STRIPPED,
    LABELS,
    METRICS,
    PROCESS_METRICS,
    RESOURCES,
    MetricKind,
)
from gateway.telemetry.series import DurationSeries
from tests.support.one_by_one import batch_of

ROOT: Final = Path(__file__).parents[2]


class Flow:
    key = "a.Type"
    categories: Mapping[FieldPath, Category] = {
        (None, "name"): Category.NAME,
        (None, "text"): Category.FREE_TEXT,
        (None, "at"): Category.UNSPECIFIED,
    }


def release(destination: str = "log", **given: object) -> Release:
    return Release(destination, "a.Type", "", b"", **given)  # type: ignore[arg-type]


def decided(*verdicts: Verdict) -> Callable[[Telemetry], None]:
    batch = BatchDecision((0,), [batch_of([verdict]) for verdict in verdicts])
    return lambda telemetry: telemetry.record_batch(Flow(), batch, 6_000)


CALL: Final = {
    "listener": "outbound",
    "route": "a.example",
    "destination": "svc",
    "code": "OK",
    "reason": "",
    "mode": "enforce",
}
OPERATED: Final = {("crm", "DEAD_LETTERED"): 3, ("crm", "PURGED"): 4}
WAITING: Final = OutboxStatus(
    {"log": QueueDepth(3, 400, 1, 5, 700), "crm": QueueDepth()}, frozenset({"crm"}), 2, OPERATED
)

KEEP, STRIP, MASK = FieldVerdict
NOTES: Final = {
    ((None, "name"), FieldReason.TOO_LONG, STRIP): 2,
    ((None, "name"), FieldReason.LOOKS_LIKE_CARD, STRIP): 1,
    ((None, "name"), FieldReason.LOOKS_LIKE_IBAN, KEEP): 7,
    ((None, "text"), FieldReason.LOOKS_LIKE_EMAIL, MASK): 3,
    ((None, "at"), FieldReason.UNCLASSIFIED, STRIP): 5,
    ((None, "at"), FieldReason.CATEGORY_NOT_ALLOWED, STRIP): 1,
}


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(telemetry: Telemetry) -> Samples:
    """Every sample, by its name and labels."""
    return shown(Exposition(telemetry))


def shown(exposition: Exposition) -> Samples:
    text, _ = exposition.expose()
    families = text_string_to_metric_families(text.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    return sample(read(telemetry), name, **labels)


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"privacy_gateway_{name}", frozenset(labels.items())]


@pytest.mark.parametrize(
    ("told", "name", "labels", "expected"),
    [
        (lambda t: t.record_reload("policy", "ok"), "reloads_total", {"subject": "policy", "outcome": "ok"}, 1),
        (lambda t: t.record_reload("tls", "failed"), "reloads_total", {"subject": "tls", "outcome": "failed"}, 1),
        (lambda t: t.record_reload("tls", "failed"), "reload_failed", {"subject": "tls"}, 1),
        (lambda t: t.record_reload("tls", "failed"), "reload_failed", {"subject": "policy"}, 0),
        (
            lambda t: [t.record_reload("tls", "failed"), t.record_reload("tls", "ok")],
            "reload_failed",
            {"subject": "tls"},
            0,
        ),
        (
            lambda t: t.set_policy("ab12", 1, {}, file_sha256="cd34"),
            "policy_info",
            {"digest": "ab12", "file": "cd34", "version": "1"},
            1,
        ),
        (lambda t: None, "build_info", {"version": __version__}, 1),
        (lambda t: t.record_proxy_fields_stripped(3), "proxy_fields_stripped_total", {}, 3),
        (lambda t: [t.record_access_log_drops(), t.record_access_log_drops(4)], "access_log_dropped_total", {}, 5),
        (
            lambda t: (
                [
                    t.record_proxy_call(
                        ProxyCallResult(TrafficDirection.INBOUND, "NOT_FOUND", "a.example", "svc", mode=Mode.SHADOW), 1
                    )
                ]
                * 2
            ),
            "proxy_calls_total",
            {**CALL, "listener": "inbound", "code": "NOT_FOUND", "mode": "shadow"},
            1,
        ),
        (
            lambda t: t.record_proxy_call(
                ProxyCallResult(TrafficDirection.OUTBOUND, "UNAVAILABLE", "a.example", "svc", Cause.UPSTREAM_REFUSED), 1
            ),
            "proxy_calls_total",
            {**CALL, "code": "UNAVAILABLE", "reason": "UPSTREAM_REFUSED"},
            1,
        ),
        (
            lambda t: t.record_proxy_call(
                ProxyCallResult(TrafficDirection.OUTBOUND, "UNIMPLEMENTED", reason=CallReason.NO_ROUTE), 1
            ),
            "proxy_calls_total",
            {**CALL, "route": "", "destination": "", "code": "UNIMPLEMENTED", "reason": "NO_ROUTE"},
            1,
        ),
        (
            lambda t: t.record_overload(TrafficDirection.OUTBOUND),
            "proxy_calls_total",
            {**CALL, "route": "", "destination": "", "code": "RESOURCE_EXHAUSTED", "reason": "FULL"},
            1,
        ),
        (
            lambda t: t.record_proxy_call(
                ProxyCallResult(TrafficDirection.OUTBOUND, "anna@example.com", "a.example", "svc"), 1
            ),
            "proxy_calls_total",
            {**CALL, "code": "UNKNOWN"},
            1,
        ),
        (
            lambda t: t.record_proxy_call(ProxyCallResult(TrafficDirection.OUTBOUND, "OK"), 2_000_000),
            "call_duration_seconds_sum",
            {"listener": "outbound", "service": ""},
            0.002,
        ),
        (
            lambda t: t.record_upstream_failure(TrafficDirection.INBOUND, "crm.example", Cause.UPSTREAM_EXPIRED),
            "upstream_failures_total",
            {"listener": "inbound", "route": "crm.example", "cause": "UPSTREAM_EXPIRED"},
            1,
        ),
        (
            lambda t: t.record_call("local", "a.S", "OK", 1),
            "calls_total",
            {"listener": "local", "service": "a.S", "code": "OK"},
            1,
        ),
        (
            lambda t: t.record_call("local", "a.S", "made up", 1),
            "calls_total",
            {"listener": "local", "service": "a.S", "code": "UNKNOWN"},
            1,
        ),
        (
            lambda t: t.record_call("local", "a.S", "OK", 5),
            "call_duration_seconds_count",
            {"listener": "local", "service": "a.S"},
            1,
        ),
        (decided(release()), "items_total", {"flow": "a.Type", "outcome": "accepted", "reason": ""}, 1),
        (decided(release()), "decision_duration_seconds_sum", {"flow": "a.Type"}, 6e-6),
        (
            decided(release(), release("crm")),
            "verdicts_total",
            {"destination": "crm", "verdict": "release", "reason": ""},
            1,
        ),
        (
            decided(release(), Withheld("crm", ItemReason.PERSONAL_ACCOUNT)),
            "verdicts_total",
            {"destination": "crm", "verdict": "withhold", "reason": "PERSONAL_ACCOUNT"},
            1,
        ),
        (
            decided(release(stripped_by_category={Category.PHONE: 32})),
            "fields_stripped_total",
            {"destination": "log", "category": "PHONE", "cause": "plan"},
            32,
        ),
        (
            decided(release(strip_counts=NOTES)),
            "fields_stripped_total",
            {"destination": "log", "category": "NAME", "cause": "value"},
            3,
        ),
        (
            decided(release(strip_counts=NOTES)),
            "fields_stripped_total",
            {"destination": "log", "category": "UNSPECIFIED", "cause": "plan"},
            6,
        ),
        (
            decided(release(strip_counts=NOTES)),
            "fields_masked_total",
            {"destination": "log", "category": "FREE_TEXT"},
            3,
        ),
        (
            decided(release(strip_counts=NOTES)),
            "fields_reported_total",
            {"destination": "log", "category": "NAME", "reason": "LOOKS_LIKE_IBAN"},
            7,
        ),
        (
            lambda t: t.record_rejections("", {ItemReason.MALFORMED: 1}),
            "items_total",
            {"flow": "", "outcome": "rejected", "reason": "MALFORMED"},
            1,
        ),
        (
            lambda t: t.record_delivery("log", {"delivered": 4, "retry": 2}, 1),
            "deliveries_total",
            {"destination": "log", "outcome": "retry"},
            2,
        ),
        (
            lambda t: t.record_delivery("log", {"rejected": 4}, 5_000),
            "delivery_duration_seconds_count",
            {"destination": "log"},
            1,
        ),
        (
            lambda t: t.record_dead_letters("log", DeliveryReason.REJECTED, 3),
            "dead_lettered_total",
            {"destination": "log", "reason": "REJECTED"},
            3,
        ),
        (
            lambda t: t.record_purge("log", DeliveryReason.CUT_OFF, 3),
            "purged_total",
            {"destination": "log", "reason": "CUT_OFF"},
            3,
        ),
        (lambda t: t.set_outbox_source(lambda: WAITING), "outbox_entries", {"destination": "log"}, 3),
        (lambda t: t.set_outbox_source(lambda: WAITING), "outbox_bytes", {"destination": "log"}, 400),
        (lambda t: t.set_outbox_source(lambda: WAITING), "outbox_age_seconds", {"destination": "crm"}, 0),
        (lambda t: t.set_outbox_source(lambda: WAITING), "dead_letters", {"destination": "log"}, 5),
        (lambda t: t.set_outbox_source(lambda: WAITING), "dead_letters_bytes", {"destination": "log"}, 700),
        (
            lambda t: t.set_outbox_source(lambda: WAITING),
            "dead_lettered_total",
            {"destination": "crm", "reason": "DEAD_LETTERED"},
            3,
        ),
        (lambda t: t.set_outbox_source(lambda: WAITING), "purged_total", {"destination": "crm", "reason": "PURGED"}, 4),
        (
            lambda t: t.add_resources({"access_log": lambda: ResourceUsage(3, 9)}),
            "resource_used",
            {"resource": "access_log"},
            3,
        ),
        (
            lambda t: t.add_resources({"access_log": lambda: ResourceUsage(3, 9)}),
            "resource_limit",
            {"resource": "access_log"},
            9,
        ),
        (
            lambda t: t.add_resources({"outbox": lambda: ResourceUsage(30, 90)}),
            "resource_used_bytes",
            {"resource": "outbox"},
            30,
        ),
        (
            lambda t: t.add_resources({"outbox": lambda: ResourceUsage(30, 90)}),
            "resource_limit_bytes",
            {"resource": "outbox"},
            90,
        ),
        (lambda t: t.set_outbox_source(lambda: WAITING), "recipient_failing", {"destination": "log"}, 0),
        (lambda t: t.set_outbox_source(lambda: WAITING), "recipient_failing", {"destination": "crm"}, 1),
        (lambda t: t.set_outbox_source(lambda: WAITING), "outbox_files_quarantined_total", {}, 2),
        (lambda t: t.record_spans("dropped", 7), "spans_total", {"outcome": "dropped"}, 7),
    ],
)
def test_what_is_told_is_shown(
    told: Callable[[Telemetry], object], name: str, labels: dict[str, str], expected: float
) -> None:
    telemetry = Telemetry()
    told(telemetry)
    assert value(telemetry, name, **labels) == pytest.approx(expected)
    assert value(telemetry, name, **labels) == pytest.approx(expected), "reading changes nothing"


FLOWS: Final = {"a.Type": ("log", "crm"), "otlp/logs": ("log",)}


def test_a_policys_series_are_there_from_the_start_as_zeros() -> None:
    telemetry = Telemetry()
    telemetry.set_policy("ab", 1, FLOWS)
    for flow, destinations in FLOWS.items():
        assert value(telemetry, "items_total", flow=flow, outcome="accepted", reason="") == 0
        for destination in destinations:
            assert value(telemetry, "verdicts_total", destination=destination, verdict="release", reason="") == 0
            for fared in get_args(DeliveryOutcome):
                assert value(telemetry, "deliveries_total", destination=destination, outcome=fared) == 0


def test_after_a_reload_earlier_numbers_stay_and_one_policy_is_in_force() -> None:
    telemetry = Telemetry()
    exposition = Exposition(telemetry)
    telemetry.set_policy("ab", 1, FLOWS)
    decided(release("crm"))(telemetry)
    exposition.expose()
    telemetry.set_policy("cd", 1, {"b.Type": ("other",)})
    now = shown(exposition)
    assert sample(now, "verdicts_total", destination="crm", verdict="release", reason="") == 1
    assert sample(now, "verdicts_total", destination="other", verdict="release", reason="") == 0
    assert [dict(labels)["digest"] for name, labels in now if name.endswith("policy_info")] == ["cd"]


def test_a_routes_series_is_there_from_the_start_as_zero() -> None:
    telemetry = Telemetry()
    telemetry.add_routes([(TrafficDirection.OUTBOUND, "a.example", "svc", Mode.ENFORCE)])
    assert value(telemetry, "proxy_calls_total", **CALL) == 0


def test_what_a_caller_makes_up_adds_no_series() -> None:
    telemetry = Telemetry()
    for code in ("made up", "anna@example.com", "UNKNOWN"):
        telemetry.record_proxy_call(ProxyCallResult(TrafficDirection.OUTBOUND, code), 1)
    assert len([name for name, _ in read(telemetry) if name == "privacy_gateway_proxy_calls_total"]) == 1


def test_the_codes_are_those_of_grpc() -> None:
    assert {code.name for code in grpc.StatusCode} == GRPC_CODES


@pytest.mark.parametrize("bound", BUCKET_BOUNDS_SECONDS)
def test_a_duration_counts_in_the_bucket_that_it_is_within(bound: float) -> None:
    durations = DurationSeries(CALL_DURATION)
    durations.add(("local", "a.S"), round(bound * 1e9))
    durations.add(("local", "a.S"), round(bound * 1e9) + 1)
    ((_, buckets, _),) = durations.rows()
    counts = dict(buckets)
    assert counts[repr(bound)] == 1
    assert counts["+Inf"] == 2
    assert [count for le, count in buckets if le != "+Inf" and float(le) < bound] == [0] * BUCKET_BOUNDS_SECONDS.index(
        bound
    )


def test_gateways_in_one_process_count_apart() -> None:
    one, other = Telemetry(), Telemetry()
    one.record_proxy_fields_stripped(1)
    assert value(one, "proxy_fields_stripped_total") == 1
    assert value(other, "proxy_fields_stripped_total") == 0


def test_the_environments_words_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=planted-host")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "planted-service")
    text, kind = Exposition(Telemetry()).expose()
    assert b"planted" not in text
    assert kind == "text/plain; version=0.0.4; charset=utf-8"


def told_all() -> Telemetry:
    """Where everything has a series."""
    telemetry = Telemetry()
    telemetry.set_policy("ab", 1, FLOWS)
    telemetry.set_hub_status(up=True, last_success=1.0)
    telemetry.set_connected_agents(1)
    telemetry.record_uncaught_errors("task", 1)
    telemetry.set_certificate_expiry({"own": 1.0, "ca": 2.0})
    telemetry.record_call("local", "a.S", "OK", 1)
    telemetry.add_routes([(TrafficDirection.OUTBOUND, "a.example", "svc", Mode.ENFORCE)])
    telemetry.add_resources(dict.fromkeys(RESOURCES, lambda: ResourceUsage(1, 2)))
    return telemetry


ALL: Final = (*METRICS, *PROCESS_METRICS)


def test_the_table_is_what_is_shown() -> None:
    lines = Exposition(told_all()).expose()[0].decode().splitlines()
    helps = {line.split(" ", 3)[2]: line.split(" ", 3)[3] for line in lines if line.startswith("# HELP ")}
    types = dict(line.split(" ")[2:] for line in lines if line.startswith("# TYPE "))
    assert helps == {metric.exported_name: metric.description for metric in ALL}
    assert types == {metric.exported_name: metric.kind for metric in ALL}


def test_the_labels_are_those_of_the_table() -> None:
    shown = {
        re.sub("_(bucket|count|sum)$", "", name): {label for label, _ in labels} - {"le"}
        for name, labels in read(told_all())
    }
    assert shown == {metric.exported_name: set(metric.labels) for metric in ALL}
    assert {label for metric in ALL for label in metric.labels} == LABELS.keys()


def test_a_name_says_its_unit_and_kind_as_prometheus_has_it() -> None:
    """https://prometheus.io/docs/practices/naming/ and what promtool's linter asks for."""
    for metric in ALL:
        assert re.fullmatch("[a-z][a-z0-9_]*[a-z0-9]", metric.exported_name)
        assert metric.exported_name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
        assert f"_{metric.unit}" in metric.exported_name
        assert not re.search(
            "_(milliseconds|kilobytes|count|sum|bucket|gauge|counter|histogram)$", metric.exported_name
        )
        assert metric.description
    assert len({metric.exported_name for metric in ALL}) == len(ALL)


def test_both_formats_say_the_same() -> None:
    telemetry = told_all()
    text, kind = Exposition(telemetry).expose("application/openmetrics-text; version=1.0.0")
    assert kind == CONTENT_TYPE_OPENMETRICS
    assert text.endswith(b"# EOF\n")
    plain = {key: number for key, number in read(telemetry).items() if key[0].startswith("privacy_gateway_")}
    families = list(openmetrics_families(text.decode()))  # type: ignore[no-untyped-call]
    assert plain == {
        (one.name, frozenset(one.labels.items())): one.value
        for family in families
        if family.name.startswith("privacy_gateway_")
        for one in family.samples
    }
    assert {family.name for family in families} == {metric.exported_name.removesuffix("_total") for metric in ALL}


PROMETHEUS_3: Final = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What it asks for unless it is told otherwise."""


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0", True),
        ("application/openmetrics-text;version=1.0.0;charset=utf-8", True),
        ('application/openmetrics-text; version="1.0.0"', True),
        ("Application/OpenMetrics-Text;Version=1.0.0", True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=anna@example.com", False),
        ("application/openmetrics-text;version=1.0.0;q=0", False),
        ("application/openmetrics-text;version=1.0.0;q=x", False),
        ("application/openmetrics-text;version=1.0.0;q=1e9", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.6", False),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.6", True),
        ("text/html,*/*;q=0.8", False),
        (",;,=;q=,,", False),
        (PROMETHEUS_3, True),
        # What Prometheus sends where it is told to keep to its text.
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
    ],
)
def test_the_format_is_the_one_that_is_asked_for(accept: str, expected: bool) -> None:
    assert is_openmetrics(accept) is expected


def test_all_that_is_measured_in_bytes_is_bounded() -> None:
    assert RESOURCES.keys() >= BYTE_RESOURCES
    with pytest.raises(AssertionError):
        Telemetry().add_resources({"anna": lambda: ResourceUsage(1, 2)})


def test_the_page_is_in_step() -> None:
    assert subprocess.run([sys.executable, "docs/metrics.py", "--check"], cwd=ROOT, check=False).returncode == 0


def test_the_table_says_how_fields_are_sampled() -> None:
    assert f"{EXACT_ITEMS:,} items" in FIELDS_STRIPPED.description
    assert f"one item of {SAMPLING_STRIDE}, as {SAMPLING_STRIDE}" in FIELDS_STRIPPED.description


@pytest.mark.parametrize(
    ("told", "most"),
    [
        (
            lambda t: [
                t.record_proxy_call(ProxyCallResult(TrafficDirection.OUTBOUND, "OK", "a.example", "svc"), 900),
                t.record_proxy_fields_stripped(2),
            ],
            10e-6,
        ),
        (decided(release(strip_counts={((None, "name"), FieldReason.TOO_LONG, STRIP): 2})), 10e-6),
        (lambda t: t.record_call("local", "a.S", "OK", 900), 10e-6),
    ],
    ids=["a carried call", "an item", "a call"],
)
def test_counting_is_cheap(told: Callable[[Telemetry], object], most: float) -> None:
    telemetry = Telemetry()

    def once() -> float:
        began = time.thread_time()
        for _ in range(1000):
            told(telemetry)
        return (time.thread_time() - began) / 1000

    # The best of many, in CPU time: the aim is a tenth to a fifth of this, and a slower machine may have all of it.
    assert min(once() for _ in range(20)) < most
