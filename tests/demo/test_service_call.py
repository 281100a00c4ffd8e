"""The call between two services that ends the demo: what it shows, and that whatever goes otherwise is found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from gateway.config import Config
from gateway.demo.run import run_demo
from gateway.demo.service_call import CALLER
from gateway.loading import load_sources
from gateway.model import Category
from gateway.policy.document import Caller, Route, TrafficDirection
from gateway.policy.load import PolicyFile
from tests.demo.played import Played


def calling(file: PolicyFile, change: Callable[[Caller], Caller | None]) -> PolicyFile:
    """A policy whose gateway beside the service called thinks otherwise of who calls it."""

    def changed(route: Route) -> Route:
        if route.listener is not TrafficDirection.INBOUND or CALLER not in route.callers:
            return route
        others = {name: caller for name, caller in route.callers.items() if name != CALLER}
        new = change(route.callers[CALLER])
        return msgspec.structs.replace(route, callers=others if new is None else {**others, CALLER: new})

    routes = tuple(map(changed, file.policy.routes))
    return dataclasses.replace(file, policy=msgspec.structs.replace(file.policy, routes=routes))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda caller: None,
            {
                ("", "AddMembership", "answered PERMISSION_DENIED, and should have answered 1 accepted"),
                ("workspace-directory", "AddMembership: studio asks", "is missing"),
                ("studio", "AddMembership: workspaces answers", "is missing"),
            },
        ),
        (
            lambda caller: msgspec.structs.replace(caller, allow=frozenset({Category.OPERATIONAL})),
            {("studio", "AddMembership: workspaces answers: membership.role", "is missing: 'ADMIN'")},
        ),
        (
            # The other gateway strips what this one lets pass: only the log tells who did it.
            lambda caller: msgspec.structs.replace(caller, allow=caller.allow | {Category.WORK_EMAIL}),
            {("access-log", "workspaces' gateway: fields_stripped", "is missing: '1'")},
        ),
    ],
    ids=["refused", "told less", "told more"],
)
def test_a_call_between_services_that_goes_otherwise_is_found_out(
    tmp_path: Path, change: Callable[[Caller], Caller | None], expected: set[tuple[str, str, str]]
) -> None:
    file, contract = load_sources(Config())
    told = run_demo(tmp_path, calling(file, change), contract)
    found = {(one.destination, one.where, one.what.partition(",")[0]) for one in told.findings}
    assert {(name, where, what.partition(",")[0]) for name, where, what in expected} <= found


def test_the_call_between_services_shows_what_was_sent_and_what_was_lost_on_both_ways(played: Played) -> None:
    between = played.examine().between
    shown = {
        (row.path, row.sent, row.arrived, row.reason)
        for table in (between.request, between.answer)
        for section in table.sections
        for row in section.rows
    }
    address, workspace, role = "membership.work_email", "membership.workspace_id", "membership.role"
    assert shown == {
        (workspace, "ws_hallenord", "ws_hallenord", None),
        (address, "Lea.Fontaine+kannelle@Halle-Nord.example", "lea.fontaine@halle-nord.example", None),
        (role, "EDITOR", None, "CATEGORY_NOT_ALLOWED"),
        (address, "lea.fontaine@halle-nord.example", None, "CATEGORY_NOT_ALLOWED"),
        (role, "ADMIN", "ADMIN", None),
    }
    assert (between.sent_metadata, between.metadata) == (("authorization", "x-signed-in-as"), ("authorization",))
    entries = [json.loads(line) for line in between.access_log]
    assert [(one["listener"], one["peer"], one["fieldsStripped"]) for one in entries] == [
        ("LISTENER_OUTBOUND", CALLER, 2),
        ("LISTENER_INBOUND", CALLER, 1),
    ]
