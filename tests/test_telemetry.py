"""What is counted, and how Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import product

import grpc
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.policy.document import Mode, Side
from gateway.telemetry import CODES, Telemetry


def read(telemetry: Telemetry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, by its name and labels."""
    text, _ = telemetry.exposition()
    families = text_string_to_metric_families(text.decode())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(telemetry: Telemetry, name: str, **labels: str) -> float:
    return read(telemetry)[f"privacy_gateway_{name}", frozenset(labels.items())]


@pytest.mark.parametrize(
    ("told", "name", "labels", "expected"),
    [
        (lambda t: t.reloaded("policy", "ok"), "reloads_total", {"subject": "policy", "outcome": "ok"}, 1),
        (lambda t: t.reloaded("tls", "failed"), "reloads_total", {"subject": "tls", "outcome": "failed"}, 1),
        (lambda t: t.reloaded("tls", "failed"), "reload_failed", {"subject": "tls"}, 1),
        (lambda t: t.reloaded("tls", "failed"), "reload_failed", {"subject": "policy"}, 0),
        (lambda t: [t.reloaded("tls", "failed"), t.reloaded("tls", "ok")], "reload_failed", {"subject": "tls"}, 0),
        (lambda t: t.in_force("ffffffffffff" + 52 * "0"), "policy_hash", {}, 2**48 - 1),
        (lambda t: [t.in_force(64 * "1"), t.in_force(64 * "0")], "policy_hash", {}, 0),
        (lambda t: t.stripped(3), "proxy_fields_stripped_total", {}, 3),
        (lambda t: [t.access_log_dropped(), t.access_log_dropped(4)], "access_log_dropped_total", {}, 5),
        (
            lambda t: [t.proxied(Side.INBOUND, "NOT_FOUND", Mode.SHADOW)] * 2,
            "proxy_calls_total",
            {"listener": "inbound", "code": "NOT_FOUND", "mode": "shadow"},
            1,
        ),
        (
            lambda t: t.proxied(Side.OUTBOUND, "anna@example.com", Mode.ENFORCE),
            "proxy_calls_total",
            {"listener": "outbound", "code": "UNKNOWN", "mode": "enforce"},
            1,
        ),
    ],
)
def test_what_is_told_is_shown(told: Callable[[Telemetry], object], name: str, labels: dict[str, str], expected: float) -> None:
    telemetry = Telemetry()
    told(telemetry)
    assert value(telemetry, name, **labels) == expected
    assert value(telemetry, name, **labels) == expected, "reading changes nothing"


def test_every_series_is_there_from_the_start_and_no_other_comes() -> None:
    telemetry = Telemetry()
    before = read(telemetry)
    for side, code, mode in product(Side, [*CODES, "made up"], Mode):
        telemetry.proxied(side, code, mode)
    assert read(telemetry).keys() == before.keys()
    assert set(before.values()) == {0}
    assert len(before) == len(Side) * len(CODES) * len(Mode) + 9


def test_the_codes_are_those_of_grpc() -> None:
    assert {code.name for code in grpc.StatusCode} == CODES


def test_gateways_in_one_process_count_apart() -> None:
    one, other = Telemetry(), Telemetry()
    one.stripped(1)
    assert value(one, "proxy_fields_stripped_total") == 1
    assert value(other, "proxy_fields_stripped_total") == 0


def test_the_environments_words_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=planted-host")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "planted-service")
    text, kind = Telemetry().exposition()
    assert b"planted" not in text
    assert kind == "text/plain; version=0.0.4; charset=utf-8"


def test_every_metric_is_named_and_described() -> None:
    text, _ = Telemetry().exposition()
    lines = [line for line in text.decode().splitlines() if line.startswith("# HELP ")]
    assert len(lines) == 6
    assert all(line.startswith("# HELP privacy_gateway_") and len(line.split()) > 4 for line in lines)


def test_a_closed_one_shows_nothing() -> None:
    telemetry = Telemetry()
    telemetry.close()
    assert telemetry.exposition()[0] == b""


def test_counting_a_call_is_cheap() -> None:
    telemetry = Telemetry()

    def once() -> float:
        began = time.thread_time()
        for _ in range(1000):
            telemetry.proxied(Side.OUTBOUND, "OK", Mode.ENFORCE)
            telemetry.stripped(2)
        return (time.thread_time() - began) / 1000

    # The best of many, in CPU time: the aim is 2 µs, and a slower machine may have ten.
    assert min(once() for _ in range(20)) < 10e-6
