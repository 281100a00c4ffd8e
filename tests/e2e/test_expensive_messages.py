"""Messages that cost more time than they should: whoever sends one waits, others don't."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import grpc
import pytest

from gateway.pipeline.offload import COSTLY_BYTES
from tests.e2e.large_messages import MB, distinct_parts, repeated_field, repeated_record
from tests.support.channels import TIMEOUT_SECONDS, blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.requests import EMIT, LOGS, TRACK, V1, emit_request, field, track_request

log = logging.getLogger(__name__)

FULL: Final = 4 * MB - 500
MESSAGE: Final = f"{V1}SupportService/SendMessage"
Row = tuple[str, str, Callable[[], bytes]]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("costly")) as process:
        assert process.address
        yield process
        assert process.stop() == 0


def answered_meanwhile(
    gateway: GatewayProcess, path: str, data: bytes, other: str = TRACK, ordinary: bytes | None = None
) -> int:
    """How many ordinary calls are answered before a costly one is: two at most, if it kept the others waiting."""
    beside = track_request() if ordinary is None else ordinary
    count = 0
    with blocking_channel(gateway.address) as channel, blocking_channel(gateway.address) as another:
        method: Any = another.unary_unary(path)
        costly = method.future(data, timeout=6 * TIMEOUT_SECONDS)
        while not (count and costly.done()):
            assert isinstance(call(channel, other, beside), bytes)
            count += 1
        assert costly.code() in {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
    return count


def tokens(size: int) -> bytes:
    """A list of tokens as an attribute's value, each of which has to be judged."""
    return field(
        6,
        field(1, b"service.name")
        + field(2, field(5, distinct_parts(lambda part: field(1, field(1, b"v" + part)), size))),
    )


def attribute(key: bytes, value: bytes) -> bytes:
    return field(6, field(1, key) + field(2, field(1, value)))


def resource(size: int) -> bytes:
    return distinct_parts(lambda part: field(1, field(1, part)), size)


def text(number: int) -> bytes:
    """Something for every detector."""
    return b"ana%d@acme.example +336123456%02d %%40 aGVsbG8gd29ybGQgaGVsbG8= 48.85,2.35 " % (number, number % 100) * 6


def hiding(number: int) -> bytes:
    """A short text that says something else in several ways."""
    return b"0.\0?=U+%09d.85&lt;b&gt;0::85048.85password:\0A dot ?q=48.%02d:" % (4185048 + number, number % 90 + 10)


def attached(names: Iterable[bytes]) -> bytes:
    return field(2, b"".join(field(7, field(1, name)) for name in names))


def contact(number: int, part: Callable[[bytes], bytes]) -> bytes:
    return emit_request("kannelle.crm.v1.Contact", distinct_parts(lambda text: field(number, part(text)), FULL))


def event(parts: bytes) -> bytes:
    return field(2, field(2, b"video.exported") + parts)


COSTLY: list[Row] = [
    ("tokens in a list", LOGS, lambda: repeated_record(tokens(FULL))),
    (
        "attributes that stay",
        LOGS,
        lambda: repeated_record(distinct_parts(lambda part: attribute(b"service." + part, b"v" + part), FULL)),
    ),
    ("attributes that go", LOGS, lambda: repeated_record(distinct_parts(lambda part: field(6, field(1, part)), FULL))),
    ("the same attribute, which goes", LOGS, lambda: repeated_record(repeated_field(6, b"", FULL))),
    (
        "addresses",
        LOGS,
        lambda: repeated_record(distinct_parts(lambda part: attribute(b"user.email", part + b"@acme.example"), FULL)),
    ),
    ("a large resource for many records", LOGS, lambda: repeated_record(b"", 240, resource(131_000))),
    ("a resource for most records", LOGS, lambda: repeated_record(b"", 7000, resource(4_500))),
    ("properties", TRACK, lambda: event(distinct_parts(lambda part: field(4, field(1, part)), FULL))),
    ("map entries that stay", EMIT, lambda: contact(10, lambda part: field(1, part))),
    ("map entries that go", EMIT, lambda: contact(10, lambda part: field(1, b"@" + part))),
    ("strings that stay as they are", EMIT, lambda: contact(4, lambda part: part)),
    ("texts", f"{MESSAGE}s", lambda: b"".join(field(2, field(6, text(number))) for number in range(4000))),
    ("one text", MESSAGE, lambda: field(2, field(6, b"".join(map(text, range(8000)))))),
    ("attachments", MESSAGE, lambda: field(2, distinct_parts(lambda part: field(7, field(1, part + b".pdf")), FULL))),
    ("one ID", TRACK, lambda: event(field(1, field(1, b"dXNyXzE=" * (MB // 2 - 100))))),
    ("one address", TRACK, lambda: event(field(1, field(2, b"@" * FULL)))),
]


def test_others_are_served_while_a_costly_message_is_judged(gateway: GatewayProcess) -> None:
    assert answered_meanwhile(gateway, LOGS, repeated_record(tokens(MB // 4))) > 2


def test_others_are_served_while_a_costly_batch_is_judged(gateway: GatewayProcess) -> None:
    assert (
        answered_meanwhile(gateway, f"{MESSAGE}s", b"".join(field(2, field(6, text(number))) for number in range(300)))
        > 2
    )


@pytest.mark.parametrize("count", [40, 600])
def test_others_are_served_while_names_that_hide_much_are_judged(count: int, gateway: GatewayProcess) -> None:
    several = b"".join(
        attached(map(hiding, range(start, start + count)))
        for start in range(10_000 * count, 10_000 * count + 1200, count)
    )
    assert answered_meanwhile(gateway, f"{MESSAGE}s", several) > 2


def test_a_large_item_does_not_wait_for_one_that_hides_much(gateway: GatewayProcess) -> None:
    plain = attached(b"report-%d.pdf" % number for number in range(700))
    assert len(plain) > COSTLY_BYTES
    assert answered_meanwhile(gateway, MESSAGE, attached(map(hiding, range(2000, 3500))), MESSAGE, plain) > 2


@pytest.mark.soak
@pytest.mark.parametrize("row", COSTLY, ids=[row[0] for row in COSTLY])
def test_the_costliest_messages_cost_time_and_nothing_else(
    row: Row, gateway: GatewayProcess, caplog: pytest.LogCaptureFixture
) -> None:
    name, path, make = row
    data = make()
    assert len(data) < 4 * MB
    caplog.set_level(logging.INFO)
    before = gateway.cpu
    answered = answered_meanwhile(gateway, path, data)
    log.info(
        "%s: %.1f s of processor time, %d calls answered meanwhile, %d MB",
        name,
        gateway.cpu - before,
        answered,
        gateway.rss // MB,
    )
