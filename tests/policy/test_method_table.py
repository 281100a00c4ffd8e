"""The route table: which method goes by which route, and what must compile before one does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts.load import default_path, load
from gateway.errors import BadPolicy
from gateway.model import Category, Recipient
from gateway.plan import MethodPlan
from gateway.policy.compile import Compiler
from gateway.policy.document import Caller, TrafficDirection
from gateway.policy.load import parse
from tests.support.contracts import POLICY, PROTO_HEADER, compiler, contract, policy, proto

BODY: Final = """
message A { string id = 1 @USER_ID; string name = 2 @NAME; }
message B { string id = 1 @USER_ID; string phone = 2 @PHONE; }
service S { rpc Get(A) returns (B); rpc List(A) returns (stream B); rpc Put(stream A) returns (B); rpc Chat(stream A) returns (stream B); }
service T { rpc Get(A) returns (B); }
"""
ALL: Final = {f"/t.{name}" for name in ("S/Get", "S/List", "S/Put", "S/Chat", "T/Get")}
FIRST: Final = POLICY.count("\n") + 3
"""The line of the first route."""

DEFAULTS: Final = {"authority": "a", "upstream": "'unix:/a'", "destination": "eu-service"}
"""What a route of a test says unless it says otherwise."""


def routed(*written: str) -> str:
    return "routes:\n" + "".join(f"  - {{{filled(route)}}}\n" for route in written)


def filled(route: str) -> str:
    return ", ".join(
        [*(f"{key}: {value}" for key, value in DEFAULTS.items() if f"{key}:" not in route), *filter(None, [route])]
    )


def calls(*written: str, body: str = BODY) -> Mapping[str, Mapping[str, int]]:
    """What is carried on the outbound listener."""
    return compiler(body, routed(*written)).method_table.route_indices[TrafficDirection.OUTBOUND]


def fault(*written: str, body: str = BODY, head: str = PROTO_HEADER) -> str:
    made = Compiler(contract(proto(body, head)), policy(routed(*written)))
    with pytest.raises(BadPolicy) as caught:
        assert made.method_table.routes
    return str(caught.value)


def test_without_routes_nothing_is_carried() -> None:
    table = compiler(BODY).method_table
    assert (table.routes, table.methods, list(table.route_methods())) == ((), {}, [])
    assert table.route_indices == {TrafficDirection.INBOUND: {}, TrafficDirection.OUTBOUND: {}}


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("", ALL),
        ("methods: [t.S/*]", ALL - {"/t.T/Get"}),
        ("methods: [t.S/Get]", {"/t.S/Get"}),
        ("methods: [t.S/Get, t.T/*]", {"/t.S/Get", "/t.T/Get"}),
        (
            "methods: [kannelle.privacy.v1.EmitService/*]",
            {f"/kannelle.privacy.v1.EmitService/{name}" for name in ("Emit", "EmitBatch", "EmitStream")},
        ),
    ],
)
def test_a_route_carries_what_it_names_or_all_that_others_brought(route: str, expected: set[str]) -> None:
    table = compiler(BODY, routed(route)).method_table
    assert (
        set(table.route_indices[TrafficDirection.OUTBOUND]["a"])
        == set(table.methods)
        == {method.path for _, method in table.route_methods()}
        == expected
    )


def test_a_method_has_its_types_and_says_who_streams() -> None:
    methods = compiler(BODY, routed("")).method_table.methods
    assert methods["/t.S/Get"] == MethodPlan("/t.S/Get", "t.A", "t.B", client_streaming=False, server_streaming=False)
    assert {path: (method.client_streaming, method.server_streaming) for path, method in methods.items()} == {
        "/t.S/Get": (False, False),
        "/t.S/List": (False, True),
        "/t.S/Put": (True, False),
        "/t.S/Chat": (True, True),
        "/t.T/Get": (False, False),
    }


EXACT, WHOLE, EVERY = "methods: [t.S/Get]", "methods: [t.S/*]", ""


@pytest.mark.parametrize("order", [(EXACT, WHOLE, EVERY), (EVERY, WHOLE, EXACT), (WHOLE, EXACT, EVERY)])
def test_what_is_named_more_exactly_goes_first(order: tuple[str, ...]) -> None:
    paths = calls(*order)["a"]
    assert {path: order[index] for path, index in paths.items()} == {
        "/t.S/Get": EXACT,
        **dict.fromkeys(("/t.S/List", "/t.S/Put", "/t.S/Chat"), WHOLE),
        "/t.T/Get": EVERY,
    }


def test_listeners_and_authorities_have_tables_of_their_own() -> None:
    table = compiler(
        BODY,
        routed("methods: [t.S/Get]", "listener: inbound, methods: [t.T/*]", "authority: 'a:1', methods: [t.T/Get]"),
    ).method_table
    assert table.route_indices == {
        TrafficDirection.OUTBOUND: {"a": {"/t.S/Get": 0}, "a:1": {"/t.T/Get": 2}},
        TrafficDirection.INBOUND: {"a": {"/t.T/Get": 1}},
    }


def test_kannelles_contracts_are_carried_without_the_gateways_own_services_and_otlp() -> None:
    backup = POLICY.replace("recipient: service,", "recipient: service, gates: [backup],")
    made = Compiler(load([default_path()]), parse(f"{backup}flows: {{}}\n{routed('')}"))
    assert not [
        path for path in made.method_table.methods if path.startswith(("/kannelle.privacy.v1.", "/opentelemetry."))
    ]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ("t.S/Got", "methods[0]: no contract has a method of this name"),
        ("t.s/Get", "methods[0]: no contract has a method of this name"),
        ("t.S/Get, t.U/Get", "methods[1]: no contract has a method of this name"),
        ("t.U/*", "methods[0]: no contract has a service of this name"),
        ("t/*", "methods[0]: no contract has a service of this name"),
        ("t.A/*", "methods[0]: no contract has a service of this name"),
    ],
)
def test_a_route_names_what_there_is(methods: str, expected: str) -> None:
    elsewhere = "; if another contract has it, list it under `elsewhere`"
    assert (
        fault("authority: b", f"methods: [{methods}]").removesuffix(elsewhere)
        == f"policy.yaml:{FIRST + 1}: routes[1].{expected}"
    )


VALUES: Final = ("Any", "Struct", "StringValue", "Timestamp")


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    ("route", "place"),
    [
        ("", "routes[0]"),
        ("methods: [t.S/*]", "routes[0].methods[0]"),
        ("methods: [t.S/Ping, t.S/Get]", "routes[0].methods[1]"),
    ],
)
@pytest.mark.parametrize(
    "method", ["rpc Get(google.protobuf.{}) returns (A);", "rpc Get(A) returns (stream google.protobuf.{});"]
)
def test_a_value_is_no_message_of_a_call(name: str, route: str, place: str, method: str) -> None:
    """Its category stands at the field that holds it: by itself it has none, and must not leave unjudged."""
    body = f"message A {{}} service S {{ rpc Ping(A) returns (A); {method.format(name)} }}"
    text = fault(route, body=body)
    assert text.startswith(f"policy.yaml:{FIRST}: {place}: /t.S/Get: google.protobuf.{name} is a value")


def test_a_method_that_cannot_be_carried_is_left_to_others_by_naming_those_that_can() -> None:
    body = "message A {} service S { rpc Ping(A) returns (A); rpc Get(google.protobuf.Timestamp) returns (A); }"
    assert calls("methods: [t.S/Ping]", body=body) == {"a": {"/t.S/Ping": 0}}


def test_empty_is_a_message_like_any_other() -> None:
    head = PROTO_HEADER + 'import "google/protobuf/empty.proto";\n'
    made = Compiler(
        contract(proto("service S { rpc Get(google.protobuf.Empty) returns (google.protobuf.Empty); }", head)),
        policy(routed("callers: {c: {region: FR, allow: []}}")),
    )
    assert made.method_table.methods["/t.S/Get"].request == "google.protobuf.Empty"
    assert made.plan("google.protobuf.Empty", "eu-service").messages[0].fields == ()


REQUIRED: Final = 'edition = "2023";\npackage t;\nimport "kannelle/privacy/v1/annotations.proto";\n'
STRICT: Final = """
message A { string name = 1 [features.field_presence = LEGACY_REQUIRED, (kannelle.privacy.v1.field).category = DATA_CATEGORY_NAME]; }
message E {}
service S { rpc In(A) returns (E); rpc Out(E) returns (A); }
"""


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (["destination: us-service"], "0: routes[0].destination"),
        (
            ["methods: [t.S/Out], destination: us-service", "authority: b, destination: us-store"],
            "1: routes[1].destination",
        ),
        (["callers: {c: {region: FR, allow: [NAME]}, d: {region: US, allow: [USER_ID]}}"], "0: routes[0].callers.d"),
        (
            [
                "methods: [t.S/In], callers: {c: {region: FR, allow: []}}",
                "authority: b, callers: {c: {region: FR, allow: []}}",
            ],
            "1: routes[1].callers.c",
        ),
    ],
)
def test_a_route_that_would_strip_what_is_required_is_named_with_its_line(routes: list[str], expected: str) -> None:
    line, _, place = expected.partition(": ")
    text = fault(*routes, body=STRICT, head=REQUIRED)
    assert text == f"policy.yaml:{FIRST + int(line)}: {place}: would strip t.A.name, which t.A requires"


@pytest.mark.parametrize(
    "route", ["methods: [t.S/Out], destination: us-service", "callers: {c: {region: FR, allow: [NAME]}}"]
)
def test_only_what_a_route_carries_must_compile(route: str) -> None:
    assert Compiler(contract(proto(STRICT, REQUIRED)), policy(routed(route))).method_table.methods


def test_a_plan_that_does_not_compile_names_whom_it_is_for() -> None:
    """Also where nobody said which route asks for it."""
    made = Compiler(
        contract(proto(STRICT, REQUIRED)), policy(routed("methods: [t.S/In], callers: {c: {region: FR, allow: []}}"))
    )
    caller = made.policy.routes[0].callers["c"]
    for terms, place in (
        (made.terms("us-store"), r"destinations\.us-store"),
        (made.caller_terms("c", caller), rf"policy\.yaml:{FIRST}: routes\[0\]\.callers\.c"),
        (made.caller_terms("d", caller), "routes"),
    ):
        with pytest.raises(BadPolicy, match=rf"{place}: would strip t\.A\.name, which t\.A requires$"):
            made.plan_for("t.A", terms)


def test_a_caller_is_a_service_below_its_regions_ceiling() -> None:
    made = compiler(BODY)
    terms = made.caller_terms("c", Caller(region="US", allow=frozenset({Category.USER_ID, Category.NAME})))
    assert (terms.name, terms.recipient, terms.region, terms.outside_eu) == ("c", Recipient.SERVICE, "US", True)
    assert terms.allow == {Category.USER_ID}
    assert made.caller_terms("c", Caller(region="JP", allow=frozenset(Category))).allow == {Category.OPERATIONAL}


def test_an_answer_is_minimised_for_the_caller_who_asks() -> None:
    made = compiler(
        BODY, routed("callers: {c: {region: FR, allow: [USER_ID, PHONE]}, d: {region: FR, allow: [USER_ID]}}")
    )
    plans = {
        name: made.plan_for("t.B", made.caller_terms(name, caller))
        for name, caller in made.method_table.routes[0].callers.items()
    }
    assert {name: [field.name for field in plan.messages[0].fields] for name, plan in plans.items()} == {
        "c": ["id", "phone"],
        "d": ["id"],
    }
    assert {name: plan.destination for name, plan in plans.items()} == {"c": "c", "d": "d"}
    assert plans["c"].digest != plans["d"].digest


@pytest.mark.parametrize("destination", sorted(policy().policy.destinations))
def test_a_destinations_plan_is_that_of_its_site(destination: str) -> None:
    made = compiler(BODY)
    terms = made.terms(destination)
    assert terms is made.terms(destination)
    assert made.plan("t.A", destination) is made.plan_for("t.A", terms)
    assert made.projector("t.A", destination) is made.projector_for("t.A", terms)


KEYS: Final = st.sampled_from(["t.S/Get", "t.S/List", "t.S/*", "t.T/Get", "t.T/*", "*"])


@settings(max_examples=60, deadline=None)
@given(st.lists(KEYS, unique=True, min_size=1))
def test_every_call_goes_by_the_most_exact_of_the_routes_for_it(keys: list[str]) -> None:
    paths = calls(*("" if key == "*" else f"methods: [{key}]" for key in keys)).get("a", {})
    for path in ALL:
        name = path[1:]
        claims = [key for key in (name, f"{name.partition('/')[0]}/*", "*") if key in keys]
        assert paths.get(path) == (keys.index(claims[0]) if claims else None)
