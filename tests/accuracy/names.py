"""What is left of names where something bears them: metrics, events, keys."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics

from gateway.contracts.load import default_path as default_contract
from gateway.contracts.load import load as load_contract
from gateway.engine.reference import ReferenceEngine
from gateway.errors import Refused
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from tests.policy.semconv import NAMED_PERSONAL, PERSONAL, conventions
from tests.support.contracts import policy, release_of
from tests.support.decisions import kannelle_minimiser
from tests.support.otlp_attributes import key_values


def attributes() -> list[str]:
    """The keys of all attributes of the package that aren't personal."""
    personal = {key for keys in PERSONAL.values() for key in keys} | {*NAMED_PERSONAL}
    return [key for key in conventions() if key not in personal]


def kept_as_metrics(names: Iterable[str]) -> set[str]:
    """The names under which a metric leaves, by Kannelle's policy: one whose name may not is refused."""
    return {name for name in names if _is_kept_as_metric(name)}


def _is_kept_as_metric(name: str) -> bool:
    metric = Metric(name=name, gauge=Gauge(data_points=[NumberDataPoint(as_int=1)]))
    item = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])])
    try:
        left = ResourceMetrics.FromString(release_of(_metrics(), item.SerializeToString()).payload)
    except Refused:
        return False
    return [metric.name for scope in left.scope_metrics for metric in scope.metrics] == [name]


def kept_as_events(names: Iterable[str]) -> set[str]:
    """The names that a log's events keep, by Kannelle's policy."""
    records = [LogRecord(event_name=name) for name in names]
    item = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
    left = ResourceLogs.FromString(release_of(kannelle_minimiser(), item.SerializeToString()).payload)
    return {record.event_name for scope in left.scope_logs for record in scope.log_records} - {""}


def kept_as_keys(keys: Iterable[str]) -> set[str]:
    """The keys that stay with a value that says nothing, where a policy lets each namespace pass."""
    given = tuple(keys)
    engine = _open_to(tuple(sorted({key.partition(".")[0] for key in given})))
    records = [LogRecord(attributes=key_values({key: True})) for key in given]
    item = ResourceLogs(scope_logs=[ScopeLogs(log_records=records)])
    left = ResourceLogs.FromString(release_of(engine, item.SerializeToString()).payload)
    return {pair.key for scope in left.scope_logs for record in scope.log_records for pair in record.attributes}


@cache
def _metrics() -> ReferenceEngine:
    own = Compiler(load_contract([default_contract()]), load_policy(default_policy()))
    return ReferenceEngine(own.plan(ResourceMetrics.DESCRIPTOR.full_name, "application-metrics"))


@cache
def _open_to(namespaces: tuple[str, ...]) -> ReferenceEngine:
    listed = "".join(f"    {name}.*: OPERATIONAL\n    {name}: OPERATIONAL\n" for name in namespaces)
    own = Compiler(load_contract([default_contract()]), policy(f"otlp:\n  attributes:\n{listed}"))
    return ReferenceEngine(own.plan(ResourceLogs.DESCRIPTOR.full_name, "eu-store"))
