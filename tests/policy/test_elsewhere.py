"""What a policy says of other contracts' types: it stops nobody, opens nothing, and a typo among it is found."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.redecider import Redecider
from gateway.errors import BadPolicy, DeliveryReason, Refused, Retryable
from gateway.model import Withheld
from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from gateway.policy.elsewhere import ContractNames
from gateway.policy.load import parse
from gateway.policy.review.changes import Effect
from gateway.policy.review.diff import diff
from gateway.policy.review.lint import lint
from tests.support.again import decide_again, minimised
from tests.support.contracts import POLICY, compiler, contract, proto
from tests.support.fake_delivery import decider

BODY: Final = (
    "message A { string id = 1 @USER_ID; N n = 2; message N { string x = 1 @OPERATIONAL; } } service S { rpc Get(A) "
    "returns (A); }"
)
ROUTE: Final = "{{authority: a, upstream: 'unix:/a', destination: eu-service, methods: [{}]}}"


def made(flows: str = "{}", more: str = "", elsewhere: str = "") -> Compiler:
    return compiler(BODY, f"elsewhere: [{elsewhere}]\n{more}", flows)


def errors(held: Compiler) -> list[tuple[str, str]]:
    """What is wrong with names. Destinations that nothing feeds are no part of it."""
    return [(one.code, one.place) for one in lint(held) if one.severity == "error" and one.code != "unfed"]


# What the policy lists, what a flow names; whether `lint` finds fault.
FLOWS: Final = [
    ("", "u.C", True),
    ("u.C", "u.C", False),
    ("u.*", "u.C", False),
    ("u.*", "u.v1.C", False),
    ("u.v1.*", "u.C", True),
    ("u.v1.*", "u.v1x.C", True),
    ("u.D", "u.C", True),
    ("u.C", "u.C.D", False),
    # The contract has something of the package: a name that is missing in it is a typo, unless it is listed by itself.
    ("t.*", "t.B", True),
    ("t.B", "t.B", False),
    ("t.*, u.*", "u.C", False),
]


@pytest.mark.parametrize(("listed", "name", "wrong"), FLOWS)
def test_a_flow_of_a_type_that_is_not_here_leads_nowhere_and_lint_says_so_unless_it_is_listed(
    listed: str, name: str, wrong: bool
) -> None:
    held = made(f"{{t.A: [eu-log], {name}: [eu-log, us-vendor]}}", elsewhere=listed)
    assert errors(held) == ([("not-here", f"flows.{name}")] if wrong else [])
    flows = Flows(held)
    assert list(flows.sendable) == ["t.A"]
    with pytest.raises(Refused, match="UNKNOWN_TYPE"):
        flows.of_type(name)


# A flow, an overlay or a route that no other contract can explain; and one that only a list can.
STOPPED: Final = [
    ("t", "", "", "flows.t: no contract has a message type"),
    ("t.A.M", "", "t.A.M", "flows.t.A.M: no contract has a message type"),
    ("t.S/Get", "", "t.S", "flows.t.S/Get: no contract has a message type"),
    ("kannelle.privacy.v1.ActivityEntri", "", "kannelle.*", "no contract has a message type"),
    ("kannelle.privacy.v1.AnalyticsService/TrackEvnt", "", "kannelle.*", "no contract has a message type"),
    ("", "classifications: {t.A.idd: {category: NAME}}", "t.A, t.*", "t.A.idd: no contract has this field"),
    ("", "classifications: {t.A.idd: {category: NAME}}", "t.A.idd", "t.A.idd: no contract has this field"),
    (
        "",
        "classifications: {t.B.id: {category: NAME}}",
        "t.*",
        "no contract has this field; if another contract has it, list it",
    ),
    (
        "",
        "classifications: {u.C.id: {category: NAME}}",
        "",
        "no contract has this field; if another contract has it, list it",
    ),
    ("", f"routes: [{ROUTE.format('t.S/Gett')}]", "t.S, t.*", "methods[0]: no contract has a method of this name"),
    (
        "",
        f"routes: [{ROUTE.format('u.S/Get')}]",
        "",
        "no contract has a method of this name; if another contract has it, list it",
    ),
    (
        "",
        f"routes: [{ROUTE.format('t.T/*')}]",
        "t.*",
        "no contract has a service of this name; if another contract has it, list it",
    ),
]


@pytest.mark.parametrize(("flow", "more", "listed", "text"), STOPPED)
def test_a_name_that_would_leave_something_to_what_is_looser_stops(
    flow: str, more: str, listed: str, text: str
) -> None:
    with pytest.raises(BadPolicy) as caught:
        lint(made(f"{{{flow}: [eu-log]}}" if flow else "{}", more, listed))
    assert text in str(caught.value)


def test_what_is_listed_of_overlays_and_routes_is_left_out_and_all_else_counts() -> None:
    more = (
        f"classifications: {{u.C.id: {{category: NAME}}, t.A.N.x: {{category: NAME}}}}\nroutes: "
        f"[{ROUTE.format('u.S/Get, t.S/Get, v.T/*')}]"
    )
    held = made("{u.C: [eu-log]}", more, "u.*, v.T")
    assert (held.classifications["t.A.N.x"].category.name, "u.C.id" in held.classifications) == ("NAME", False)
    assert [(index, method.path) for index, method in held.method_table.route_methods()] == [(0, "/t.S/Get")]
    assert [one.name for one in held.absent] == ["u.C", "u.C.id", "u.S/Get", "v.T/*"]
    assert errors(held) == []


def test_a_template_for_a_type_that_is_not_here_is_left_alone_with_its_flow() -> None:
    items = "{t.A: {event: a, userId: '{id}'}, u.C: {event: c, userId: '{other}'}}"
    sink = (
        "  sink: {recipient: vendor, region: US, purpose: functional.service, legal_basis: CONTRACT, allow: "
        "[USER_ID], retention: 30d,\n"
        f"    exporter: {{kind: segment, endpoint: 'https://127.0.0.1', write_key: {{env: KEY}}, items: {items}}}}}\n"
    )
    held = Compiler(contract(proto(BODY)), parse(f"{POLICY}{sink}flows: {{t.A: [sink], u.C: [sink]}}\n"))
    assert {*held.plans()} == {("t.A", "sink")}
    with pytest.raises(BadPolicy, match=r"items\.u\.C: no contract has a message type"):
        Compiler(contract(proto(BODY)), parse(f"{POLICY}{sink}flows: {{t.A: [sink]}}\n")).plans()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("u.", "must be a message type's or a service's full name, or a package"),
        ("*", "must be a message type's or a service's full name, or a package"),
        ("u.S/Get", "must be a message type's or a service's full name, or a package"),
        ("kannelle.privacy.v1.*", "is of a package that the gateway brings"),
        ("google.protobuf.Any", "is of a package that the gateway brings"),
        ("u.C, u.C", "is in the list twice"),
    ],
)
def test_a_list_that_says_nothing_does_not_load(name: str, text: str) -> None:
    with pytest.raises(BadPolicy, match=text):
        made(elsewhere=", ".join(f'"{one}"' for one in name.split(", ")))


async def test_what_was_stored_of_a_type_that_is_not_here_any_more_waits() -> None:
    flows = Flows(made("{t.A: [eu-log], u.C: [eu-log]}"))
    again = Redecider(lambda: flows, decider())
    with pytest.raises(Retryable, match="UNKNOWN_TYPE"):
        await decide_again(again, minimised("eu-log", "u.C", b"", 0))
    verdict = await decide_again(again, minimised("us-vendor", "u.C", b"", 0))
    assert isinstance(verdict, Withheld)
    assert verdict.reason is DeliveryReason.CUT_OFF


def test_a_review_sees_what_changes_for_other_contracts() -> None:
    old, new = (
        made("{}", elsewhere="u.*"),
        made("{u.C: [us-vendor]}", "classifications: {u.C.id: {category: NAME}}", "u.*"),
    )
    assert {(change.effect, change.field) for change in diff(old, new).changes} == {
        (Effect.RELEASED, "flows.u.C"),
        (Effect.NOTED, "classifications.u.C.id"),
    }


PARTS: Final = st.lists(st.sampled_from(["t", "u", "A", "N", "B", "S"]), min_size=1, max_size=4).map(".".join)
ENTRIES: Final = st.lists(st.builds(str.__add__, PARTS, st.sampled_from(["", ".*"])), max_size=4, unique=True)


def _plainly(name: str, entries: list[str]) -> bool:
    """An entry covers a name that is it or below it, if the contract has nothing that is it, below it or around it."""
    for entry in entries:
        base = entry.removesuffix(".*")
        here = any(f"{known}.".startswith(f"{base}.") or f"{base}.".startswith(f"{known}.") for known in ("t.A", "t.S"))
        if not here and f"{name}.".startswith(f"{base}."):
            return True
    return False


@given(PARTS, ENTRIES)
def test_what_is_elsewhere_is_what_a_plain_reading_says(name: str, entries: list[str]) -> None:
    scope = ContractNames(contract(proto(BODY)), tuple(entries))
    assert scope.is_elsewhere(name) is _plainly(name, entries)
    if scope.is_elsewhere(name):
        assert name not in contract(proto(BODY)).messages
