from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from gateway.errors import BadConfig, DeliveryReason, EndReason, ItemReason, Rejected, Retryable
from gateway.exporters.base import DELIVERED, BatchLimits, Outcome
from gateway.exporters.otlp.exporter import OtlpExporter, outcome_of_status
from gateway.otlp.signals import LOGS, METRICS, SIGNALS, TRACES, Signal
from gateway.standins.collector import Collector, CollectorAnswer
from tests.exporters.items import collected, entry, item, items
from tests.support.channels import fake_http_proxy

AUTHORITY = trustme.CA()

OK = grpc.StatusCode.OK
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
BLAME: dict[str, EndReason] = {
    "INVALID_ARGUMENT": DeliveryReason.REJECTED,
    "ALREADY_EXISTS": DeliveryReason.REJECTED,
    "RESOURCE_EXHAUSTED": ItemReason.TOO_LARGE,
}


def packed(message: Message, value: bytes | None = None) -> AnyMessage:
    detail = AnyMessage()
    detail.Pack(message)
    if value is not None:
        detail.value = value
    return detail


every_signal = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
OTHER = entry("kannelle.crm.v1.Contact", b"")


@asynccontextmanager
async def sending_to(collector: Collector, **options: Any) -> AsyncIterator[OtlpExporter]:
    async with collector:
        otlp = OtlpExporter(collector.endpoint, **options)
        yield otlp
        await otlp.close()


@every_signal
@pytest.mark.parametrize("compression", ["gzip", "none"])
async def test_a_batch_arrives_as_one_request_in_order(compression: str, signal: Signal) -> None:
    async with sending_to(collector := Collector(), compression=compression) as otlp:
        assert await otlp.send(items("a", "b", "c", signal=signal)) == [DELIVERED] * 3
        assert await otlp.send(items("d", signal=signal)) == [DELIVERED]
    assert collected(collector, signal) == ["a", "b", "c", "d"]
    assert [len(getattr(request, signal.groups)) for request in collector.requests] == [1, 1]


async def test_each_signal_of_a_batch_goes_to_its_own_service_in_order() -> None:
    batch = [item("a"), item("b", TRACES), OTHER, item("c"), item("d", METRICS), item("e", TRACES)]
    async with sending_to(collector := Collector()) as otlp:
        assert await otlp.send(batch) == [
            DELIVERED,
            DELIVERED,
            Rejected(ItemReason.UNKNOWN_TYPE),
            DELIVERED,
            DELIVERED,
            DELIVERED,
        ]
    assert {signal.name: collected(collector, signal) for signal in SIGNALS} == {
        "logs": ["a", "c"],
        "traces": ["b", "e"],
        "metrics": ["d"],
    }
    assert len(collector.requests) == 3


async def test_a_signal_that_fares_badly_takes_no_other_with_it() -> None:
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.extend(
            [
                CollectorAnswer(grpc.StatusCode.UNIMPLEMENTED),
                CollectorAnswer(),
                CollectorAnswer(grpc.StatusCode.UNAVAILABLE, 2),
            ]
        )
        outcomes = await otlp.send([item("a"), item("b", TRACES), item("c", METRICS), item("d")])
    assert outcomes == [Retryable(), DELIVERED, Retryable(after=2), Retryable()]
    assert len(collector.requests) == 1


async def test_several_batches_may_be_under_way() -> None:
    async with sending_to(collector := Collector()) as otlp:
        outcomes = await asyncio.gather(*(otlp.send(items(f"{n}a", f"{n}b")) for n in range(20)))
    assert outcomes == [[DELIVERED] * 2] * 20
    assert sorted(collected(collector)) == sorted(f"{n}{x}" for n in range(20) for x in "ab")


async def test_what_is_of_no_signal_is_rejected_where_it_stands() -> None:
    async with sending_to(collector := Collector()) as otlp:
        assert await otlp.send([OTHER, item("a"), OTHER]) == [
            Rejected(ItemReason.UNKNOWN_TYPE),
            DELIVERED,
            Rejected(ItemReason.UNKNOWN_TYPE),
        ]
        assert await otlp.send([OTHER]) == [Rejected(ItemReason.UNKNOWN_TYPE)]
        assert await otlp.send([]) == []
    assert len(collector.requests) == 1


@every_signal
async def test_what_cannot_be_read_is_rejected_alone(signal: Signal) -> None:
    bad = entry(signal.item, b"\xff")
    async with sending_to(collector := Collector()) as otlp:
        assert await otlp.send([bad]) == [Rejected(ItemReason.MALFORMED)]
        assert collector.requests == []
        assert await otlp.send([item("a", signal), bad, item("b", signal)]) == [
            DELIVERED,
            Rejected(ItemReason.MALFORMED),
            DELIVERED,
        ]
    assert collected(collector, signal) == ["a", "b"]


@every_signal
@pytest.mark.parametrize("after", [None, 0.0, 1.5])
@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not OK], ids=lambda code: code.name)
async def test_an_answer_blames_an_item_or_is_for_another_try(
    code: grpc.StatusCode, after: float | None, signal: Signal
) -> None:
    blames = code.name in BLAME and not (code is EXHAUSTED and after is not None)
    expected: Outcome = Rejected(BLAME[code.name]) if blames else Retryable(after=after)
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.append(CollectorAnswer(code, after))
        assert await otlp.send(items("a", signal=signal)) == [expected]
        assert await otlp.send(items("b", signal=signal)) == [DELIVERED]


@every_signal
@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.name in BLAME], ids=lambda code: code.name)
@pytest.mark.parametrize("letters", ["x", "ab", "xa", "aaax", "axaaxaaa", "xxxx"])
async def test_blame_is_narrowed_down_to_the_items_at_fault(
    letters: str, code: grpc.StatusCode, signal: Signal
) -> None:
    async def answer(request: bytes, context: Any) -> bytes:
        if b"faulty" in request:
            await context.abort(code)
        return b""

    async with serving(signal, answer) as endpoint:
        otlp = OtlpExporter(endpoint)
        batch = items(*("faulty" if letter == "x" else letter for letter in letters), signal=signal)
        assert await otlp.send(batch) == [
            Rejected(BLAME[code.name]) if letter == "x" else DELIVERED for letter in letters
        ]
        await otlp.close()


async def test_what_is_found_while_blame_is_narrowed_down_stands_in_its_place() -> None:
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.extend(
            [
                CollectorAnswer(grpc.StatusCode.INVALID_ARGUMENT),
                CollectorAnswer(),
                CollectorAnswer(grpc.StatusCode.UNAVAILABLE, 2),
            ]
        )
        batch = [item("a"), entry(LOGS.item, b"\xff"), item("b"), item("c")]
        assert await otlp.send(batch) == [
            DELIVERED,
            Rejected(ItemReason.MALFORMED),
            Retryable(after=2),
            Retryable(after=2),
        ]
    assert collected(collector) == ["a"]


@pytest.mark.parametrize(
    "details",
    [
        None,
        (),
        (("other", "text"),),
        (("grpc-status-details-bin", b"\xff"),),
        (("grpc-status-details-bin", "text"),),
        (("grpc-status-details-bin", b"\x08\x08"),),
        (("grpc-status-details-bin", Status(details=[packed(Status())]).SerializeToString()),),
        (("grpc-status-details-bin", Status(details=[packed(RetryInfo(), b"\xff")]).SerializeToString()),),
    ],
)
def test_details_without_retry_info_are_none(details: Any) -> None:
    assert outcome_of_status(EXHAUSTED, details) == Rejected(ItemReason.TOO_LARGE)
    assert outcome_of_status(grpc.StatusCode.UNAVAILABLE, details) == Retryable()


def test_a_wait_is_never_negative_and_may_be_left_open() -> None:
    past = RetryInfo()
    past.retry_delay.FromSeconds(-5)
    for info, expected in ((past, Retryable(after=0)), (RetryInfo(), Retryable())):
        details = Status(details=[packed(Status()), packed(info)]).SerializeToString()
        assert outcome_of_status(EXHAUSTED, [("grpc-status-details-bin", details)]) == expected


@pytest.mark.parametrize(("signal", "records"), [(LOGS, "log records"), (TRACES, "spans"), (METRICS, "data points")])
async def test_a_partial_success_is_counted_and_not_sent_again(
    signal: Signal, records: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.extend(
            [CollectorAnswer(rejected=2), CollectorAnswer(rejected=1), CollectorAnswer(), CollectorAnswer(rejected=1)]
        )
        for _ in range(4):
            assert await otlp.send(items("a", "b", "c", signal=signal)) == [DELIVERED] * 3
        assert otlp.rejected == {"logs": 0, "traces": 0, "metrics": 0} | {signal.name: 4}
        assert len(collector.requests) == 4
    # When the total reaches 1, 2, 4, …: here it goes 2, 3, 4.
    assert [record.message.partition("rejected ")[2] for record in caplog.records] == [
        f"2 {records} so far",
        f"4 {records} so far",
    ]


async def test_the_log_holds_a_code_and_no_text_of_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gateway")
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.extend(
            [
                CollectorAnswer(grpc.StatusCode.UNAVAILABLE),
                CollectorAnswer(grpc.StatusCode.UNAVAILABLE),
                CollectorAnswer(),
            ]
        )
        for _ in range(4):
            await otlp.send(items("planted"))
    assert [record.message.partition("answers ")[2] for record in caplog.records] == [
        "UNAVAILABLE to logs",
        "OK to logs",
    ]
    assert "planted" not in caplog.text
    assert "as told" not in caplog.text


async def test_blame_of_an_item_is_no_change_of_the_collector_s_answers(caplog: pytest.LogCaptureFixture) -> None:
    async with sending_to(collector := Collector()) as otlp:
        collector.answers.append(CollectorAnswer(grpc.StatusCode.INVALID_ARGUMENT))
        assert await otlp.send(items("a")) == [Rejected(DeliveryReason.REJECTED)]
    assert caplog.records == []


async def test_requests_are_compressed_unless_told_otherwise() -> None:
    async def size(compression: str) -> int:
        async with Collector() as collector, counting(collector) as (endpoint, counted):
            otlp = OtlpExporter(endpoint, compression=compression)
            assert await otlp.send(items("a" * 50_000)) == [DELIVERED]
            await otlp.close()
            assert collected(collector) == ["a" * 50_000]
        return counted[0]

    assert await size("gzip") < 10_000
    assert await size("none") > 50_000


@asynccontextmanager
async def counting(collector: Collector) -> AsyncIterator[tuple[str, list[int]]]:
    """A relay in front of a collector that counts the bytes sent to it."""
    counted = [0]
    ends: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, index: int) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                counted[0] += len(data) * (index == 0)
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", int(collector.endpoint.rpartition(":")[2]))
        ends.extend((writer, far_writer))
        await asyncio.gather(pump(reader, far_writer, 0), pump(far_reader, writer, 1))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", counted
        for end in ends:
            end.close()


async def test_a_collector_that_never_answers_is_for_another_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        otlp = OtlpExporter(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)
        assert await otlp.send(items("a")) == [Retryable()]
        await otlp.close()


async def test_a_collector_that_comes_back_is_found() -> None:
    async with Collector() as first:
        endpoint = first.endpoint
    otlp = OtlpExporter(endpoint)
    assert await otlp.send(items("a")) == [Retryable()]
    async with Collector(endpoint.removeprefix("http://")) as second, asyncio.timeout(20):
        while await otlp.send(items("b")) != [DELIVERED]:
            continue
    await otlp.close()
    assert collected(second) == ["b"]


@every_signal
async def test_an_answer_that_is_no_otlp_is_for_another_try(signal: Signal) -> None:
    async def garbage(request: bytes, context: object) -> bytes:
        return b"\xff"

    async with serving(signal, garbage) as endpoint:
        otlp = OtlpExporter(endpoint)
        assert await otlp.send(items("a", signal=signal)) == [Retryable()]
        await otlp.close()


@asynccontextmanager
async def serving(signal: Signal, answer: Callable[[bytes, object], Awaitable[bytes]]) -> AsyncIterator[str]:
    """A collector that answers one signal with these bytes."""
    server = grpc.aio.server()
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(signal.service, {"Export": method}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A collector that never answers logs, and whether it was asked."""
    asked, never = asyncio.Event(), asyncio.Event()

    async def wait(request: bytes, context: object) -> bytes:
        asked.set()
        await never.wait()
        return b""

    async with serving(LOGS, wait) as endpoint:
        yield endpoint, asked


def tls() -> Collector:
    issued = AUTHORITY.issue_cert("localhost")
    key, chain = issued.private_key_pem.bytes(), b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    return Collector("localhost:0", grpc.ssl_server_credentials([(key, chain)]))


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


async def test_a_collector_is_reached_over_tls(ca: str) -> None:
    async with sending_to(collector := tls(), ca=ca) as otlp:
        assert collector.endpoint.startswith("https://localhost:")
        assert await otlp.send([item("a", signal) for signal in SIGNALS]) == [DELIVERED] * 3
    assert [collected(collector, signal) for signal in SIGNALS] == [["a"]] * 3


async def test_a_certificate_nobody_vouches_for_gets_nothing() -> None:
    async with sending_to(collector := tls(), timeout=5) as otlp:
        assert await otlp.send(items("a")) == [Retryable()]
    assert collector.requests == []


async def test_tls_is_never_given_up(ca: str) -> None:
    async with Collector() as collector:
        otlp = OtlpExporter(collector.endpoint.replace("http://", "https://"), ca=ca, timeout=5)
        assert await otlp.send(items("a")) == [Retryable()]
        await otlp.close()
    assert collector.requests == []


@pytest.mark.parametrize("make", [Collector, tls])
async def test_a_collector_is_reached_past_any_proxy(
    make: Callable[[], Collector], ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_http_proxy(monkeypatch) as asked, sending_to(make(), **({"ca": ca} if make is tls else {})) as otlp:
        assert await otlp.send(items("a")) == [DELIVERED]
    assert asked == []


async def test_no_proxy_is_asked_for_a_collector_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_http_proxy(monkeypatch) as asked:
        otlp = OtlpExporter("https://collector.invalid:4317", timeout=1)
        assert await otlp.send(items("a")) == [Retryable()]
        await otlp.close()
    assert asked == []


async def test_closing_is_for_good_and_may_come_twice() -> None:
    async with sending_to(Collector()) as otlp:
        await otlp.close()
        await otlp.close()
        with pytest.raises(Retryable):
            await otlp.send(items("a"))


async def test_what_is_under_way_at_the_close_is_for_another_try() -> None:
    async with silent() as (endpoint, asked):
        otlp = OtlpExporter(endpoint, timeout=60)
        sending = asyncio.create_task(otlp.send([item("a"), item("b", TRACES)]))
        await asked.wait()
        await otlp.close()
        assert await sending == [Retryable()] * 2


async def test_a_sender_that_is_cancelled_stays_so() -> None:
    async with silent() as (endpoint, asked):
        otlp = OtlpExporter(endpoint, timeout=60)
        sending = asyncio.create_task(otlp.send(items("a")))
        await asked.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await otlp.close()


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(BadConfig, match="compression: must be one of gzip, none"):
        OtlpExporter("http://127.0.0.1:4317", compression="zstd")


async def test_a_batch_of_any_bounded_size_fits_what_servers_take() -> None:
    async with sending_to(Collector()) as otlp:
        assert otlp.limits == BatchLimits(max_items=8192, max_bytes=2 * 1024 * 1024, max_in_flight=4)
        text = "a" * (otlp.limits.max_bytes // otlp.limits.max_items - item("").payload_bytes - 10)
        assert await otlp.send(items(*[text] * otlp.limits.max_items)) == [DELIVERED] * otlp.limits.max_items
