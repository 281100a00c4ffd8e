"""What Prometheus reads of a running gateway.

Both formats, all that is bounded, what operators do, the alerts of their page.
"""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import promql_parser
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from gateway.listeners import MAX_LOCAL_CALLS
from gateway.telemetry.metrics import BYTE_RESOURCES, METRICS, PROCESS_METRICS, RESOURCES
from tests.e2e.test_serve import ELSEWHERE
from tests.support import proxy_process
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.proxy_process import wait_until
from tests.support.requests import LOGS, TRACK, logs_request, track_request
from tests.support.upstreams import SERVICE, item, serve_methods

ROOT: Final = Path(__file__).parents[2]
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
HISTOGRAM: Final = re.compile("_(bucket|count|sum)$")

THERE: Final = """
  there: {recipient: service, region: FR, purpose: essential.service, legal_basis: CONTRACT, allow: [OPERATIONAL], retention: 1d}"""
ROUTE: Final = """
routes:
  - {authority: events.example, destination: there, methods: [kannelle.privacy.v1.AnalyticsService/*], upstream: ["127.0.0.1:1"],
     plaintext: true, callers: {web: {region: FR, allow: [OPERATIONAL]}}}
"""

OF_OTHERS: Final = frozenset(
    f"privacy_gateway_{name}"
    for name in (
        "agents",
        "agents_refused_total",
        "certificate_not_after_timestamp_seconds",
        "hub_failures_total",
        "hub_last_success_timestamp_seconds",
        "hub_up",
    )
)
"""What only an agent, a hub, or a gateway with a certificate shows; `tests/telemetry/` reads them in both formats."""

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@contextmanager
def gateway(folder: Path) -> Iterator[GatewayProcess]:
    """One whose recipient is away, so that what it is given waits."""
    written = ELSEWHERE.format(port=1, delivery="stored").replace("\nflows:", f"{THERE}\nflows:") + ROUTE
    (folder / "policy.yaml").write_text(written)
    listeners = "PRIVACY_GATEWAY__LISTENERS__"
    given = {
        "PRIVACY_GATEWAY__POLICY": str(folder / "policy.yaml"),
        "PRIVACY_GATEWAY__INSECURE_LOOPBACK": "true",
        "PRIVACY_GATEWAY__SERVICE": "web",
        f"{listeners}HTTP__ADDRESS": "127.0.0.1:0",
        f"{listeners}OUTBOUND__ADDRESS": "127.0.0.1:0",
    }
    with GatewayProcess(folder, environ=given) as process:
        yield process


def scraped(process: GatewayProcess, accept: str = "") -> tuple[str, Samples]:
    """The content type and all samples, as Prometheus's own parsers read them."""
    request = urllib.request.Request(
        f"http://{process.listener_address('http')}/metrics", headers={"Accept": accept} if accept else {}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        kind, text = answer.headers["Content-Type"], answer.read().decode()
    parse: Any = (
        openmetrics_families if kind.startswith("application/openmetrics-text") else text_string_to_metric_families
    )
    return kind, {
        (one.name, frozenset(one.labels.items())): one.value for family in parse(text) for one in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def total(samples: Samples, name: str) -> float:
    return sum(value for (known, _), value in samples.items() if known == name)


def operate(folder: Path, *arguments: str) -> None:
    """What an operator does beside the gateway."""
    command = (sys.executable, "-m", "gateway", *arguments)
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_all_that_the_page_lists_is_read_in_both_formats_and_adds_up(tmp_path: Path) -> None:
    with gateway(tmp_path) as process:
        with blocking_channel(process.address) as channel:
            for _ in range(3):
                assert call(channel, LOGS, logs_request("INFO").SerializeToString()) == b""
            assert not isinstance(call(channel, TRACK, track_request()), bytes)
        wait_until(lambda: total(scraped(process)[1], "privacy_gateway_outbox_entries") == 3)
        operate(tmp_path, "outbox", "dead-letter", "--all")
        wait_until(lambda: total(scraped(process)[1], "privacy_gateway_dead_lettered_total") == 3)
        (plain, samples), (asked, same) = scraped(process), scraped(process, OPENMETRICS)
        operate(tmp_path, "outbox", "purge", "--dead", "--all", "--yes")
        wait_until(lambda: total(scraped(process)[1], "privacy_gateway_purged_total") == 3)
        _, after = scraped(process)
        assert process.stop() == 0
    assert plain == "text/plain; version=0.0.4; charset=utf-8"
    assert asked == f"{OPENMETRICS}; charset=utf-8"
    assert samples.keys() == same.keys()
    names = {HISTOGRAM.sub("", name) for name, _ in samples}
    assert {metric.exported_name for metric in (*METRICS, *PROCESS_METRICS)} - names == OF_OTHERS
    assert of(samples, "privacy_gateway_dead_lettered_total", destination="backend", reason="DEAD_LETTERED") == 3
    assert of(after, "privacy_gateway_purged_total", destination="backend", reason="PURGED") == 3
    _adds_up(samples)
    _adds_up(after)
    assert (
        total(samples, "privacy_gateway_dead_letters_bytes") > 600 > total(after, "privacy_gateway_dead_letters_bytes")
    )
    shown = {dict(labels)["resource"] for name, labels in samples if name.startswith("privacy_gateway_resource_used")}
    assert shown == RESOURCES.keys() - {"inbound_calls", "delivery_calls"}
    assert of(samples, "privacy_gateway_resource_limit", resource="local_calls") == MAX_LOCAL_CALLS
    assert of(samples, "privacy_gateway_resource_used", resource="http_connections") >= 1
    assert {
        name for name in shown if ("privacy_gateway_resource_used_bytes", frozenset({("resource", name)})) in samples
    } == BYTE_RESOURCES
    assert of(samples, "process_open_fds") <= of(samples, "process_max_fds")
    assert of(samples, "process_resident_memory_bytes") > 10_000_000


def _adds_up(samples: Samples) -> None:
    kept = total(samples, "privacy_gateway_outbox_bytes") + total(samples, "privacy_gateway_dead_letters_bytes")
    assert kept == of(samples, "privacy_gateway_resource_used_bytes", resource="outbox")


def carried(samples: Samples) -> dict[tuple[str, ...], float]:
    """How calls between services ended, by route, destination, code, reason and mode."""
    found = {
        tuple(dict(labels)[name] for name in CALL): value
        for (name, labels), value in samples.items()
        if name == PROXIED
    }
    return {labels: value for labels, value in found.items() if value}


PROXIED: Final = "privacy_gateway_proxy_calls_total"
CALL: Final = ("listener", "route", "destination", "code", "reason", "mode")


def test_a_call_between_services_is_counted_by_its_route_and_why_it_ended(tmp_path: Path) -> None:
    with serve_methods(One=lambda request, context: request, Down=_not_found) as port:
        routes = [
            proxy_process.route("up.example", port),
            proxy_process.route("shadow.example", port, mode="shadow"),
            proxy_process.route("gone.example", 1),
            {
                **proxy_process.route("others.example", port),
                "callers": {"other.test": {"region": "FR", "allow": ["OPERATIONAL"]}},
            },
        ]
        with proxy_process.gateway(tmp_path, proxy_process.policy(*routes)) as process:
            for authority, name, message in (
                ("up.example", "One", item(op="a")),
                ("up.example", "Down", item(op="a")),
                ("up.example", "One", b"\xff"),
                ("shadow.example", "One", item(op="a")),
                ("gone.example", "One", item(op="a")),
                ("others.example", "One", item(op="a")),
                ("nobody.example", "One", item(op="a")),
                ("up.example", "None", item(op="a")),
            ):
                with proxy_process.outbound_channel(process, authority) as channel:
                    method: Any = channel.unary_unary(f"/{SERVICE}/{name}") if name == "None" else None
                    proxy_process.call_through(channel, name, message) if method is None else fate(method, message)
            wait_until(lambda: sum(carried(scraped(process)[1]).values()) == 8)
            found = carried(scraped(process)[1])
            assert process.stop() == 0
    assert found == {
        ("outbound", "up.example", "service", "OK", "", "enforce"): 1,
        ("outbound", "up.example", "service", "NOT_FOUND", "", "enforce"): 1,
        ("outbound", "up.example", "service", "INVALID_ARGUMENT", "MALFORMED", "enforce"): 1,
        ("outbound", "shadow.example", "service", "OK", "", "shadow"): 1,
        ("outbound", "gone.example", "service", "UNAVAILABLE", "UPSTREAM_REFUSED", "enforce"): 1,
        ("outbound", "", "", "PERMISSION_DENIED", "CALLER_NOT_ALLOWED", "enforce"): 1,
        ("outbound", "", "", "UNIMPLEMENTED", "NO_ROUTE", "enforce"): 1,
        ("outbound", "", "", "UNIMPLEMENTED", "UNKNOWN_METHOD", "enforce"): 1,
    }


def _not_found(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    context.abort(grpc.StatusCode.NOT_FOUND, "")
    yield b""


def fate(method: Any, message: bytes) -> None:
    with pytest.raises(grpc.RpcError):
        method(message, timeout=TIMEOUT_SECONDS)


def recipes() -> Iterator[str]:
    """The queries of the operator's page.

    What stands in its column of alerts, and whatever else names a metric and computes.
    """
    page = (ROOT / "docs" / "operator.md").read_text()
    for row in re.findall(r"(?m)^\| (`.*?) \| ", page.partition("What to alert on")[2].partition("\n\n**")[0]):
        yield from (
            query.replace("\\|", "|") for query in re.findall("`([^`]*(?:privacy_gateway|process)_[^`]*)`", row)
        )
    yield from re.findall(r"`(sum\([^`]*)`", page)


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "args"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [] if inner is None else [inner]:
            yield from selectors(one)


@pytest.mark.parametrize("query", list(recipes()))
def test_an_alert_of_the_page_is_a_query_over_metrics_and_labels_that_there_are(query: str) -> None:
    known = {metric.exported_name: set(metric.labels) for metric in (*METRICS, *PROCESS_METRICS)}
    found = list(selectors(promql_parser.parse(query)))
    assert found
    for one in found:
        assert one.name in known
        assert {matcher.name for matcher in one.matchers.matchers} <= known[str(one.name)]


def test_the_page_has_alerts() -> None:
    assert len(list(recipes())) > 12
