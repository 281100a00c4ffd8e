"""A log is a log, whatever it calls itself: no policy makes it hold more, or stand elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner
from kannelle.privacy.v1.activity_pb2 import ActivityEntry
from kannelle.privacy.v1.context_pb2 import UserContext

from gateway.cli import main
from gateway.errors import BadPolicy
from gateway.model import INDIRECT, Recipient
from gateway.pipeline.flows import Flows
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.item_types import EVENT_TYPE, is_log_type, log_types
from gateway.policy.load import parse
from gateway.policy.log_destinations import LOG_ALLOW_TEXT, LOG_REGION_TEXT, LOG_REGIONS, log_sources
from gateway.receivers.proxy.compiled_routes import CompiledRoutes
from tests.policy.residency_documents import document, fault
from tests.support.contracts import FED, POLICY, PROTO_HEADER, compiler, contract, proto

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


# ── By type ───────────────────────────────────────────────────────────────────────────────────────────────────────────

OTLP: Final = "opentelemetry.proto."
HELD: Final = (
    "kannelle.privacy.v1.ActivityEntry",
    "kannelle.privacy.v1.RecordActivitiesRequest",
    "kannelle.privacy.v1.AccessEntry",
    f"{OTLP}logs.v1.ResourceLogs",
    f"{OTLP}logs.v1.LogRecord",
    f"{OTLP}logs.v1.LogsData",
    f"{OTLP}trace.v1.ResourceSpans",
    f"{OTLP}trace.v1.Span",
    f"{OTLP}metrics.v1.ResourceMetrics",
    f"{OTLP}metrics.v1.NumberDataPoint",
    f"{OTLP}resource.v1.Resource",
    f"{OTLP}common.v1.KeyValue",
    f"{OTLP}collector.logs.v1.ExportLogsServiceRequest",
    f"{OTLP}collector.trace.v1.ExportTraceServiceRequest",
    f"{OTLP}collector.metrics.v1.ExportMetricsServiceRequest",
    "t.Batch",
    "t.Sheet",
)
"""Types of a log's items, with those of callers that hold them, in a list, a map, or further down."""
OTHERS: Final = (
    EVENT_TYPE,
    "kannelle.privacy.v1.SupportMessage",
    f"{OTLP}collector.logs.v1.ExportLogsServiceResponse",
    "t.Any",
    "t.Own",
)
BODY: Final = """
message Own { string name = 1 @NAME; string text = 2 @FREE_TEXT; string id = 3 @USER_ID; }
message Batch { repeated kannelle.privacy.v1.ActivityEntry entries = 1; string name = 2 @NAME; string id = 3 @USER_ID; }
message Sheet { map<string, Batch> batches = 1 @{map_key: OPERATIONAL}; string text = 2 @FREE_TEXT; string id = 3 @USER_ID; }
service Sheets { rpc Put(Sheet) returns (Own); rpc Get(Own) returns (Sheet); }
message Any { google.protobuf.Any held = 1; string name = 2 @NAME; }
"""
HEAD: Final = PROTO_HEADER + 'import "kannelle/privacy/v1/activity.proto";\n'
MADE: Final = compiler(BODY, "otlp: {attributes: {user.name: NAME, note: FREE_TEXT, user.id: USER_ID}}", head=HEAD)


def kept_fields(plan: Plan) -> set[str]:
    return {f"{message.name}.{field.name}" for message in plan.messages for field in message.fields}


@pytest.mark.parametrize("type_", HELD)
def test_a_logs_item_is_one_at_every_destination(type_: str) -> None:
    at_log = MADE.plan(type_, "eu-log")
    assert type_ in log_types(MADE.contract)
    for name, given in MADE.policy.destinations.items():
        if given.region in LOG_REGIONS:
            plan = MADE.plan(type_, name)
            assert kept_fields(plan) == kept_fields(at_log)
            assert MADE.terms_for(type_, MADE.terms(name)).allow <= INDIRECT
            assert (plan.rules, plan.anys) == (at_log.rules, at_log.anys) or given.recipient is Recipient.VENDOR
        else:
            with pytest.raises(BadPolicy) as caught:
                MADE.plan(type_, name)
            assert f"destinations.{name}.region: {LOG_REGION_TEXT}; {name} is in {given.region}" in str(caught.value)


@pytest.mark.parametrize("type_", OTHERS)
def test_other_items_are_none(type_: str) -> None:
    assert type_ not in log_types(MADE.contract)
    terms = MADE.terms("eu-store")
    assert MADE.terms_for(type_, terms) is terms


@pytest.mark.parametrize("destination", ["eu-store", "eu-service", "us-vendor", "us-store", "jp-service"])
def test_no_any_holds_a_logs_item_but_where_logs_are_held(destination: str) -> None:
    def payloads(to: str) -> set[str]:
        return {*MADE.plan("t.Any", to).anys}

    assert not any(map(is_log_type, payloads(destination)))
    assert not payloads(destination) & {"t.Batch", "t.Sheet"}
    assert "kannelle.privacy.v1.ActivityEntry" in payloads("eu-log")


def test_minimising_an_activity_for_a_store_leaves_what_a_log_holds(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(f"{POLICY}{FED}")
    raw = ActivityEntry(user=UserContext(user_id="usr_1", full_name="Ada Byron"), detail="call Ada")
    for name, code in (("eu-store", 0), ("eu-log", 0), ("us-store", 2)):
        arguments = (
            "minimise",
            "--type",
            ActivityEntry.DESCRIPTOR.full_name,
            "--destination",
            name,
            "--policy",
            str(policy),
        )
        result = CliRunner().invoke(main, arguments, input=raw.SerializeToString())
        assert (result.exit_code, b"Ada" in result.stdout_bytes) == (code, False)
        assert (LOG_REGION_TEXT in result.stderr) is (code != 0)


def routed(method: str, route: str, caller: str = "region: FR, allow: [USER_ID, NAME]") -> Compiler:
    given = f"authority: a, upstream: 'unix:/a', methods: [t.Sheets/{method}], callers: {{c: {{{caller}}}}}"
    return compiler(BODY, f"routes: [{{{given}, {route}}}]", head=HEAD)


@pytest.mark.parametrize(
    ("method", "route", "caller", "said"),
    [
        ("Put", "destination: eu-service, mode: shadow", "region: FR, allow: []",
         f"routes[0].mode: must be enforce: /t.Sheets/Put carries t.Sheet, which is a log's; {LOG_ALLOW_TEXT}"),
        ("Get", "destination: eu-service, mode: shadow", "region: FR, allow: []",
         f"routes[0].mode: must be enforce: /t.Sheets/Get carries t.Sheet, which is a log's; {LOG_ALLOW_TEXT}"),
        ("Put", "destination: us-service", "region: FR, allow: []",
         f"routes[0].destination: {LOG_REGION_TEXT}; us-service is in US, and what is a t.Sheet is a log's wherever it is led"),
        ("Get", "destination: eu-service", "region: US, allow: []",
         f"routes[0].callers.c: {LOG_REGION_TEXT}; c is in US, and what is a t.Sheet is a log's wherever it is led"),
    ],
)  # fmt: skip
def test_a_route_carries_a_logs_items_as_a_log_does(method: str, route: str, caller: str, said: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        assert routed(method, route, caller).method_table.routes
    assert said in str(caught.value)


@pytest.mark.parametrize(("method", "kept"), [("Put", False), ("Get", True)])
def test_beside_a_logs_items_go_no_metadata_that_a_log_does_not_hold(method: str, kept: bool) -> None:
    text = POLICY.replace("eu-service: {", "eu-service: {metadata: {keys: {x-name: {category: NAME}}}, ")
    given = (
        f"authority: a, upstream: 'unix:/a', methods: [t.Sheets/{method}], callers: {{c: {{region: FR, allow: []}}}}"
    )
    route = f"{{{given}, destination: eu-service}}"
    made = Compiler(contract(proto(BODY, HEAD)), parse(f"{text}flows: {{}}\nroutes: [{route}]\n"))
    (one,) = CompiledRoutes(Flows(made)).routes
    assert ("x-name" in one.request_policy.envelope.plan.keys) is kept
