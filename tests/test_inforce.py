"""What a reload says of what isn't as it was: destinations, flows and routes by name, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from gateway.config import Config
from gateway.contracts.contract import Contract
from gateway.contracts.load import default_path
from gateway.contracts.load import load as load_contracts
from gateway.inforce import Current, InForce, changes, description
from gateway.loading import LoadedPolicy, compile_all
from gateway.policy.document import TrafficDirection
from gateway.policy.load import parse
from gateway.receivers.proxy.route_table import RouteTable
from gateway.receivers.proxy.upstream import Upstreams
from gateway.telemetry.log import LogFields
from tests.support import proxy_policy

DESTINATION: Final = (
    "{recipient: log, region: FR, purpose: essential.service.security, legal_basis: LEGITIMATE_INTERESTS, "
    "allow: [OPERATIONAL], retention: 30d, exporter: {kind: jsonl, path: NAME.jsonl}}"
)
POLICY: Final = f"""
version: 1
controller: Check it Out S.A.S.
user_id: {{pattern: "usr_[A-Za-z0-9]{{1,32}}"}}
ceilings:
  FR: [USER_ID, WORK_EMAIL, OPERATIONAL]
destinations:
  one: {DESTINATION.replace("NAME", "one")}
  two: {DESTINATION.replace("NAME", "two")}
flows:
  kannelle.privacy.v1.AnalyticsService/*: [one]
  otlp/logs: [one]
otlp:
  attributes: {{service.name: OPERATIONAL}}
"""

CHANGES: Final[dict[str, tuple[Callable[[str], str], list[str]]]] = {
    "nothing": (lambda text: text, []),
    "a comment": (lambda text: text + "# nothing", []),
    "a flow that came": (
        lambda text: text.replace("flows:", "flows:\n  kannelle.crm.v1.Contact: [two]"),
        ["destination two changed", "flow kannelle.crm.v1.Contact added"],
    ),
    "a flow that went": (
        lambda text: text.replace("  otlp/logs: [one]\n", ""),
        ["destination one changed", "flow otlp/logs removed"],
    ),
    "a flow to another destination": (
        lambda text: text.replace("otlp/logs: [one]", "otlp/logs: [two]"),
        ["destination one changed", "destination two changed", "flow otlp/logs changed"],
    ),
    "an attribute more": (
        lambda text: text.replace("service.name: OP", "host.name: OPERATIONAL, service.name: OP"),
        ["destination one changed", "flow otlp/logs changed"],
    ),
    "another retention": (lambda text: re.sub("30d(.*two)", r"31d\1", text), ["destination two changed"]),
    "a destination that went": (lambda text: re.sub("  two: .*\n", "", text), ["destination two removed"]),
    "a destination that came": (
        lambda text: text.replace("flows:", f"  three: {DESTINATION}\nflows:"),
        ["destination three added"],
    ),
}


@cache
def contract() -> Contract:
    return load_contracts([default_path()])


def loaded(text: str, held: Contract | None = None) -> LoadedPolicy:
    return compile_all(Config(), parse(text), held or contract())


def in_force(policy: LoadedPolicy) -> InForce:
    upstreams = Upstreams(lambda: pytest.fail("nothing is connected to"))
    routes = RouteTable(policy.compiled_routes, upstreams, 0, frozenset(TrafficDirection))
    return InForce(policy, routes, {})


async def test_whoever_has_read_what_is_in_force_keeps_all_of_it_over_a_reload() -> None:
    first, second = in_force(loaded(POLICY)), in_force(loaded(POLICY))
    current = Current(first)
    kept, flows = current.now, current.flows()
    current.put(second)
    assert (kept.loaded.flows, kept.route_table, kept.exporters) == (flows, first.route_table, first.exporters)
    assert current.now is second
    assert (current.flows(), current.route_table()) == (second.loaded.flows, second.route_table)
    with pytest.raises(AttributeError):
        kept.route_table = second.route_table  # type: ignore[misc]


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)
async def test_what_is_not_as_it_was_is_said_by_name(change: Callable[[str], str], expected: list[str]) -> None:
    held = loaded(change(POLICY))
    told = changes(loaded(POLICY), held)
    assert told == expected
    assert description(held, told)["changes"] == expected


ROUTES: Final = {
    "other time": (
        lambda text: text.replace("authority: text.example", "timeout: 3s, authority: text.example"),
        ["text.example changed"],
    ),
    "another recipient": (
        lambda text: text.replace("text.example, destination: svc", "text.example, destination: raw"),
        ["text.example changed"],
    ),
    "another name": (
        lambda text: text.replace("authority: text.example", "authority: word.example"),
        ["text.example removed", "word.example added"],
    ),
}


@pytest.mark.parametrize(("change", "expected"), ROUTES.values(), ids=ROUTES)
async def test_routes_go_by_listener_and_authority(
    change: Callable[[str], str], expected: list[str], tmp_path: Path
) -> None:
    held, before = load_contracts([proxy_policy.write_contract(tmp_path)]), proxy_policy.policy(1)
    told = changes(loaded(before, held), loaded(change(before), held))
    assert told == [f"route outbound {one}" for one in expected]


async def test_the_description_is_the_same_in_every_gateway_that_reads_the_same() -> None:
    one, other = (description(loaded(POLICY), None) for _ in range(2))
    assert one == other
    assert "changes" not in one
    assert one.keys() <= LogFields.__annotations__.keys()
    assert (one["flows"], one["routes"]) == (2, 0)


async def test_another_contract_has_another_digest() -> None:
    less = Contract(file for name, file in contract().files.items() if "video" not in name)
    one, other = (description(compile_all(Config(), parse(POLICY), given), None) for given in (contract(), less))
    assert one["contracts_sha256"] != other["contracts_sha256"]
