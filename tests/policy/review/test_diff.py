"""What a change releases and withholds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts.approvals import write_approvals
from gateway.contracts.contract import Contract
from gateway.contracts.field_types import approvals_of
from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.errors import BadPolicy
from gateway.model import Category, FieldPrivacy
from gateway.otlp.signals import LOGS, METRICS, TRACES
from gateway.policy.compile import Compiler
from gateway.policy.load import parse
from gateway.policy.review.changes import Difference, Effect
from gateway.policy.review.diff import diff
from gateway.policy.review.explain import explain
from tests.support.contracts import POLICY, contract, policy, proto
from tests.support.gated_projects import BACKUP
from tests.support.kannelle_policy import KANNELLE_POLICY

KANNELLE: Final = load_contracts([default_contract()])
CONTACT: Final = "kannelle.crm.v1.Contact"
EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"

METRICS_ALLOW: Final = "    allow: [OPERATIONAL]\n    retention: 400d"
SECURITY: Final = "    recipient: log\n    region: FR\n    purpose: essential.service.security"
KEPT_90: Final = "    retention: 90d"
KEPT_10Y: Final = "ORGANISATION, PAYMENT]\n    retention: 10y"
OTLP: Final = "\n    exporter: {kind: otlp, endpoint: 'http://localhost:4317'}"
EXTRA: Final = (
    "  extra: {recipient: log, region: FR, purpose: sales, legal_basis: CONTRACT, allow: [OPERATIONAL], retention: "
    "1d}\n"
)
OF_METHOD: Final = "kannelle.privacy.v1.AnalyticsService/TrackEvent"

Told = set[tuple[str, str, str]]


@cache
def compiled(*changes: tuple[str, str]) -> Compiler:
    text = KANNELLE_POLICY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return Compiler(KANNELLE, parse(text))


def told(difference: Difference, effect: Effect) -> Told:
    return {(change.destination, change.type, change.field) for change in difference.with_effect(effect)}


def policies(old: str, new: str) -> Difference:
    """Of a contract with one message, under two policies that begin alike."""
    held = contract(
        proto(
            "message A { string id = 1 @USER_ID; string name = 2 @NAME; }\n"
            "service S { rpc Get(A) returns (A); rpc Put(A) returns (A); }"
        )
    )
    return diff(Compiler(held, parse(POLICY + old)), Compiler(held, parse(POLICY + new)))


def contracts(old: str, new: str, destination: str = "eu-store", more: str = "") -> Difference:
    """Of two versions of a message A, in one flow."""
    file = parse(f"{POLICY}flows: {{t.A: [{destination}]}}\n{more}")
    return diff(*(Compiler(contract(proto(body)), file) for body in (old, new)))


def test_nothing_changes_where_nothing_changed() -> None:
    assert diff(compiled(), compiled()) == Difference(())


APP: Final = ("application-log", LOGS.item)
ANALYTICS: Final = ("analytics", EVENT)
SIGNALS: Final = (APP, ("application-traces", TRACES.item), ("application-metrics", METRICS.item))
"""Whom an attribute may go to."""


@pytest.mark.parametrize(
    ("old", "new", "places", "field", "text"),
    [
        (
            METRICS_ALLOW,
            METRICS_ALLOW.replace("OPERATIONAL", "USER_ID, OPERATIONAL"),
            SIGNALS[2:],
            "otlp.attributes.user.id",
            "string or integer: a user ID, matches usr_[A-Za-z0-9]{1,32}, no name or address of the item's own person",
        ),
        ("    - server stopped", "    - server stopped\n    - disk full", (APP,), "otlp.log_templates", "disk full"),
        (
            "    user.id: USER_ID",
            "    user.id: USER_ID\n    host.fqdn: OPERATIONAL",
            SIGNALS,
            "otlp.attributes.host.fqdn",
            "",
        ),
        ("cloud.region: OPERATIONAL", "cloud.*: OPERATIONAL", SIGNALS, "otlp.attributes.cloud.*", ""),
        (
            "min: 100, max: 599}\n    http.request.r",
            "min: 100, max: 600}\n    http.request.r",
            SIGNALS,
            "otlp.attributes.http.response.status_code",
            "was: string or integer: 100 to 599; now: string or integer: 100 to 600",
        ),
        (
            "  video.shared:",
            "  video.seen: {properties: {}}\n  video.shared:",
            (ANALYTICS,),
            "tracking_plan.video.seen",
            "an event",
        ),
        (
            "{min: 0, max: 500}",
            "{min: 0, max: 500}\n      a: {one_of: [b]}",
            (ANALYTICS,),
            "tracking_plan.video.created.properties.a",
            "one of b",
        ),
    ],
)
def test_what_more_leaves_is_released_and_the_reverse_withheld(
    old: str, new: str, places: tuple[tuple[str, str], ...], field: str, text: str
) -> None:
    there, back = diff(compiled(), compiled((old, new))), diff(compiled((old, new)), compiled())
    assert told(there, Effect.RELEASED) == told(back, Effect.WITHHELD) == {(*place, field) for place in places}
    assert (there.releases_more, back.releases_more) == (True, False)
    assert not text or {change.text for change in there.with_effect(Effect.RELEASED)} == {text}


SPANS: Final = "flows: {otlp/traces: [eu-log]}\n"


@pytest.mark.parametrize(
    ("old", "new", "field", "text"),
    [
        (f"{SPANS}", f"{SPANS}otlp: {{span_names: [render video]}}", "otlp.span_names", "render video"),
        (f"{SPANS}otlp: {{span_names: [a]}}", f"{SPANS}otlp: {{span_names: [a, b]}}", "otlp.span_names", "b"),
    ],
)
def test_what_more_leaves_of_spans_is_released_and_the_reverse_withheld(
    old: str, new: str, field: str, text: str
) -> None:
    for was, now, effect in ((old, new, Effect.RELEASED), (new, old, Effect.WITHHELD)):
        changes = {change.field: change.text for change in policies(was, now).with_effect(effect)}
        assert field in changes
        assert not text or changes[field] in (text, f"was: {text}")


def test_what_changes_both_ways_is_released() -> None:
    there = diff(compiled(), compiled(("codec: {one_of: [h264, hevc, av1]}\n", "codec: {one_of: [h264, vp9]}\n")))
    (change,) = there.changes
    assert (change.effect, change.text) == (Effect.RELEASED, "was: one of h264, hevc, av1; now: one of h264, vp9")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scenes: {min: 0, max: 500}", "scenes: {min: 1, max: 499}"),
        ("codec: {one_of: [h264, hevc, av1]}\n", "codec: {one_of: [hevc, h264]}\n"),
        ("telemetry.sdk.*: OPERATIONAL", "telemetry.sdk.name: OPERATIONAL"),
        ("days_around_receipt: 7", "days_around_receipt: 6"),
        ("kannelle.crm.v1.Contact: [crm]", "kannelle.crm.v1.Company: [crm]"),
        ("    - server stopped\n", ""),
        ("    user.email: WORK_EMAIL\n", ""),
    ],
)
def test_a_narrowing_withholds(old: str, new: str) -> None:
    difference = diff(compiled(), compiled((old, new)))
    assert difference.with_effect(Effect.WITHHELD)
    assert not difference.releases_more or "Company" in new


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("usr_[A-Za-z0-9]{1,32}", "usr_[A-Za-z0-9]{1,33}", "user_id.pattern"),
        ("kannelle.crm.v1.Contact: [crm]", "kannelle.crm.v1.Contact: [crm, billing]", "flows.kannelle.crm.v1.Contact"),
        (
            "  # What the OpenTelemetry",
            f"  {OF_METHOD}: [activity-log]\n  # What the OpenTelemetry",
            f"flows.{OF_METHOD}",
        ),
        (SECURITY, SECURITY.replace("log", "store"), "destinations.activity-log"),
        (SECURITY, SECURITY.replace("FR", "IE"), "destinations.activity-log"),
        (KEPT_90, KEPT_90 + OTLP, "destinations.application-log.exporter"),
    ],
)
def test_who_receives_what_is_told_by_the_key_of_the_policy(old: str, new: str, field: str) -> None:
    assert field in {change.field for change in diff(compiled(), compiled((old, new))).with_effect(Effect.RELEASED)}


def test_a_new_identifier_is_a_release_and_one_that_went_is_none() -> None:
    (change,) = diff(compiled(), compiled(('identifiers: ["ws_', 'identifiers: ["ord_[0-9]{1,9}", "ws_'))).changes
    assert (change.effect, change.field) == (Effect.RELEASED, "identifiers")
    assert change.text == "values of ord_[0-9]{1,9} may leave the EU"
    (back,) = diff(compiled(('identifiers: ["ws_', 'identifiers: ["ord_[0-9]{1,9}", "ws_')), compiled()).changes
    assert (back.effect, back.field) == (Effect.WITHHELD, "identifiers")


def test_the_pattern_of_user_ids_is_told_once() -> None:
    difference = diff(compiled(), compiled(("usr_[A-Za-z0-9]{1,32}", "u_[0-9]{1,9}")))
    assert [change.field for change in difference.changes] == ["user_id.pattern"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("{}", "{add: [family.example]}", [(Effect.WITHHELD, "addresses of family.example are personal")]),
        ("{add: [family.example]}", "{}", [(Effect.RELEASED, "addresses of family.example pass as business ones")]),
        ("{}", "{remove: [eclipso.de]}", [(Effect.RELEASED, "addresses of eclipso.de pass as business ones")]),
        ("{remove: [eclipso.de]}", "{}", [(Effect.WITHHELD, "addresses of eclipso.de are personal")]),
        (
            "{}",
            "{remove: [mail.eclipso.de]}",
            [(Effect.RELEASED, "addresses of mail.eclipso.de pass as business ones")],
        ),
        ("{}", "{add: [eclipso.de]}", [(Effect.NOTED, "changed")]),
        ("{add: [a.example, b.example]}", "{add: [b.example, a.example]}", [(Effect.NOTED, "changed")]),
        (
            "{add: [a.example]}",
            "{add: [b.example]}",
            [
                (Effect.RELEASED, "addresses of a.example pass as business ones"),
                (Effect.WITHHELD, "addresses of b.example are personal"),
            ],
        ),
    ],
)
def test_mail_domains_are_told_once_each_way(before: str, after: str, told: list[tuple[Effect, str]]) -> None:
    old, new = (compiled(("version: 1\n", f"version: 1\npersonal_domains: {domains}\n")) for domains in (before, after))
    difference = diff(old, new)
    assert [(change.effect, change.text) for change in difference.changes] == told
    assert {change.field for change in difference.changes} == {"personal_domains"}


@pytest.mark.parametrize(
    ("old", "new", "field", "text"),
    [
        ("Check it Out S.A.S.", "Another S.A.", "controller", "changed"),
        (KEPT_90, "    retention: 60d", "destinations.application-log.retention", "was: 90 days; now: 60 days"),
        (
            KEPT_90,
            f"{KEPT_90}\n    delivery: stored",
            "destinations.application-log.delivery",
            "was: direct; now: stored",
        ),
        ("\nceilings:\n", "\nceilings:\n  JP: [OPERATIONAL]\n", "ceilings.JP", "gains OPERATIONAL"),
        ("\ndestinations:\n", f"\ndestinations:\n{EXTRA}", "destinations.extra", "a new destination, a log in FR"),
        (KEPT_10Y, KEPT_10Y.replace("PAYMENT", "PAYMENT, DEVICE"), "destinations.billing.allow", "gains DEVICE"),
        (
            KEPT_90,
            f"{KEPT_90}\n    exporter: {{kind: jsonl, backups: 6}}",
            "destinations.application-log.exporter",
            "changed",
        ),
        (
            KEPT_90,
            f"{KEPT_90}\n    exporter: {{kind: 'null'}}",
            "destinations.application-log.exporter",
            "was: jsonl to its own file; now: null",
        ),
    ],
)
def test_what_releases_nothing_by_itself_is_noted(old: str, new: str, field: str, text: str) -> None:
    (change,) = diff(compiled(), compiled((old, new))).changes
    assert (change.effect, change.field, change.text) == (Effect.NOTED, field, text)


@pytest.mark.parametrize(
    ("old", "new", "field", "text"),
    [
        (KEPT_90, "    retention: 91d", "destinations.application-log.retention", "was: 90 days; now: 91 days"),
        (KEPT_90, "    retention: 100y", "destinations.application-log.retention", "was: 90 days; now: 36500 days"),
        ("purpose: sales", "purpose: marketing", "destinations.crm.purpose", "was: sales; now: marketing"),
        (
            f"{SECURITY}\n    legal_basis: LEGITIMATE_INTERESTS",
            f"{SECURITY}\n    legal_basis: CONTRACT",
            "destinations.activity-log.legal_basis",
            "was: LEGITIMATE_INTERESTS; now: CONTRACT",
        ),
        ("version: 1\n", "version: 1\nhosts: {US: [a.example]}\n", "hosts.US", "gains a.example"),
    ],
)
def test_what_was_promised_of_data_is_found_when_it_changes(old: str, new: str, field: str, text: str) -> None:
    difference = diff(compiled(), compiled((old, new)))
    (change,) = difference.changes
    assert (change.effect, change.field, change.text) == (Effect.RELEASED, field, text)
    assert difference.releases_more


GATED: Final = "{t.A: [backup]}"


def gated(before: str, after: str, flows: str) -> Difference:
    """Of two policies, of which each has a destination with these gates."""
    held = contract(proto("message A { string id = 1 @USER_ID; }"))
    destinations = (BACKUP.replace("[backup]", gates) for gates in (before, after))
    return diff(*(Compiler(held, policy("", flows, one)) for one in destinations))


@pytest.mark.parametrize(
    ("before", "after", "flows", "effect", "text"),
    [
        ("[backup]", "[]", GATED, Effect.RELEASED, "no longer asks for backup"),
        ("[]", "[backup]", GATED, Effect.WITHHELD, "asks for backup"),
        ("[backup]", "[]", "{}", Effect.NOTED, "no longer asks for backup"),
    ],
)
def test_a_gate_that_goes_is_a_release(before: str, after: str, flows: str, effect: Effect, text: str) -> None:
    (change,) = gated(before, after, flows).changes
    assert (change.effect, change.field, change.text, change.destination) == (
        effect,
        "destinations.backup.gates",
        text,
        "backup",
    )


@pytest.mark.parametrize(
    ("destination", "old", "new", "text", "effect"),
    [
        ("backup", "a", "b", "its workspace was a, and is now b", Effect.RELEASED),
        ("eu-store", "a", "b", "its workspace was a, and is now b", Effect.RELEASED),
        ("backup", "", "b", "its workspace was not named, and is now b", Effect.RELEASED),
        ("eu-store", "", "b", "its workspace was not named, and is now b", Effect.NOTED),
    ],
)
def test_a_workspace_that_is_read_elsewhere_is_a_release(
    destination: str, old: str, new: str, text: str, effect: Effect
) -> None:
    def made(named: str) -> Compiler:
        fields = (
            f"string {name} = {number} @{{category: OPERATIONAL, workspace: {str(name == named).lower()}}};"
            for number, name in enumerate("ab", 1)
        )
        held = contract(proto(f"message A {{ {' '.join(fields)} }}"))
        return Compiler(held, policy("", f"{{t.A: [{destination}]}}", BACKUP))

    (change,) = diff(made(old), made(new)).changes
    assert (change.effect, change.field, change.text) == (effect, "t.A", text)
    (change,) = diff(made(new), made("")).changes
    assert (change.effect, change.text) == (Effect.NOTED, f"its workspace was {new}, and is now not named")


def test_another_attribute_for_the_workspace_is_a_release() -> None:
    (change, *more) = diff(
        compiled(), compiled(("workspace: kannelle.workspace.id", "workspace: kannelle.video.id"))
    ).changes
    assert {one.effect for one in (change, *more)} == {Effect.RELEASED}
    assert change.text == (
        "its workspace was attributes[kannelle.workspace.id], and is now attributes[kannelle.video.id]"
    )


@pytest.mark.parametrize(
    ("old", "new", "effect", "text"),
    [
        (
            "a.lock",
            "",
            Effect.RELEASED,
            "no longer names a.lock: all that contracts annotate counts, though nobody approved it",
        ),
        ("a.lock", "b.lock", Effect.NOTED, "changed"),
        ("", "a.lock", Effect.NOTED, "changed"),
    ],
)
def test_approvals_that_no_longer_count_are_a_release(
    old: str, new: str, effect: Effect, text: str, tmp_path: Path
) -> None:
    held = contract(proto("message A { string id = 1 @USER_ID; }"))

    def made(name: str) -> Compiler:
        said = f"approvals: {name}\n" if name else ""
        return Compiler(held, parse(f"{POLICY}flows: {{t.A: [eu-store]}}\n{said}", tmp_path / "policy.yaml"))

    for name in ("a.lock", "b.lock"):
        write_approvals(tmp_path / name, approvals_of(held, {"t.A.id": FieldPrivacy(Category.USER_ID)}))
    (change,) = diff(made(old), made(new)).changes
    assert (change.effect, change.field, change.text) == (effect, "approvals", text)


def test_a_host_less_is_noted() -> None:
    (change,) = diff(compiled(("version: 1\n", "version: 1\nhosts: {US: [a.example]}\n")), compiled()).changes
    assert (change.effect, change.field, change.text) == (Effect.NOTED, "hosts.US", "loses a.example")


def test_a_destination_that_nothing_leads_to_promises_nothing_yet() -> None:
    old, new = (
        compiled(("\ndestinations:\n", f"\ndestinations:\n{extra}"))
        for extra in (EXTRA, EXTRA.replace("sales", "marketing"))
    )
    assert [change.effect for change in diff(old, new).changes] == [Effect.NOTED]


def test_an_override_is_shown() -> None:
    overlay = "\nclassifications: {kannelle.crm.v1.Contact.source_ip: {category: OPERATIONAL, overrides: true}}\n"
    difference = diff(compiled(), Compiler(KANNELLE, parse(KANNELLE_POLICY + overlay)))
    released = told(difference, Effect.RELEASED)
    assert {(type_, field) for _, type_, field in released} == {(CONTACT, f"{CONTACT}.source_ip")}
    assert {to for to, _, _ in released} == {"crm"}
    (noted,) = difference.with_effect(Effect.NOTED)
    assert (noted.field, noted.text) == (
        f"classifications.{CONTACT}.source_ip",
        "overrides: OPERATIONAL instead of NETWORK",
    )


NONE: Final = "flows: {}"
ROUTE: Final = "flows: {}\nroutes: [{authority: a.b, upstream: 'dns:///c:1', destination: eu-service}]"


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (NONE, "flows: {t.A: [eu-log]}", Effect.RELEASED),
        ("flows: {t.A: [eu-log]}", NONE, Effect.WITHHELD),
        (NONE, ROUTE, Effect.RELEASED),
        (ROUTE, NONE, Effect.WITHHELD),
        (ROUTE, ROUTE.replace("dns:///c:1", "dns:///d:1"), Effect.RELEASED),
        (ROUTE, ROUTE.replace("eu-service", "eu-service, mode: shadow"), Effect.RELEASED),
        (ROUTE, ROUTE.replace("eu-service", "eu-service, listener: inbound"), Effect.RELEASED),
    ],
)
def test_flows_and_routes_lead_somewhere_or_not(old: str, new: str, effect: Effect) -> None:
    difference = policies(old, new)
    assert difference.with_effect(effect)
    assert difference.releases_more is (effect is Effect.RELEASED)


def asked(*callers: str) -> str:
    """A route with these callers."""
    return ROUTE.replace("eu-service", f"eu-service, callers: {{{', '.join(callers)}}}")


INDIRECT: Final = "c: {region: FR, allow: [USER_ID]}"
NAMED: Final = "c: {region: FR, allow: [USER_ID, NAME]}"
TAGGED: Final = "c: {region: FR, allow: [USER_ID], metadata: {keys: {x-user: USER_ID}}}"
ANSWER: Final = "routes.a.b → c"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (asked(INDIRECT), asked(INDIRECT), set()),
        (
            asked(),
            asked("c: {region: FR, allow: []}"),
            {("", ANSWER), (ANSWER, "metadata.keys.grpc-retry-pushback-ms")},
        ),
        (asked(INDIRECT), asked(NAMED), {("", f"{ANSWER}.allow"), (ANSWER, "t.A.name")}),
        (
            asked(INDIRECT),
            asked(INDIRECT.replace("USER_ID", "USER_ID, FREE_TEXT")),
            {("", f"{ANSWER}.allow"), (ANSWER, "status message")},
        ),
        (asked(INDIRECT), asked(TAGGED), {(ANSWER, "metadata.keys.x-user")}),
    ],
)
def test_who_may_ask_and_for_what_is_released_or_withheld(old: str, new: str, expected: set[tuple[str, str]]) -> None:
    there, back = policies(old, new), policies(new, old)
    assert {(change.destination, change.field) for change in there.with_effect(Effect.RELEASED)} >= expected
    assert {(change.destination, change.field) for change in back.with_effect(Effect.WITHHELD)} >= expected
    assert there.releases_more is bool(expected)
    assert not back.releases_more
    assert not there.with_effect(Effect.WITHHELD)


def test_a_caller_that_is_elsewhere_is_released_to() -> None:
    (change,) = policies(asked(INDIRECT), asked(INDIRECT.replace("FR", "US"))).with_effect(Effect.RELEASED)
    assert (change.field, change.text) == (ANSWER, "was: in FR; now: in US")


def test_metadata_for_a_destination_is_released() -> None:
    more = POLICY.replace(
        "  eu-service: {", "  eu-service: {metadata: {keys: {x-user: USER_ID}, credentials: [authorization]}, "
    )
    held = contract(proto("message A { string id = 1 @USER_ID; }"))
    difference = diff(Compiler(held, parse(POLICY + ROUTE)), Compiler(held, parse(more + ROUTE)))
    assert told(difference, Effect.RELEASED) == {
        ("eu-service", "", "metadata.keys.authorization"),
        ("eu-service", "", "metadata.keys.x-user"),
    }


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("timeout: 2s", "timeout"),
        ("wait_for_ready: true", "wait_for_ready"),
        ("retry: {max_attempts: 2, codes: [UNAVAILABLE]}", "retry"),
        ("max_message_bytes: 2048", "max_message_bytes"),
    ],
)
def test_how_a_routes_calls_go_is_noted(more: str, key: str) -> None:
    (change,) = policies(ROUTE, ROUTE.replace("eu-service", f"eu-service, {more}")).changes
    assert (change.effect, change.field, change.destination) == (Effect.NOTED, f"routes.a.b.{key}", "eu-service")


def test_a_caller_of_two_routes_of_an_authority_gets_what_either_gives() -> None:
    def routes(get: str, put: str) -> str:
        both = (f"{{authority: a, upstream: 'unix:/a', destination: eu-service, methods: [t.S/{name}], callers: "
                f"{{{caller}}}}}"
                for name, caller in (("Get", get), ("Put", put)))  # fmt: skip
        return f"flows: {{}}\nroutes: [{', '.join(both)}]"

    difference = policies(routes(INDIRECT, NAMED), routes(NAMED, NAMED))
    assert {change.field for change in difference.with_effect(Effect.RELEASED)} == {"routes.a → c.allow"}


def test_a_method_with_a_flow_of_its_own_leaves_its_services() -> None:
    whole, own = (
        "flows: {kannelle.privacy.v1.AnalyticsService/*: [eu-log]}",
        (
            "flows: {kannelle.privacy.v1.AnalyticsService/*: [eu-log], kannelle.privacy.v1.AnalyticsService/TrackEvent: "
            "[eu-service]}"
        ),
    )
    flows = {
        (change.effect, change.field, change.destination)
        for change in policies(whole, own).changes
        if change.field.startswith("flows.")
    }
    assert flows == {
        (Effect.RELEASED, f"flows.{OF_METHOD}", "eu-service"),
        (Effect.WITHHELD, f"flows.{OF_METHOD}", "eu-log"),
    }


KEYED: Final = "map<string, string> b = 1 @{category: NAME, map_key: OPERATIONAL};"
SPAN: Final = "google.protobuf.Duration b = 1 @{category: OPERATIONAL, min: 1, max: 9};"


@pytest.mark.parametrize(
    ("old", "new", "effect", "field"),
    [
        ("string b = 1 @NAME;", "string b = 1 @NAME; string c = 2 @NAME;", Effect.RELEASED, "t.A.c"),
        ("string b = 1 @NAME; string c = 2;", "string b = 1 @NAME; string c = 2 @NAME;", Effect.RELEASED, "t.A.c"),
        ("string b = 1 @NAME; string c = 2 @NAME;", "string b = 1 @NAME;", Effect.WITHHELD, "t.A.c"),
        (
            "string b = 1 @{category: OPERATIONAL, pattern: 'a'};",
            "string b = 1 @OPERATIONAL;",
            Effect.RELEASED,
            "t.A.b",
        ),
        ("string b = 1 @OPERATIONAL;", "string b = 1 @{category: OPERATIONAL, one_of: 'a'};", Effect.WITHHELD, "t.A.b"),
        ("string b = 1 @NAME;", "string b = 1 @OPERATIONAL;", Effect.WITHHELD, "t.A.b"),
        ("string b = 1 @OPERATIONAL;", "string b = 1 @NAME;", Effect.RELEASED, "t.A.b"),
        (
            "string b = 1 @{category: NAME, max_length: 5};",
            "string b = 1 @{category: NAME, max_length: 4};",
            Effect.WITHHELD,
            "t.A.b",
        ),
        (
            "string b = 1 @{category: NAME, max_length: 5};",
            "string b = 1 @{category: NAME, max_length: 6};",
            Effect.RELEASED,
            "t.A.b",
        ),
        ("string b = 1 @NAME;", "bytes b = 1 @NAME;", Effect.RELEASED, "t.A.b"),
        ("K b = 1 @OPERATIONAL;", "K b = 1 @OPERATIONAL; // K_NEW", Effect.RELEASED, "t.A.b"),
        (KEYED, KEYED.replace("map_key: OPERATIONAL", "map_key: NAME"), Effect.RELEASED, "t.A.b[key]"),
        ("P b = 1;", "P b = 1; P c = 2;", Effect.RELEASED, "t.A.c"),
        (SPAN, "google.protobuf.Duration b = 1 @OPERATIONAL;", Effect.RELEASED, "t.A.b"),
        ("google.protobuf.Duration b = 1 @OPERATIONAL;", SPAN, Effect.WITHHELD, "t.A.b"),
        (
            "int64 b = 1 @OPERATIONAL;",
            "int64 b = 1 @{category: OPERATIONAL, min: 1, max: 9};",
            Effect.RELEASED,
            "t.A.b",
        ),
        ("string b = 1 @FREE_TEXT;", "string b = 1 @OPERATIONAL;", Effect.WITHHELD, "t.A.b"),
        ("string b = 1 @FREE_TEXT;", "string b = 1 @WORK_EMAIL;", Effect.RELEASED, "t.A.b"),
        ("string b = 1 @USER_ID;", "string b = 1 @{category: USER_ID, max_length: 9};", Effect.WITHHELD, "t.A.b"),
    ],
)
def test_a_field_that_changed_is_released_or_withheld(old: str, new: str, effect: Effect, field: str) -> None:
    def body(fields: str) -> str:
        more = "K_NEW = 7;" if "K_NEW" in fields else ""
        return (
            f"message A {{ {fields.partition('//')[0]} }} message P {{ string x = 1 @NAME; }} enum K {{ K_X = 0; "
            f"{more} }}"
        )

    difference = contracts(body(old), body(new))
    assert told(difference, effect) == {("eu-store", "t.A", field)}
    assert difference.releases_more is (effect is Effect.RELEASED)


def test_a_type_that_an_any_may_carry_from_now_on_is_released() -> None:
    old = "message A { google.protobuf.Any any = 1; string id = 2 @USER_ID; } message B { string x = 1; }"
    difference = contracts(old, old.replace("x = 1", "x = 1 @NAME"))
    assert {field for _, _, field in told(difference, Effect.RELEASED)} == {"t.B.x", "google.protobuf.Any(t.B)"}


def test_what_does_not_compile_is_said_so() -> None:
    with pytest.raises(BadPolicy, match="no contract has a message type"):
        policies("flows: {}", "flows: {t.Nothing/Do: [eu-log]}")


NAMES: Final = ("a", "b", "c", "d")
LABELS: Final = ("", "@NAME", "@OPERATIONAL", "@USER_ID", "@CONTENT", "@{category: OPERATIONAL, one_of: 'x'}")
FIELDS: Final = st.fixed_dictionaries({name: st.sampled_from(LABELS) for name in NAMES})
OVERLAYS: Final = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(["NAME", "OPERATIONAL", "AGE", "CONTENT", "UNSPECIFIED"]), max_size=4
)
TO: Final = st.lists(
    st.sampled_from(["eu-store", "eu-indirect", "us-vendor", "jp-service"]), unique=True, min_size=1, max_size=4
)
BARE: Final[Contract] = contract(
    proto("message A { string a = 1; string b = 2; P p = 3; } message P { string c = 1; string d = 2; A back = 3; }")
)
OWNER: Final = {"a": "t.A.a", "b": "t.A.b", "c": "t.P.c", "d": "t.P.d"}


def overlaid(overlay: dict[str, str], to: list[str]) -> Compiler:
    classes = ", ".join(f"{OWNER[name]}: {{category: {category}}}" for name, category in overlay.items())
    return Compiler(BARE, parse(f"{POLICY}flows: {{t.A: [{', '.join(to)}]}}\nclassifications: {{{classes}}}\n"))


def kept(made: Compiler) -> set[tuple[str, str]]:
    """The fields that leave, by destination, as explain tells them."""
    flows = made.policy.flows["t.A"]
    return {(to, node.key) for to in flows for _, node in explain(made, "t.A", to).walk() if node.kept}


@settings(max_examples=60, deadline=None)
@given(OVERLAYS, TO, OVERLAYS, TO)
def test_each_field_that_leaves_now_and_did_not_is_released(
    before: dict[str, str], to: list[str], after: dict[str, str], then: list[str]
) -> None:
    old, new = overlaid(before, to), overlaid(after, then)
    difference = diff(old, new)
    released = {(destination, field) for destination, item, field in told(difference, Effect.RELEASED) if item}
    withheld = {(destination, field) for destination, item, field in told(difference, Effect.WITHHELD) if item}
    assert kept(new) - kept(old) <= released <= kept(new)
    assert kept(old) - kept(new) <= withheld <= kept(old)
    assert not released & withheld
