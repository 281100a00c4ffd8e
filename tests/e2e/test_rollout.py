"""Policies and contracts are rolled out under load, in any order, and gateways of several versions are there at once.

No call fails for what both sides know; what only an agent knows is told to come again; what was acknowledged arrives
once, and nothing beyond what the policy of that moment lets through.
"""

from __future__ import annotations

import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import pytest

from tests.e2e.fleet import AGENTS, DIRECT, HUB, KEEPING, Fleet
from tests.e2e.recipients import History, Item, Web
from tests.e2e.rollout_arrivals import wait_until_arrived
from tests.e2e.rollout_load import CALLS, ONE, Answer, Failure, Load, Sent, field_names
from tests.e2e.rollout_versions import (
    AWAY,
    LASTING,
    NEW,
    NEW_CONTRACT,
    NEW_POLICY,
    OLD,
    TYPES,
    Recipients,
    Version,
    fields_of,
    made,
    message_class,
    token_of,
)
from tests.support.recording_upstream import AnswerScript, ReceivedCall, RecordingUpstream

SLACK_SECONDS: Final = 2.0
"""How long what was on the wire may take to be noted, on a machine that is busy."""

Step = Callable[[Fleet], None]


def to(version: Version, *names: str) -> Step:
    """Put a version in force at some gateways, one after the other."""
    return lambda fleet: fleet.reload(version, *names)


def refused(version: Version, *names: str) -> Step:
    """Bring a version that can't be put in force: what was stays."""
    return lambda fleet: fleet.reload(version, *names, refused=True)


def restarted(version: Version, number: signal.Signals) -> Step:
    """Have another process of the hub, with a version, where the one before was."""
    return lambda fleet: fleet.restart_hub(version, number)


ROLL_OUTS: Final[Mapping[str, tuple[Step, ...]]] = {
    "the hub first": (to(NEW, HUB), to(NEW, *AGENTS)),
    "the agents first": (to(NEW, *AGENTS), to(NEW, HUB)),
    "the hub's policy without its contract": (refused(NEW_POLICY, HUB), to(NEW, *AGENTS), to(NEW, HUB)),
    "one agent, the hub in another process, the other agent": (
        to(NEW, KEEPING),
        restarted(NEW, signal.SIGTERM),
        to(NEW, DIRECT),
    ),
}
LONG_ROLL_OUTS: Final[Mapping[str, tuple[Step, ...]]] = {
    "contracts, then policies, the agents first": (
        to(NEW_CONTRACT, *AGENTS),
        to(NEW_CONTRACT, HUB),
        to(NEW, *AGENTS),
        to(NEW, HUB),
    ),
    "policies, then contracts": (
        to(NEW_POLICY, *AGENTS),
        to(NEW_CONTRACT, HUB),
        to(NEW, HUB),
        to(NEW, *AGENTS),
    ),
    "the other agent, the hub, and one": (to(NEW, DIRECT), to(NEW, HUB), to(NEW, KEEPING)),
    "the hub is killed between": (to(NEW, KEEPING), restarted(OLD, signal.SIGKILL), to(NEW, DIRECT, HUB)),
}
ROLL_BACKS: Final[Mapping[str, tuple[Step, ...]]] = {
    "back, the hub first": (to(OLD, HUB), to(OLD, *AGENTS)),
    "back, the agents first": (to(OLD, *AGENTS), to(OLD, HUB)),
    "back, the hub in another process": (restarted(OLD, signal.SIGTERM), to(OLD, *AGENTS)),
}


class RollOut(NamedTuple):
    """Steps from a version on, `items` of each type acknowledged between them; with a seed, recipients fail by it."""

    first: Version
    steps: tuple[Step, ...]
    items: int = 20
    seed: int | None = 7
    delivery: str = "stored"


@pytest.mark.parametrize(
    "roll_out",
    [
        *(pytest.param(RollOut(OLD, steps, 10, None), id=name) for name, steps in ROLL_OUTS.items()),
        *(
            pytest.param(RollOut(first, steps, delivery=delivery), id=f"{name}, {delivery}", marks=pytest.mark.soak)
            for delivery in ("direct", "stored")
            for first, roll_outs in ((OLD, LONG_ROLL_OUTS), (NEW, ROLL_BACKS))
            for name, steps in roll_outs.items()
        ),
    ],
)
def test_a_roll_out_fails_no_call_and_loses_nothing(roll_out: RollOut, tmp_path: Path) -> None:
    asked: dict[str, frozenset[str]] = {}
    with ExitStack() as stack:
        web, service = stack.enter_context(Web(roll_out.seed or 0)), stack.enter_context(RecordingUpstream())
        stack.enter_context(service.scripted(directory(asked)))
        if roll_out.seed is None:
            web.well.set()
        fleet = Fleet(tmp_path, roll_out.first, Recipients(web.port, service.port, roll_out.delivery), stack)
        load = Load(fleet, asked)
        with load.running():
            load.wait_for_more(roll_out.items, *LASTING)
            for step in roll_out.steps:
                step(fleet)
                load.wait_for_more(roll_out.items, *LASTING)
            last = fleet.histories[HUB].every[-1]
            load.wait_for_more(roll_out.items, *filter(last.destinations, TYPES))
        web.well.set()
        due = {(where, one.token) for one in load.sent for where in _due(fleet, one)}
        wait_until_arrived(fleet, web, due)
    check_failures(load.failures, fleet.histories)
    check_items(web, load.sent, fleet.histories)
    check_answers(load.answers, fleet.histories)
    for process in fleet.processes.values():
        assert b"of the access log were lost" not in process.output
        assert b"Traceback" not in process.output


def directory(asked: dict[str, frozenset[str]]) -> AnswerScript:
    """A service that notes what it is asked with, and answers with all that there is."""

    def script(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        name = CALLS[seen.path[1:]]
        for raw in requests:
            message: Any = message_class(name).FromString(raw)
            asked[message.op] = field_names(name, raw)
            yield made(name, message.op)

    return script


Histories = Mapping[str, History[Version]]


def _due(fleet: Fleet, one: Sent) -> frozenset[str]:
    """Where an item must arrive: where all that its agent had in force meanwhile led it, and the hub leads it now."""
    versions = fleet.histories[one.agent].within(*one.span)
    ways = [version.destinations(one.type) for version in (*versions, fleet.histories[HUB].every[-1])]
    return frozenset.intersection(*ways)


def check_failures(failures: list[Failure], histories: Histories) -> None:
    """Each is of what one side didn't know at that time, and only an agent without an outbox tells of its hub's."""
    for one in failures:
        versions = histories[one.agent].within(*one.span)
        hubs = histories[HUB].within(*one.span)
        others = histories[DIRECT].within(*one.span)
        match one.status.code:
            case grpc.StatusCode.UNAVAILABLE:
                assert one.status.after, one
                assert one.agent == DIRECT, one
                assert any(
                    not version.destinations(one.type) <= hub.destinations(one.type)
                    for version in versions
                    for hub in hubs
                ), (one, versions, hubs)
            case grpc.StatusCode.FAILED_PRECONDITION:
                assert not all(version.destinations(one.type) for version in versions), one
            case grpc.StatusCode.UNIMPLEMENTED:
                assert one.type != ONE, one
                assert any(version.contract != NEW.contract for version in (*versions, *others)), one
            case _:
                raise AssertionError(one)


def check_items(web: Web, sent: list[Sent], histories: Histories) -> None:
    """Each arrived under one key, where a policy of its time led it, with what the hub let through when it came."""
    by_token = {one.token: one for one in sent}
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    for item in web.came:
        token = token_of(item.message)
        keys[item.where, token].add(item.key)
        name: str = item.message["name"] if "user" in item.message else item.type
        hubs = histories[HUB].within(item.at - SLACK_SECONDS, item.at)
        allowed = [hub.fields(name) for hub in hubs if item.where[1:] in hub.destinations(name)]
        assert any(fields_of(item.message) <= fields for fields in allowed), (item.where, item.message, hubs)
        if (one := by_token.get(token)) is not None:
            assert one.type == name
            check_minimised(item, one, histories)
    assert {len(some) for some in keys.values()} == {1}


def check_minimised(item: Item, one: Sent, histories: Histories) -> None:
    """An item has what its agent's plan left, and lacks nothing that all let through which it passed."""
    agents = histories[one.agent].within(*one.span)
    hubs = [version for version in histories[HUB].within(one.span.begin, item.at) if version != AWAY]
    fields = fields_of(item.message)
    assert any(fields <= version.fields(one.type) for version in agents), (item.message, agents)
    # What waits at an agent is decided on again there.
    later = histories[one.agent].within(one.span.begin, item.at)
    assert fields >= frozenset.intersection(*(version.fields(one.type) for version in (*later, *hubs))), item.message


def check_answers(answers: list[Answer], histories: Histories) -> None:
    """Neither what was asked nor what was answered holds more than both gateways let through, or less."""
    for one in answers:
        name = CALLS[one.method]
        pairs = [
            outer.fields(name) & inner.fields(name)
            for outer in histories[KEEPING].within(*one.span)
            for inner in histories[DIRECT].within(*one.span)
        ]
        for fields in (one.asked, one.answered):
            assert frozenset.intersection(*pairs) <= fields <= frozenset.union(*pairs), one
            assert any(fields <= pair for pair in pairs), one
