"""The minimiser by itself, against parsing and serialising the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from google.protobuf.message import Message
from kannelle.privacy.v1.analytics_pb2 import AnalyticsEvent
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contracts
from gateway.minimise.engine import Minimiser
from gateway.minimise.otlp import split
from gateway.minimise.schema import build
from gateway.model import Facts
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.signals import LOGS
from tests.bench.measure import Work, in_turn, show
from tests.bench.samples import RECORDS, batch, events

Minimise = Callable[[bytes], object]


def run() -> None:
    """Print both tables."""
    compiler = Compiler(load_contracts([default_contract()]), load_policy(default_policy()))
    _event(compiler)
    _logs(compiler)


def _event(compiler: Compiler) -> None:
    plan = compiler.plan(AnalyticsEvent.DESCRIPTOR.full_name, "analytics")
    known, unknown = list(events(0.95)), list(events(0.0))
    cases = {
        "parse and serialise": lambda: _work(_plain(AnalyticsEvent), known),
        "projection": lambda: _work(_projected(plan), known),
        "with value rules, 95 % of verdicts known": lambda: _work(_decided(plan, known[1:100]), known),
        "with value rules, none known": lambda: _work(_decided(plan, ()), unknown),
    }
    aims = {"projection": 1.0, "with value rules, 95 % of verdicts known": 4.0}
    show(f"An event of {len(known[0])} bytes and 22 fields, for analytics in the US", in_turn(cases), len(known), "an event", aims)


def _logs(compiler: Compiler) -> None:
    plan = compiler.plan(LOGS.item, "application-log")
    known, unknown, common = batch(0, 0.95), batch(1, 0.0), list(split(batch(0, 1.0)))
    cases = {
        "parse and serialise": lambda: _work(_plain(ExportLogsServiceRequest), [known]),
        "split and projection": lambda: _work(_projected(plan), split_later(known)),
        "split, with value rules, 95 % known": lambda: _work(_decided(plan, common), split_later(known)),
        "split, with value rules, none known": lambda: _work(_decided(plan, ()), split_later(unknown)),
    }
    aims = {"split, with value rules, 95 % known": 4.0}
    show(f"A batch of {RECORDS} OTLP log records with 11 attributes", in_turn(cases), RECORDS, "a record", aims)


def _work(minimise: Minimise, raws: Iterable[bytes]) -> Work:
    def work() -> None:
        for raw in raws:
            minimise(raw)

    return work


def split_later(raw: bytes) -> Iterator[bytes]:
    """The items of a batch, taken apart when the first is asked for: that is part of the work."""
    yield from split(raw)


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


def _decided(plan: Plan, common: Iterable[bytes]) -> Minimise:
    """A minimiser that has seen what is common."""
    minimiser, facts = Minimiser(plan), Facts(time.time_ns())
    for raw in common:
        minimiser.decide(raw, facts)
    return lambda raw: minimiser.decide(raw, facts)
