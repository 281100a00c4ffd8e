"""The default policy's routes: who of Kannelle's own services may call whom, by which way, and what it is told."""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest

from gateway.config import Config, Inbound, Listeners, Outbound
from gateway.errors import BadConfig
from gateway.loading import compile_all, load_sources
from gateway.model import INDIRECT, Category
from gateway.policy.compile import Compiler
from gateway.policy.document import Caller, Mode, Route, TrafficDirection
from gateway.policy.endpoints import is_loopback
from gateway.policy.method_table import GATEWAY_PACKAGES
from gateway.policy.routes import hosts

WEB: Final = "spiffe://kannelle.io/ns/web/sa/app"
STUDIO: Final = "spiffe://kannelle.io/ns/video/sa/studio"
BILLING: Final = "spiffe://kannelle.io/ns/billing/sa/billing"
WORKSPACES: Final = "spiffe://kannelle.io/ns/workspace/sa/workspaces"
COMMUNICATIONS: Final = "spiffe://kannelle.io/ns/communication/sa/communications"

CONTACT: Final = INDIRECT | {Category.NAME}
NUMBERS: Final = frozenset({Category.OPERATIONAL})
CONTENT: Final = frozenset({Category.USER_ID, Category.OPERATIONAL, Category.CONTENT})

TOLD: Final = {
    "kannelle.account.v1.AccountService/GetAccount": {WEB: CONTACT | {Category.PHONE}, COMMUNICATIONS: CONTACT},
    "kannelle.account.v1.AccountService/UpdateAccount": {WEB: CONTACT | {Category.PHONE}, COMMUNICATIONS: CONTACT},
    **{
        f"kannelle.workspace.v1.WorkspaceService/{method}": {
            WEB: {Category.WORK_EMAIL, Category.OPERATIONAL, Category.ORGANISATION},
            STUDIO: {Category.OPERATIONAL, Category.ORGANISATION},
        }
        for method in ("AddMembership", "ListMemberships", "RemoveMembership")
    },
    "kannelle.project.v1.ProjectService/BackUpProject": {STUDIO: NUMBERS},
    "kannelle.project.v1.ProjectService/SaveWebProject": {WEB: CONTENT, STUDIO: CONTENT},
    "kannelle.project.v1.ProjectService/GetProject": {WEB: CONTENT, STUDIO: CONTENT},
    **{
        f"kannelle.asset.v1.BusinessAssetService/{method}": {WEB: CONTENT, STUDIO: CONTENT - {Category.USER_ID}}
        for method in ("GetBusinessAsset", "UploadBusinessAsset")
    },
    **{
        f"kannelle.billing.v1.BillingService/{method}": {
            WEB: CONTACT | {Category.ORGANISATION, Category.PAYMENT},
            WORKSPACES: NUMBERS,
        }
        for method in ("CreatePurchase", "GetPurchase")
    },
    "kannelle.engagement.v1.EngagementService/CreateEngagement": {WEB: NUMBERS},
    "kannelle.support.v1.ErrorReportService/SendErrorReport": {WEB: NUMBERS, STUDIO: NUMBERS},
    "kannelle.communication.v1.CommunicationService/SendCommunication": {BILLING: NUMBERS, WORKSPACES: NUMBERS},
    "kannelle.identity.v1.SignInService/AssessSignIn": {WEB: NUMBERS},
}
"""What the answer to a call may hold, by method and caller."""


@cache
def compiler() -> Compiler:
    file, contract = load_sources(Config())
    return Compiler(contract, file)


def of(direction: TrafficDirection) -> tuple[Route, ...]:
    return tuple(route for route in compiler().policy.routes if route.listener is direction)


def callers(direction: TrafficDirection) -> dict[str, dict[str, Caller]]:
    """Who may call each method."""
    table = compiler().method_table
    return {
        path.removeprefix("/"): dict(table.routes[index].callers)
        for paths in table.route_indices[direction].values()
        for path, index in paths.items()
    }


@pytest.mark.parametrize("direction", TrafficDirection)
def test_every_method_of_kannelles_services_has_its_route(direction: TrafficDirection) -> None:
    contract = compiler().contract
    methods = {
        f"{file.package}.{service.name}/{method.name}"
        for file in contract.files.values()
        if file.package.startswith("kannelle.") and not file.package.startswith(GATEWAY_PACKAGES)
        for service in file.service
        for method in service.method
    }
    assert methods == callers(direction).keys()
    assert methods == TOLD.keys()


@pytest.mark.parametrize("direction", TrafficDirection)
@pytest.mark.parametrize("method", TOLD)
def test_every_caller_is_told_what_it_needs_and_no_more(method: str, direction: TrafficDirection) -> None:
    found = callers(direction)[method]
    assert {name: caller.allow for name, caller in found.items()} == TOLD[method]
    assert {caller.region for caller in found.values()} == {"FR"}


def test_what_a_call_is_on_its_way_out_it_is_on_its_way_in() -> None:
    ways = ([(one.authority, one.destination, one.methods, one.callers) for one in of(way)] for way in TrafficDirection)
    outbound, inbound = ways
    assert outbound == inbound


def test_calls_to_other_machines_go_by_tls_and_those_on_this_one_to_the_service_beside_the_gateway() -> None:
    for route in of(TrafficDirection.OUTBOUND):
        assert not route.local
        assert route.upstream == f"dns:///{route.authority}:14006"
    for route in of(TrafficDirection.INBOUND):
        assert route.plaintext
        assert all(map(is_loopback, hosts(route.upstream)))


def test_nothing_is_in_shadow() -> None:
    assert {route.mode for route in compiler().policy.routes} == {Mode.ENFORCE}


def test_beside_a_message_its_number_passes_and_what_shows_who_calls() -> None:
    metadata = {
        one.destination: compiler().policy.destinations[one.destination].metadata
        for one in of(TrafficDirection.OUTBOUND)
    }
    for found in metadata.values():
        assert (found.keys, found.credentials) == ({"x-request-id": Category.OPERATIONAL}, ("authorization",))
    for route in compiler().policy.routes:
        assert not any(caller.metadata.keys or caller.metadata.credentials for caller in route.callers.values())


def test_a_gateway_without_listeners_for_services_starts_without_certificates() -> None:
    compile_all(Config(), *load_sources(Config()))


@pytest.mark.parametrize(
    ("listeners", "named"),
    [
        (Listeners(outbound=Outbound()), "outbound"),
        (Listeners(outbound=Outbound(), inbound=Inbound()), "outbound"),
    ],
    ids=["out", "both"],
)
def test_none_calls_other_services_without_certificates(listeners: Listeners, named: str) -> None:
    with pytest.raises(BadConfig, match=rf"^tls: is required, for listeners\.{named} is on"):
        compile_all(Config(listeners=listeners), *load_sources(Config()))
