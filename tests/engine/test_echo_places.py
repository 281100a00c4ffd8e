"""Wherever an OTLP item says who its person is, and however, no open value repeats it, wherever that stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any, Final

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import ResourceLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from gateway.engine.reference import ReferenceEngine
from gateway.errors import ItemReason, Refused
from gateway.policy.compile import Compiler
from tests.support.contracts import UNKNOWN_FACTS, contract, policy, proto, release_of, with_open_patterns
from tests.support.otlp_attributes import key_values

OTLP: Final = """\
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    customer.mail: WORK_EMAIL
    job: {category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}
    deep.job: {category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}
  span_names: [x]
"""
ADDRESS: Final = "ada.byron@acme.example"
PERSONS: Final[tuple[Mapping[str, object], ...]] = (
    {"user.full_name": "Ada Byron"},
    {"user": {"full_name": "Ada Byron"}},
    {"user": [{"name": "Ada Byron"}]},
    {"user.name": ["x", "Ada Byron"]},
    {"enduser.id": "ada.byron"},
    {"enduser": {"id": "ada.byron"}},
    {"user.email": ADDRESS},
    {"customer.mail": ADDRESS},
    {"user.name": "Ada Byron, " + "of a long line of " * 10},
    {"user.full_name": {"given": "Ada", "family": "Byron"}},
    {"user.full_name": [{"given": "Ada", "family": "Byron"}, {"given": "Bob"}]},
    {"user.full_name": ["Ada", "Byron"]},
    {"user.full_name": b"Ada Byron"},
    {"user": {"name": ["Ada", {"family": "Byron"}]}},
    {"user.email": "ada%2ebyron%40acme.example"},
    {"user.full_name": "A&#100;a B&#121;ron"},
    {"user.full_name": "ada\u200bbyron"},
    {"user.id": "usr_1", "user.name": "user.name", "user.full_name": "Ada Byron"},
)
REPEATING: Final[tuple[Mapping[str, object], ...]] = (
    {"job": "render-ada-7"},
    {"job": ["ok", "AdaByron"]},
    {"deep": {"job": "ada-x"}},
    {"user.id": "usr_adabyron"},
)


def logs() -> tuple[Any, tuple[Any, ...]]:
    """Resource logs, and where attributes stand in them."""
    item = ResourceLogs()
    scope = item.scope_logs.add()
    record = scope.log_records.add(time_unix_nano=1)
    return item, (
        item.resource.attributes,
        scope.scope.attributes,
        record.attributes,
        record.body.kvlist_value.values,
    )


def spans() -> tuple[Any, tuple[Any, ...]]:
    """Resource spans, and where attributes stand in them."""
    item = ResourceSpans()
    scope = item.scope_spans.add()
    span = scope.spans.add(name="x")
    link = span.links.add(trace_id=b"1" * 16, span_id=b"2" * 8)
    return item, (
        item.resource.attributes,
        scope.scope.attributes,
        span.attributes,
        span.events.add().attributes,
        link.attributes,
    )


def metrics() -> tuple[Any, tuple[Any, ...]]:
    """Resource metrics, and where attributes stand in them."""
    item = ResourceMetrics()
    scope = item.scope_metrics.add()
    metric = scope.metrics.add(name="x")
    point = metric.sum.data_points.add(as_int=1)
    exemplar = point.exemplars.add(as_int=1)
    return item, (
        item.resource.attributes,
        scope.scope.attributes,
        metric.metadata,
        point.attributes,
        exemplar.filtered_attributes,
    )


@cache
def made() -> Compiler:
    held = contract(proto("message M { string id = 1 @USER_ID; }"))
    return Compiler(held, with_open_patterns(policy(OTLP), held))


@pytest.mark.parametrize("destination", ["eu-log", "eu-store"])
@pytest.mark.parametrize("kind", [logs, spans, metrics])
def test_no_value_repeats_the_person_of_its_item(kind: Any, destination: str) -> None:
    engine = ReferenceEngine(made().plan(kind()[0].DESCRIPTOR.full_name, destination))
    count = len(kind()[1])
    for person, repeating, here, there in product(PERSONS, REPEATING, range(count), range(count)):
        item, places = kind()
        places[here].extend(key_values(person))
        places[there].extend(key_values(repeating))
        left = release_of(engine, item.SerializeToString()).payload.replace(ADDRESS.encode(), b"")
        assert b"ada" not in left.lower(), (person, repeating, here, there)


@pytest.mark.parametrize("kind", [logs, spans, metrics])
def test_without_its_person_every_value_stays(kind: Any) -> None:
    engine = ReferenceEngine(made().plan(kind()[0].DESCRIPTOR.full_name, "eu-log"))
    for repeating in REPEATING:
        item, places = kind()
        places[0].extend(key_values(repeating))
        assert b"ada" in release_of(engine, item.SerializeToString()).payload.lower()


@pytest.mark.parametrize(
    ("person", "refused"),
    [
        ({"user.name": "Ada " * 256}, False),
        ({"user.name": "Ada " * 257}, True),
        ({"user.name": [f"Ada Byron {number}" for number in range(256)]}, False),
        ({"user.name": [f"Ada Byron {number}" for number in range(257)]}, True),
        ({"user.email": [f"ada{number}@acme.example" for number in range(257)]}, True),
    ],
)
def test_an_item_that_says_more_names_than_are_read_is_refused(person: Mapping[str, object], *, refused: bool) -> None:
    item, places = logs()
    places[0].extend(key_values(person))
    engine = ReferenceEngine(made().plan(item.DESCRIPTOR.full_name, "eu-log"))
    outcome = engine.decide(item.SerializeToString(), UNKNOWN_FACTS)
    assert (isinstance(outcome, Refused) and outcome.reason is ItemReason.TOO_LARGE) is refused
