"""No value gets out beside the way: not in a log, a status, a receipt, a trailer or a repr."""

from __future__ import annotations

import asyncio
import logging
import traceback
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, product
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from kannelle.privacy.v1 import emit_pb2, privacy_pb2
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch_verdict import ReleaseBatch
from gateway.contracts.load import default_path, load
from gateway.delivery.entries import BatchSource
from gateway.delivery.outbox.interface import LeasedBatch
from gateway.delivery.redecided_batch import Part, RedecidedBatch
from gateway.engine.addresses import reader
from gateway.engine.context import Masked, PersonalAccount
from gateway.engine.message_cache import CachedResult
from gateway.entry_batch import EntryBatch
from gateway.errors import FieldReason, ItemReason, Refused
from gateway.exporters.base import BatchLimits, Outcome
from gateway.model import Category, Facts, Release, Subject, Withheld
from gateway.pipeline.flows import Flows
from gateway.policy.compile import Compiler
from gateway.policy.load import default_path as default_policy
from gateway.policy.load import load as load_policy
from gateway.receivers.emit import SERVICES
from gateway.receivers.item_pipeline import BatchOutcome
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import request, send_unanswered
from tests.support.planted_values import (
    ACCENTED,
    DIGITS,
    MARKS,
    NUMBERS,
    VALUES,
    WORD,
    corrupted,
    filled_message,
    find_planted,
    forms,
)
from tests.support.requests import EMIT, LOGS, METRICS, PREVIEW, TRACES, TRACK, V1, field, track_request
from tests.support.running_gateway import run_gateway

CONTRACT: Final = load([default_path()])
TYPES: Final = ("kannelle.crm.v1.Contact", "kannelle.video.v1.VideoExported", "kannelle.privacy.v1.SupportMessage")

EXPORTS: Final[Mapping[str, Any]] = {
    LOGS: ExportLogsServiceRequest,
    TRACES: ExportTraceServiceRequest,
    METRICS: ExportMetricsServiceRequest,
}

Call = tuple[str, bool, bytes]
"""A method, whether it streams, and a message for it."""


def test_what_is_planted_is_found_in_every_form() -> None:
    for mark in MARKS:
        for around in (mark, f"ab{mark}cd", f"x{mark}", f"xy{mark}z"):
            for form in forms(around):
                assert find_planted(b"... " + form + b" ...") or len(form) < 6
    assert not find_planted(b"nothing to see")


def messages() -> Iterator[Call]:
    """One for each method and planted value."""
    for value, number in zip(VALUES, cycle(NUMBERS), strict=False):
        for service in SERVICES:
            for method in service.methods:
                if service.name != "EmitService":
                    path = f"/{service.full_name}/{method.name}"
                    yield path, method.client_streaming, _whole(filled_message(method.input_type, value, number))
        for path, request_type in EXPORTS.items():
            yield path, False, filled_message(request_type.DESCRIPTOR, value, number, 9).SerializeToString()
        yield from anys(value, number)


def anys(value: str, number: int) -> Iterator[Call]:
    """Any type, and any type URL."""
    items = [
        AnyMessage(type_url=f"{value}/{name}", value=_whole(filled_message(CONTRACT.message(name), value, number)))
        for name in TYPES
    ]
    items += [AnyMessage(type_url=value, value=value.encode()), AnyMessage(type_url=f"x/{value}", value=value.encode())]
    for item in items:
        yield EMIT, False, _whole(emit_pb2.EmitRequest(request_id=value, item=item))
        yield (
            f"{V1}EmitService/EmitBatch",
            False,
            _whole(emit_pb2.EmitBatchRequest(request_id=value, items=[item, item])),
        )
        yield f"{V1}EmitService/EmitStream", True, _whole(emit_pb2.EmitStreamRequest(request_id=value, item=item))
        for destination in ("analytics", "crm", "support-archive", value):
            yield PREVIEW, False, _whole(privacy_pb2.PreviewRequest(destination=destination, item=item))
    yield f"{V1}PrivacyService/Describe", False, _whole(privacy_pb2.DescribeRequest(type=value, destination=value))


def _whole(message: Message) -> bytes:
    return message.SerializeToString()


# One stream is open at a time for each of these; all of them are sent in each.
def say(
    channel: grpc.Channel, calls: Sequence[Call], metadata: Sequence[tuple[str, str | bytes]] = ()
) -> Iterator[bytes]:
    """Make calls, all at once, and give all that they tell."""
    begun = []
    for path, streams, data in calls:
        method: Any = channel.stream_unary(path) if streams else channel.unary_unary(path)
        begun.append(
            (path, method.future(iter([data, data]) if streams else data, timeout=TIMEOUT_SECONDS, metadata=metadata))
        )
    for path, one in begun:
        yield told(path, one)


def told(path: str, call: Any) -> bytes:
    """Everything that a call tells.

    Its answer, without the item that a preview is asked for, its status and its metadata.
    """
    said: list[Any] = [
        call.code(),
        call.details(),
        call.debug_error_string() if hasattr(call, "debug_error_string") else "",
    ]
    for key, value in (*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())):
        said += [key, value]
    if call.code() is grpc.StatusCode.OK:
        answer = call.result()
        said.append(_whole(privacy_pb2.PreviewResponse.FromString(answer).receipt) if path == PREVIEW else answer)
    return b" ".join(part if isinstance(part, bytes) else str(part).encode() for part in said)


METADATA: Final[tuple[tuple[str, str | bytes], ...]] = (
    ("x-user", WORD),
    (WORD, DIGITS),
    (f"{WORD}-bin", ACCENTED.encode()),
    ("authorization", f"Bearer {WORD}"),
    ("user-agent", WORD),
    ("traceparent", f"00-{WORD}-{DIGITS}-01"),
    ("baggage", f"user={WORD}"),
    ("grpc-tags-bin", WORD.encode()),
    ("idempotency-key", WORD),
)

LARGE: Final[tuple[tuple[str, str | bytes], ...]] = (
    ("x-large", WORD * 3000),
    (WORD, "x" * 30_000),
    (f"{WORD}-bin", WORD.encode() * 3000),
)

VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "as it is": {},
    "JSON": {"PRIVACY_GATEWAY__TELEMETRY__LOG__FORMAT": "json", "PRIVACY_GATEWAY__TELEMETRY__LOG__LEVEL": "debug"},
    "gRPC": {"LEVEL": "DEBUG", "GRPC_VERBOSITY": "debug"},
    "asyncio": {"LEVEL": "DEBUG", "PYTHONASYNCIODEBUG": "1"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_process_says_nothing_of_what_it_is_sent(variant: str, tmp_path: Path) -> None:
    said: list[bytes] = []
    plain = list(messages())
    spoilers = [(path, streams, bad) for path, streams, data in plain[:: len(VALUES) // 2] for bad in corrupted(data)]
    with GatewayProcess(
        tmp_path, environ={"PRIVACY_GATEWAY__LISTENERS__HTTP__ADDRESS": "127.0.0.1:0", **VARIANTS[variant]}
    ) as process:
        with grpc.insecure_channel(
            process.address, options=[*CHANNEL_OPTIONS, ("grpc.primary_user_agent", WORD)]
        ) as channel:
            said += say(channel, plain, METADATA)
            said += say(channel, spoilers)
            said += say(
                channel,
                [(f"/{WORD}.Service/{WORD}", False, track_request()), (f"{TRACK}{WORD}", False, track_request())],
            )
            said += say(channel, [(TRACK, False, field(1, WORD.encode()) + bytes(6 * 1024 * 1024))])
            for large in LARGE:
                said += say(channel, [(TRACK, False, track_request())], [large])
            for data in [data for path, streams, data in plain if path == TRACK]:
                method: Any = channel.unary_unary(TRACK)
                method.future(data).cancel()
        said += raw(process.port)
        said += pages(process.listener_address("http"))
        assert process.stop() == 0
    assert {code for code in grpc.StatusCode if any(str(code).encode() in one for one in said)} == CODES
    assert b"listening" in process.output
    assert find_planted(process.output) == []
    assert [hit for one in said for hit in find_planted(one)] == []


CODES: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
}


def pages(address: str) -> Iterator[bytes]:
    """What the platform's pages say after all that, also where they are asked for with what tells."""
    for path, accept in product(
        ("/livez", "/readyz", "/readyz?verbose", f"/readyz?{WORD}", "/metrics", f"/{WORD}"), ACCEPTED
    ):
        request = urllib.request.Request(
            f"http://{address}{path}", headers={"Accept": accept, "X-User": WORD, "User-Agent": WORD}
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                yield str(answer.headers).encode() + answer.read()
        except urllib.error.HTTPError as error:
            with error:
                yield str(error.headers).encode() + error.read()


ACCEPTED: Final = (
    WORD,
    "application/openmetrics-text; version=1.0.0",
    f"application/openmetrics-text; version={WORD}; escaping={WORD}",
)


def raw(port: int) -> Iterator[bytes]:
    """What no client library would send."""
    word = WORD.encode()
    for path in (b"/" + word, b"/\xff" + word, f"/{ACCENTED}/x".encode(), TRACK.encode() + b"/" + word, word):
        yield request(port, path)[1]
    bad = [
        (b"X-" + word, word),
        (b"x-a", word + b"\r\n" + word),
        (b":" + word, word),
        (b"content-type", word),
        (b"grpc-encoding", word),
    ]
    for fields in (*([one] for one in bad), [(b"grpc-timeout", word)], [(b"x-bin", b"!" + word)]):
        send_unanswered(port, TRACK.encode(), fields=fields, data=b"\0\0\0\0\x09" + word)
    send_unanswered(port, TRACK.encode(), data=b"\x01\0\0\0\x09" + word)
    send_unanswered(port, TRACK.encode(), data=b"\x02\0\0\0\x09" + word)


class Telling(Exception):
    """A fault that tells."""


FAULTS: Final[tuple[Exception, ...]] = (
    Telling(*VALUES),
    KeyError(WORD),
    UnicodeDecodeError("utf-8", WORD.encode(), 0, 1, WORD),
    ExceptionGroup(WORD, [Telling(WORD), OSError(2, WORD, WORD)]),
)


class Teller:
    """An exporter that raises what tells."""

    limits = BatchLimits()

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    async def send(self, batches: Sequence[EntryBatch]) -> Sequence[Outcome]:
        raise self.fault

    async def close(self) -> None:
        raise self.fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_nothing_is_logged_of_what_an_exporter_says(
    fault: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    calls = [one for one in messages() if one[0] != PREVIEW][: 4 * len(SERVICES)]
    loop = asyncio.get_running_loop()
    # From here on, asyncio tells of everything it runs, and with what.
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    async with run_gateway(tmp_path) as gateway:
        current = gateway.gateway._parts.current
        gateway.gateway._parts.delivery_setup.replace(
            dict.fromkeys(current.exporters(), Teller(fault)), current.flows()
        )
        with grpc.insecure_channel(gateway.address, options=CHANNEL_OPTIONS) as channel:
            said = await asyncio.to_thread(lambda: list(say(channel, calls)))
        await asyncio.wait_for(gateway.gateway.delivery.drained(), TIMEOUT_SECONDS)
    assert [hit for one in said for hit in find_planted(one)] == []
    assert any("Executing" in record.message for record in caplog.records)
    assert "the exporter failed" in caplog.text
    assert find_planted(caplog.text.encode()) == []


FACTS: Final = Facts(0)


def _name(one: object) -> str:
    return type(one).__name__


EVENT: Final = "kannelle.privacy.v1.AnalyticsEvent"


def made() -> Iterator[object]:
    """What holds values on the way of an item."""
    raw = WORD.encode()
    release = Release("analytics", EVENT, "digest", raw)
    yield release
    releases = ReleaseBatch.of([release])
    yield releases
    batch = EntryBatch(releases, raw, [1], [raw], raw)
    yield batch
    yield from batch.entries()
    leased = LeasedBatch(range(1, 2), "analytics", EVENT, "digest", [raw], raw, [1], raw)
    yield leased
    yield RedecidedBatch([0], releases, [frozenset({(Category.USER_ID, WORD)})])
    yield Part(0, leased, range(1))
    yield BatchSource((raw,), WORD, 1)
    yield Subject(WORD, f"{WORD}@{WORD}.example", WORD)
    yield Facts(0, directory=True, verified=frozenset({f"{WORD}.example"}), personal=True)
    yield Withheld("analytics", ItemReason.PERSONAL_ACCOUNT)
    yield BatchOutcome(accepted=1, rejected=[(0, ItemReason.MALFORMED)], withheld=[0])
    yield Masked(WORD, FieldReason.LOOKS_LIKE_EMAIL)
    yield CachedResult(raw, {})
    yield reader((), ())(f"{WORD}@{WORD}.example")


@pytest.mark.parametrize("one", list(made()), ids=_name)
def test_a_repr_holds_no_value(one: object) -> None:
    assert find_planted(f"{one!r} {one!s} {[one]!r} {{'one': {one!r}}}".encode()) == []


def errors() -> Iterator[tuple[str, BaseException]]:
    """What is raised on the way of hostile items, by where it comes from."""
    flows = Flows(Compiler(CONTRACT, load_policy(default_policy())))
    for path, _, data in messages():
        if path in {*EXPORTS, PREVIEW}:
            continue
        flow = (
            flows.of_method(path.split("/")[1], path.split("/")[2])
            if "EmitService" not in path and "Privacy" not in path
            else None
        )
        for bad in corrupted(data):
            if flow is not None:
                yield from raised(flow, bad)


def raised(flow: Any, data: bytes) -> Iterator[tuple[str, BaseException]]:
    for step in (flow.subject, lambda raw: flow.decide(raw, FACTS)):
        try:
            step(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
            yield type(error).__name__, error


def test_no_error_on_the_way_holds_a_value() -> None:
    seen: set[str] = set()
    for name, error in errors():
        seen.add(name)
        assert isinstance(error, (Refused, PersonalAccount))
        assert find_planted("".join(chain(error)).encode()) == []
    assert seen == {"Refused"}


def chain(error: BaseException | None) -> Iterator[str]:
    """All that an error tells, also what it suppresses."""
    while error is not None:
        yield repr(error) + str(error) + "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__
