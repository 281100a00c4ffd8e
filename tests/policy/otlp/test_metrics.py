"""What is left of a metric: its stream, its data points, its exemplars."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1 import metrics_pb2 as pb
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics, ScopeMetrics

from gateway.engine.reference import ReferenceEngine
from gateway.errors import BadPolicy, ItemReason, Refused
from gateway.model import Facts
from gateway.otlp.signals import METRICS
from tests.support.contracts import NOW_SECONDS, compiler, release_of
from tests.support.engines import decide_one

MORE: Final = """\
otlp:
  attributes:
    user.id: USER_ID
    http.status: {category: OPERATIONAL, min: 100, max: 599}
    queue: OPERATIONAL
"""
MADE: Final = compiler("message M {}", MORE)
ENGINES: Final = {name: ReferenceEngine(MADE.plan(METRICS.item, name)) for name in ("eu-indirect", "eu-service")}
TIME: Final = NOW_SECONDS * 10**9


def wrapped(metric: Metric) -> bytes:
    return ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=[metric])]).SerializeToString()


def left(metric: Metric, destination: str) -> Metric:
    """What a destination gets of a metric; asked twice, since the second answer may be remembered."""
    first, second = (release_of(ENGINES[destination], wrapped(metric)).payload for _ in range(2))
    assert first == second
    return ResourceMetrics.FromString(first).scope_metrics[0].metrics[0]


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def metric(**slots: Any) -> Metric:
    return Metric(name="http.server.request.duration", **slots)


STATUS: Final = KeyValue(key="http.status", value=AnyValue(int_value=200))
QUEUE: Final = text("queue", "exports")
NAMED: Final = text("user.name", "Anna")
EXEMPLAR: Final = pb.Exemplar(
    filtered_attributes=[STATUS, NAMED],
    time_unix_nano=TIME,
    as_double=0.5,
    span_id=b"01234567",
    trace_id=b"0123456789abcdef",
)
SHARED: Final[dict[str, Any]] = {
    "start_time_unix_nano": TIME,
    "time_unix_nano": TIME,
    "attributes": [STATUS, QUEUE, NAMED],
}
FLAGGED: Final[dict[str, Any]] = {**SHARED, "flags": 1}
QUANTILE: Final = pb.SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=0.7)
POINTS: Final[dict[str, Any]] = {
    "gauge": pb.Gauge(data_points=[pb.NumberDataPoint(**FLAGGED, as_int=33612345678, exemplars=[EXEMPLAR])]),
    "sum": pb.Sum(
        data_points=[pb.NumberDataPoint(**FLAGGED, as_double=-0.5)],
        aggregation_temporality=pb.AGGREGATION_TEMPORALITY_CUMULATIVE,
        is_monotonic=True,
    ),
    "histogram": pb.Histogram(
        data_points=[
            pb.HistogramDataPoint(
                **FLAGGED,
                count=3,
                sum=1.5,
                bucket_counts=[1, 2],
                explicit_bounds=[0.5],
                min=0.1,
                max=0.9,
                exemplars=[EXEMPLAR],
            )
        ],
        aggregation_temporality=1,  # type: ignore[arg-type]
    ),
    "exponential_histogram": pb.ExponentialHistogram(
        data_points=[
            pb.ExponentialHistogramDataPoint(
                **FLAGGED,
                count=3,
                sum=1.5,
                scale=-2,
                zero_count=1,
                positive={"offset": -1, "bucket_counts": [1, 2]},  # type: ignore[arg-type]
                negative={"offset": 4, "bucket_counts": [3]},  # type: ignore[arg-type]
                min=0.1,
                max=0.9,
                zero_threshold=0.01,
                exemplars=[EXEMPLAR],
            )
        ],
        aggregation_temporality=2,  # type: ignore[arg-type]
    ),
    "summary": pb.Summary(data_points=[pb.SummaryDataPoint(**FLAGGED, count=3, sum=1.5, quantile_values=[QUANTILE])]),
}


@pytest.mark.parametrize("kind", POINTS)
def test_all_of_a_data_point_stays_but_what_its_attributes_rules_strip(kind: str) -> None:
    sent = metric(**{kind: POINTS[kind]})
    wanted = Metric.FromString(sent.SerializeToString())
    for point in getattr(wanted, kind).data_points:
        del point.attributes[2]
        for exemplar in getattr(point, "exemplars", ()):
            del exemplar.filtered_attributes[1]
    assert left(sent, "eu-indirect") == wanted


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (metric(unit="ms"), True),
        (metric(unit="1"), True),
        (metric(unit="By/s"), True),
        (metric(unit="{request}"), True),
        (metric(unit="{call}/s"), True),
        (metric(unit="%"), True),
        (metric(unit="anna@acme.example"), False),
        (metric(unit="33612345678"), False),
        (metric(unit="of Anna"), False),
        (metric(unit="{token}"), True),
        (metric(unit="{latitude}"), False),
        (metric(description="Duration of requests"), False),
        (metric(metadata=[STATUS]), True),
        (metric(metadata=[NAMED]), False),
    ],
    ids=str,
)
def test_a_slot_of_a_stream_is_kept_or_stripped(sent: Metric, kept: bool) -> None:
    for destination in ENGINES:
        assert left(sent, destination) == (sent if kept else metric())


@pytest.mark.parametrize(
    "name", ["http.server.request.duration", "a", "queue_depth", "k8s.pod/cpu-time", "x" * 255, "editor.pan", "p99.lat", "comment.pin",
     "gen_ai.client.token.usage", "aspnetcore.authorization.attempts"]
)  # fmt: skip
def test_a_metric_keeps_a_name_that_is_one(name: str) -> None:
    assert left(Metric(name=name), "eu-indirect").name == name


@pytest.mark.parametrize(
    "name", ["", "1a", "videos of Anna", "anna@acme.example", "v.33612345678", "x" * 256, "n\u0430me", "a\nb", "v.4111111111111111",
     "user.latitude", "user.age", "user.iban", "gps/latitude", "anna.martin.heart_rate", "userGender.count",
     "geburtsdatum",
     "tel.0612345678", "tel0612345678", "card4111111111111111"]
)  # fmt: skip
@pytest.mark.parametrize("destination", ENGINES)
def test_a_metric_without_a_name_that_may_leave_is_refused(name: str, destination: str) -> None:
    with pytest.raises(Refused) as caught:
        decide_one(ENGINES[destination], wrapped(Metric(name=name)), Facts(TIME))
    assert caught.value.reason is ItemReason.REQUIRED_FIELD


@pytest.mark.parametrize("moment", [1, 33612345678, 4111111111111111, 4111111111111111110])
@pytest.mark.parametrize("slot", ["time_unix_nano", "start_time_unix_nano"])
def test_a_time_that_no_program_reports_goes_from_points_and_exemplars(slot: str, moment: int) -> None:
    exemplar = pb.Exemplar(time_unix_nano=moment, as_double=0.5)
    points: dict[str, Any] = {
        "gauge": pb.Gauge(data_points=[pb.NumberDataPoint(**{slot: moment}, exemplars=[exemplar])]),  # type: ignore[arg-type]
        "histogram": pb.Histogram(data_points=[pb.HistogramDataPoint(**{slot: moment}, exemplars=[exemplar])]),  # type: ignore[arg-type]
        "exponential_histogram": pb.ExponentialHistogram(
            data_points=[pb.ExponentialHistogramDataPoint(**{slot: moment})]  # type: ignore[arg-type]
        ),
        "summary": pb.Summary(data_points=[pb.SummaryDataPoint(**{slot: moment})]),  # type: ignore[arg-type]
    }
    for kind, held in points.items():
        (point,) = getattr(left(metric(**{kind: held}), "eu-indirect"), kind).data_points
        assert not getattr(point, slot)
        assert all(exemplar == pb.Exemplar(as_double=0.5) for exemplar in getattr(point, "exemplars", ()))


def test_metrics_have_no_plan_where_their_names_may_not_go() -> None:
    terms = msgspec.structs.replace(MADE.terms("eu-service"), allow=frozenset())
    with pytest.raises(BadPolicy, match=r"would strip opentelemetry\.proto\.metrics\.v1\.Metric\.name"):
        MADE.plan_for(METRICS.item, terms)
