"""A log is a log, whatever it calls itself: no policy makes it hold more, or stand elsewhere."""

from __future__ import annotations

from typing import Final

import pytest

from gateway.policy.load import parse
from gateway.policy.log_destinations import LOG_ALLOW_TEXT, LOG_REGION_TEXT, log_sources
from tests.policy.residency_documents import document, fault

ALL: Final = "USER_ID, WORK_EMAIL, OPERATIONAL, NAME, FREE_TEXT, CONTENT"
ACTIVITIES: Final = "kannelle.privacy.v1.ActivityLogService/*"
ROUTE: Final = "routes: [{{authority: a, upstream: 'unix:/a', destination: kept, methods: [{}]{}}}]\n"


@pytest.mark.parametrize(
    ("recipient", "flows", "source"),
    [
        ("log", "{}", "`recipient: log`"),
        ("log", "{otlp/logs: [kept]}", "`recipient: log`"),
        ("store", "{otlp/logs: [kept]}", "otlp/logs"),
        ("service", "{otlp/traces: [kept]}", "otlp/traces"),
        ("vendor", "{otlp/metrics: [kept]}", "otlp/metrics"),
        ("store", "{t.Message: [kept], otlp/logs: [kept], otlp/traces: [kept]}", "otlp/logs"),
        ("store", f"{{{ACTIVITIES}: [kept]}}", ACTIVITIES),
        ("store", "{kannelle.privacy.v1.ActivityLogService/RecordActivity: [kept]}",
         "kannelle.privacy.v1.ActivityLogService/RecordActivity"),
        ("store", "{kannelle.privacy.v1.ActivityEntry: [kept]}", "kannelle.privacy.v1.ActivityEntry"),
        ("store", "{kannelle.privacy.v1.AccessEntry: [kept]}", "kannelle.privacy.v1.AccessEntry"),
        ("store", "{opentelemetry.proto.logs.v1.LogRecord: [kept]}", "opentelemetry.proto.logs.v1.LogRecord"),
    ],
)  # fmt: skip
def test_names_and_texts_do_not_reach_a_log(recipient: str, flows: str, source: str) -> None:
    given = {"recipient": recipient, "flows": flows, "name": "kept"}
    assert fault(document("FR", "USER_ID, NAME,\n     FREE_TEXT", ALL, **given)).splitlines() == [
        f"policy.yaml:12: destinations.kept.allow.NAME: {LOG_ALLOW_TEXT}; it is a log by {source}",
        f"policy.yaml:13: destinations.kept.allow.FREE_TEXT: {LOG_ALLOW_TEXT}; it is a log by {source}",
    ]
    for region in ("BE", "DE", "US", "SE"):
        assert fault(document(region, "OPERATIONAL", "OPERATIONAL", **given)) == (
            f"policy.yaml:8: destinations.kept.region: {LOG_REGION_TEXT}; it is a log by {source}"
        )
    for region in ("FR", "IE"):
        held = parse(document(region, "USER_ID, WORK_EMAIL, OPERATIONAL", ALL, **given)).policy
        assert log_sources(held) == {"kept": source}


@pytest.mark.parametrize(
    "flows", ["{}", "{t.Message: [kept]}", "{kannelle.privacy.v1.SupportService/*: [kept]}", "{otlp/logs: [none]}"]
)
def test_what_no_log_feeds_is_none(flows: str) -> None:
    others = "  none: {recipient: log, region: FR, purpose: sales, legal_basis: CONTRACT, allow: [], retention: 1d}\n"
    policy = parse(document("FR", ALL, ALL, "kept", others, recipient="store", flows=flows)).policy
    assert "kept" not in log_sources(policy)


@pytest.mark.parametrize(
    ("method", "source"),
    [
        ("opentelemetry.proto.collector.logs.v1.LogsService/Export", True),
        ("kannelle.privacy.v1.ActivityLogService/*", True),
        ("kannelle.privacy.v1.SupportService/*", False),
        ("t.Service/*", False),
    ],
)
def test_a_route_that_carries_a_log_leads_to_one(method: str, source: bool) -> None:
    text = document("FR", "NAME", ALL, "kept", ROUTE.format(method, ""))
    said = f"policy.yaml:12: destinations.kept.allow.NAME: {LOG_ALLOW_TEXT}; it is a log by {method}"
    if source:
        assert fault(text) == said
    else:
        assert not log_sources(parse(text).policy)


def test_nothing_passes_in_shadow_to_what_a_log_feeds() -> None:
    shadow = ROUTE.format("t.Service/*", ", mode: shadow")
    assert fault(document("FR", "OPERATIONAL", ALL, "kept", shadow, flows="{otlp/logs: [kept]}")) == (
        f"policy.yaml:13: routes[0].mode: must be enforce: kept is a log by otlp/logs; {LOG_ALLOW_TEXT}"
    )
