"""What arrives of what was reported, item by item, by the plans that a gateway makes of Kannelle's policy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.engine.reference import ReferenceEngine
from gateway.errors import Refused
from gateway.model import Category, Release
from gateway.otlp.signals import Signal
from gateway.otlp.split import split
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.reported.reasons import KEYS, VALUES
from tests.reported.recordings import REQUESTS, requests
from tests.support.contracts import UNKNOWN_FACTS
from tests.support.engines import decide_one

COMPILER: Final = Compiler(load_contract([default_contract()]), load_policy(default_policy()))


SLOTS: Final = {
    "opentelemetry.proto.common.v1.InstrumentationScope.name": "scope name",
    "opentelemetry.proto.common.v1.InstrumentationScope.version": "scope version",
    "opentelemetry.proto.metrics.v1.Metric.name": "metric name",
    "opentelemetry.proto.metrics.v1.Metric.unit": "unit",
    "opentelemetry.proto.trace.v1.Span.name": "span name",
    "opentelemetry.proto.trace.v1.Span.Event.name": "span event",
    "opentelemetry.proto.logs.v1.LogRecord.severity_text": "severity",
    "opentelemetry.proto.logs.v1.LogRecord.event_name": "event name",
}
"""What names something, beside attributes."""


class Reported(msgspec.Struct, frozen=True, order=True):
    """What stood in one place: the value of the attribute `key`, or of the slot of that name, as JSON."""

    key: str
    value: str


@cache
def minimiser(signal: Signal) -> ReferenceEngine:
    """The minimiser of a signal's items, for the destination that Kannelle's policy gives it."""
    (destination,) = COMPILER.policy.flows[signal.flow]
    return ReferenceEngine(COMPILER.plan(signal.item, destination))


def arrived(signal: Signal, request: Any) -> Any:
    """What is left of a request once each of its items was decided on; items that nothing is left of are refused."""
    left = REQUESTS[signal]()
    for item in split(request.SerializeToString()):
        try:
            verdict = decide_one(minimiser(signal), item, UNKNOWN_FACTS)
        except Refused:  # a metric whose name may not leave
            continue
        assert isinstance(verdict, Release)
        getattr(left, signal.groups).add().ParseFromString(verdict.payload)
    return left


def everything(message: Message) -> Iterator[Reported]:
    """Yield what stands in all attributes and slots of a message, in its order."""
    if isinstance(message, KeyValue):
        yield Reported(message.key, _text(message.value))
    for field, value in message.ListFields():
        if field.full_name in SLOTS:
            yield Reported(SLOTS[field.full_name], str(value))
        elif field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                yield from everything(one)


def _text(value: AnyValue) -> str:
    """A value as JSON: what is a text is quoted, so that it isn't taken for a number."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_plain(one) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key: _plain(one.value) for one in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value.hex()
        case kind:
            return getattr(value, kind)


def stripped(signal: Signal, request: Any) -> Counter[Reported]:
    """What stood in a request and doesn't in what is left of it, and how often."""
    return Counter(everything(request)) - Counter(everything(arrived(signal, request)))


def listed(key: str) -> str | None:
    """The key or the prefix by which the policy decides on an attribute."""
    parts = key.split(".")
    heads = (".".join((*parts[:size], "*")) for size in range(len(parts), 0, -1))
    return next((one for one in (key, *heads) if one in COMPILER.policy.otlp.attributes), None)


def reason(one: Reported) -> str:
    """Why something was stripped: what the policy says its key holds, or what `reasons.py` says of it.

    Empty if nobody does.
    """
    by = listed(one.key)
    category = Category.OPERATIONAL if by is None else COMPILER.policy.otlp.privacy(by).category
    if category is not Category.OPERATIONAL:
        return category.name
    return KEYS.get(one.key) or VALUES.get((one.key, one.value)) or ""


class Outcome(msgspec.Struct, frozen=True):
    """What of a source arrived, each value once, and what didn't, with the reason."""

    arrived: frozenset[Reported]
    stripped: Mapping[Reported, str]


@cache
def outcome(source: str) -> Outcome:
    """What becomes of what a source reports."""
    every: Counter[Reported] = Counter()
    gone: Counter[Reported] = Counter()
    for signal, request in requests(source):
        every += Counter(everything(request))
        gone += stripped(signal, request)
    return Outcome(frozenset((every - gone).keys()), {one: reason(one) for one in sorted(gone)})
