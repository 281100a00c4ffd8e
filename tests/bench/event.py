"""Deciding on an event by itself, in this process: against parsing and serialising the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from google.protobuf.message import Message
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.engine.reference import ReferenceEngine
from gateway.model import Facts
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.protobuf.schema import build
from tests.bench.measure import InProcess, Key, Size, Work
from tests.bench.samples import events
from tests.bench.table import Case, Layout
from tests.bench.values import FRESH, MIXED, SEEN, SEEN_USERS

Minimise = Callable[[bytes], object]

EVENTS: Final = 2000

PLAIN: Final = "protobuf's own parse and serialise"
PROJECTION: Final = "projection"
RULES: Final = "projection with value rules"

LAYOUT: Final = Layout(
    "event",
    "an event of 427 bytes and 22 fields, in process, without a server",
    "an event",
    (
        *(Case(PLAIN, values) for values in (SEEN, MIXED, FRESH)),
        *(Case(PROJECTION, values, PLAIN, aim=1.0) for values in (SEEN, FRESH)),
        Case(RULES, SEEN, PLAIN, aim=4.0),
        Case(RULES, MIXED, PLAIN, aim=4.0),
        Case(RULES, FRESH, PLAIN),
    ),
    no_aim="each value is judged for the first time, whatever that takes",
)


def cases(size: Size) -> Mapping[Key, InProcess]:
    """Each case's work."""
    plan = compiler().plan(AnalyticsEvent.DESCRIPTOR.full_name, "analytics")
    works = {PLAIN: lambda: _plain(AnalyticsEvent), PROJECTION: lambda: _projected(plan), RULES: lambda: _decided(plan)}
    return {case.key: _in_process(works[case.name](), case.values, size.of(EVENTS, 20)) for case in LAYOUT.cases}


def compiler() -> Compiler:
    """Of Kannelle's policy and contracts."""
    return Compiler(load_contracts([default_contract()]), load_policy(default_policy()))


def _in_process(minimise: Minimise, values: str, count: int) -> InProcess:
    return InProcess(lambda: _work(minimise, list(islice(events(values), count))), count)


def _work(minimise: Minimise, raws: Iterable[bytes]) -> Work:
    def work() -> None:
        for raw in raws:
            minimise(raw)

    return work


def _plain(cls: type[Message]) -> Minimise:
    return lambda raw: cls.FromString(raw).SerializeToString()


def _projected(plan: Plan) -> Minimise:
    cls = build(plan.messages)[0].message

    def project(raw: bytes) -> bytes:
        message = cls.FromString(raw)
        message.DiscardUnknownFields()
        payload: bytes = message.SerializePartialToString()
        return payload

    return project


def _decided(plan: Plan) -> Minimise:
    """A minimiser that has seen what is called seen."""
    minimiser, facts = ReferenceEngine(plan), Facts(time.time_ns())
    for raw in _seen():
        minimiser.decide(raw, facts)
    return lambda raw: minimiser.decide(raw, facts)


def _seen() -> Iterator[bytes]:
    yield from islice(events(SEEN), SEEN_USERS)
