"""What nobody should send as an attribute or a body, in every slot that takes one.

Stripped or refused, and the gateway goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import grpc
import pytest

from tests.e2e.large_messages import MB, distinct_parts, repeated_field
from tests.support.channels import blocking_channel, call
from tests.support.gateway_process import GatewayProcess
from tests.support.planted_values import WORD, find_planted
from tests.support.requests import LOGS, METRICS, TRACES, field, nested, varint

MOST_MEMORY: Final = 192 * MB
"""By how much one hostile message of 4 MB may raise the most memory in use: less than 50-fold."""

PLANTED: Final = WORD.encode()
ADDRESS: Final = f"{WORD}@{WORD}.example".encode()

Attributes = Callable[[int], bytes]
"""Attributes as the field with a number."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("hostile")) as process:
        assert process.address
        yield process
        assert process.stop() == 0
        written = b"".join(file.read_bytes() for file in process.state.glob("*.jsonl"))
        assert b"usr_1" in written
        assert find_planted(written + process.output) == []


def logs(record: bytes, resource: bytes = b"", scope: bytes = b"") -> bytes:
    return field(1, field(1, resource) + field(2, field(1, scope) + field(2, record)))


def point(held: bytes) -> bytes:
    """A gauge with one data point; every signal has its records where logs have theirs."""
    return logs(field(1, b"queue.depth") + field(5, field(1, held)))


SLOTS: Final[dict[str, tuple[str, Callable[[Attributes], bytes]]]] = {
    "a record": (LOGS, lambda held: logs(held(6))),
    "a resource": (LOGS, lambda held: logs(b"", resource=held(1))),
    "a scope": (LOGS, lambda held: logs(b"", scope=held(3))),
    "a body": (LOGS, lambda held: logs(field(5, field(6, held(1))))),
    "a span": (TRACES, lambda held: logs(held(9))),
    "a span's event": (TRACES, lambda held: logs(field(11, held(3)))),
    "a span's link": (TRACES, lambda held: logs(field(13, held(4)))),
    "a metric": (METRICS, lambda held: logs(field(1, b"queue.depth") + held(12))),
    "a data point": (METRICS, lambda held: point(held(7))),
    "an exemplar": (METRICS, lambda held: point(field(5, held(7)))),
}
"""Where attributes may stand: the method, and the request with them there."""


def pair(key: bytes, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def text(value: bytes) -> bytes:
    return field(1, value)


def lists(depth: int) -> bytes:
    """Lists in lists; the keys on the way are those of a wildcard."""
    return pair(
        b"service", nested(depth, lambda inner: field(6, field(1, pair(b"service", inner))), text(PLANTED + b" x"))
    )


def arrays(depth: int) -> bytes:
    return pair(b"service.name", nested(depth, lambda inner: field(5, field(1, inner)), text(PLANTED)))


def one(*pairs: bytes) -> Attributes:
    return lambda number: b"".join(field(number, held) for held in pairs)


FULL: Final = 4 * MB - 1000
HOSTILE: Final[dict[str, Attributes]] = {
    **{f"lists {depth} deep": one(lists(depth)) for depth in (1, 20, 33, 100, 10_000)},
    **{f"arrays {depth} deep": one(arrays(depth)) for depth in (2, 20, 50, 100, 10_000)},
    "a million attributes, all empty": lambda number: repeated_field(number, b"", FULL),
    "a million attributes, no two alike": lambda number: distinct_parts(
        lambda part: field(number, pair(PLANTED + part, text(part))), FULL
    ),
    "a million elements": one(pair(b"service.name", field(5, repeated_field(1, text(PLANTED), FULL)))),
    "a million entries": one(pair(b"service", field(6, repeated_field(1, pair(PLANTED, text(PLANTED)), FULL)))),
    "a key of a million dots": one(pair(b"service" + b"." * (3 * MB), text(PLANTED))),
    "duplicates": one(
        pair(b"user.id", text(b"usr_1")), pair(b"user.id", text(ADDRESS)), pair(b"user.id", text(PLANTED))
    ),
    "look-alike keys": one(
        *(
            pair(key.encode(), text(PLANTED))
            for key in ("us\u0435r.id", "user\uff0eid", "service\u200b.name", "User.Id", "user.id\0", "user.id.")
        )
    ),
    "planted keys": one(*(pair(b"service." + key, text(b"v1")) for key in (ADDRESS, PLANTED + b" x", b"a." + ADDRESS))),
    "keys that aren't text": one(pair(b"service.\xff" + PLANTED, text(b"v1"))),
    "no key": one(field(2, text(PLANTED))),
    "no value": one(field(1, PLANTED)),
    "two keys": one(field(1, b"service.name") + field(2, text(ADDRESS)) + field(1, b"user.id")),
    "two values": one(pair(b"user.id", text(PLANTED)) + field(2, text(b"usr_1"))),
    "bytes": one(pair(b"service.name", field(7, PLANTED)), pair(b"user.id", field(7, PLANTED))),
    "a string for a number": one(pair(b"http.response.status_code", text(PLANTED))),
    "a number for a string": one(pair(b"user.id", b"\x18" + varint(5)), pair(b"user.email", b"\x21" + PLANTED[:8])),
    "indices of strings": one(pair(b"service.name", b"\x40\x01") + b"\x18\x01", b"\x18\x01" + field(2, text(PLANTED))),
    "a list for a string": one(pair(b"user.id", field(6, field(1, pair(b"id", text(PLANTED + b" x")))))),
    "unknown fields": one(pair(b"user.id", text(b"usr_1") + field(99, PLANTED)) + field(98, PLANTED)),
    "groups": one(pair(b"user.id", text(b"usr_1")) + b"\x7b" + field(1, PLANTED) + b"\x7c"),
    "not a message": one(PLANTED),
    "cut off": one(pair(b"user.id", text(PLANTED))[:-1]),
}


@pytest.mark.parametrize("slot", SLOTS)
def test_no_attribute_leaks_or_does_harm(slot: str, gateway: GatewayProcess) -> None:
    path, request = SLOTS[slot]
    for name, held in HOSTILE.items():
        gateway.reset_peak()
        before = gateway.rss
        with blocking_channel(gateway.address) as channel:
            answer = call(channel, path, request(held))
            refused = not isinstance(answer, bytes)
            assert not refused or answer.code in {
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            }, name
            assert find_planted(repr(answer).encode()) == [], name
            assert gateway.peak - before < MOST_MEMORY, name
            sound = call(channel, path, request(one(pair(b"user.id", text(b"usr_1")))))
        assert isinstance(sound, bytes), name
        assert gateway.alive
