"""Whether all that is due has come to a fleet's recipients, and of what hasn't: is it late, or lost?

Asked the way an operator asks: what outboxes store, and which recipients the metrics say fail.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from itertools import chain
from typing import Any, Final, NamedTuple

from kannelle.privacy.v1 import analytics_pb2

from gateway.config import Outbox
from gateway.delivery.outbox import file
from gateway.delivery.outbox.admin import OutboxAdmin
from gateway.delivery.outbox.interface import NANOS_PER_SECOND
from gateway.delivery.outbox.stored_entry import EntryFilter
from gateway.delivery.schedule import MAX_PAUSE_SECONDS
from tests.e2e.fleet import HUB, KEEPING, Fleet
from tests.e2e.recipients import Web
from tests.e2e.rollout_versions import message_class, token_of
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.proxy_process import fetch_page

LOOK_SECONDS: Final = 0.5
"""How often it is looked whether all has come."""

MAX_STORED: Final = 100_000

Arrival = tuple[str, str]
"""A destination, and the token of what comes there."""


class Stored(NamedTuple):
    """An item that a gateway still has: in how many seconds it is due, after how many attempts; why it is dead."""

    gateway: str
    arrival: Arrival
    due_seconds: float = 0.0
    attempts: int = 0
    reason: str = ""


def wait_until_arrived(fleet: Fleet, web: Web, due: Collection[Arrival]) -> None:
    """Wait until all that is due has come to a recipient that is well now.

    What was put off is sent at once, as by `outbox retry`. Then nothing waits for longer than a recipient that failed
    is left alone.
    """
    limit, pause = time.monotonic() + MAX_PAUSE_SECONDS + TIMEOUT_SECONDS, threading.Event()
    while _missing(web, due):
        if time.monotonic() > limit:
            stored, failing = [*_stored(fleet)], _failing(fleet)
            # Looked at once more: what has come since it was seen in an outbox isn't missing.
            raise AssertionError(explained(_missing(web, due), stored, failing))
        for admin in _outboxes(fleet).values():
            with closing(admin):
                list(admin.retry(EntryFilter()))
        pause.wait(LOOK_SECONDS)


def explained(missing: Collection[Arrival], stored: Collection[Stored], failing: Collection[str]) -> str:
    """Say of each item that didn't come whether it is late, dead or lost, and what it waits for."""
    waiting = [one for one in stored if one.arrival in missing]
    lines = [f"{len(missing)} didn't come"]
    lines += [f"{kind}: {_described(some)}" for kind, some in _by_kind(waiting).items()]
    if failing:
        lines.append(f"left alone, for they failed: {', '.join(failing)}")
    if lost := sorted(set(missing).difference(one.arrival for one in waiting)):
        lines.append(f"lost: {', '.join(map('/'.join, lost))}")
    return "\n".join(lines)


def _missing(web: Web, due: Collection[Arrival]) -> set[Arrival]:
    return set(due).difference((item.where[1:], token_of(item.message)) for item in web.accepted)


def _by_kind(waiting: Collection[Stored]) -> Mapping[str, list[Stored]]:
    kinds: dict[str, list[Stored]] = {}
    for one in waiting:
        kind = f"dead for {one.reason}" if one.reason else "late"
        kinds.setdefault(f"{kind}, at {one.gateway} for {one.arrival[0]}", []).append(one)
    return kinds


def _described(some: Collection[Stored]) -> str:
    dues = [one.due_seconds for one in some]
    attempts = max(one.attempts for one in some)
    tokens = ", ".join(sorted(one.arrival[1] for one in some)[:10])
    return f"{len(some)}, due in {min(dues):.1f} to {max(dues):.1f} s, tried up to {attempts} times: {tokens}"


def _outboxes(fleet: Fleet) -> Mapping[str, OutboxAdmin]:
    """The outboxes of those that have one, in the order in which items pass them: none is overlooked on its way."""
    return {name: OutboxAdmin.open(fleet.processes[name].state / file.NAME, Outbox()) for name in (KEEPING, HUB)}


def _stored(fleet: Fleet) -> Iterator[Stored]:
    """What waits or is dead, with what it is made of."""
    for name, admin in _outboxes(fleet).items():
        with closing(admin):
            for one in chain(admin.items(EntryFilter(), MAX_STORED), admin.dead(EntryFilter(), MAX_STORED)):
                if (found := admin.find(one.id)) is not None:
                    due = (one.next_attempt_at_ns - time.time_ns()) / NANOS_PER_SECOND if one.next_attempt_at_ns else 0
                    arrival = one.destination, _token(one.type, found[1])
                    yield Stored(name, arrival, due, one.attempts, one.reason)


def _token(type: str, payload: bytes) -> str:
    if type.startswith("t."):
        message: Any = message_class(type).FromString(payload)
    else:
        message = analytics_pb2.AnalyticsEvent.FromString(payload).user
    user_id: str = message.user_id
    return user_id.removeprefix("usr_")


def _failing(fleet: Fleet) -> list[str]:
    """Destinations that are tried less often, by the hub's metrics."""
    _, page = fetch_page(fleet.processes[HUB], "/metrics")
    lines = [line for line in page.splitlines() if line.startswith("privacy_gateway_recipient_failing{")]
    return [line.partition('destination="')[2].partition('"')[0] for line in lines if line.endswith(" 1.0")]
