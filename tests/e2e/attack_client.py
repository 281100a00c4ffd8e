"""A hostile client as a program.

Connections that send the worst that the limits let through, one after another, until their time is up.

`python -m tests.e2e.attack_client GRPC_PORT HTTP_PORT CONNECTIONS SECONDS`. It only ever talks to loopback.
"""

from __future__ import annotations

import gzip
import http.client
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle, islice
from typing import Final

import grpc

from tests.support.channels import CHANNEL_OPTIONS
from tests.support.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, frame, header_block
from tests.support.requests import EMIT, LOGS, PREVIEW, TRACES, TRACK, TRACK_BATCH, V1, any_message, emit_request, field

MB: Final = 1024 * 1024
MAX_PAYLOAD_BYTES: Final = 4 * MB - 1024
PATIENCE_SECONDS: Final = 10.0
CALLS_AT_ONCE: Final = 8

BROKEN: Final = (b"\0\0\0\x10\0ab", b"\7\0\0\0\0")
"""A message cut off, and one with flags that there are not."""

Ports = tuple[int, int]
Attack = Callable[[Ports], None]


def keys() -> bytes:
    """A record with as many attributes under a wildcard as fit, each of another name."""
    attributes = (
        field(6, field(1, b"service.%040x" % (number * 7919)) + field(2, field(1, b"v")))
        for number in range(MAX_PAYLOAD_BYTES // 64)
    )
    return field(1, field(2, field(2, b"".join(attributes))))


def entries() -> bytes:
    """A map with as many entries as fit."""
    return emit_request(
        "kannelle.crm.v1.Contact",
        b"".join(field(10, field(1, b"%x" % number)) for number in range(MAX_PAYLOAD_BYTES // 12)),
    )


PROTOBUF: Final[Sequence[tuple[str, Callable[[], bytes]]]] = (
    (LOGS, lambda: b"\x0a\x00" * (MAX_PAYLOAD_BYTES // 2)),
    (TRACES, lambda: field(1, field(2, b"\x12\x00" * (MAX_PAYLOAD_BYTES // 2)))),
    (LOGS, lambda: field(1, field(2, b"\x12\x00" * 10_000))),
    (LOGS, lambda: field(1, field(2, field(2, b"\x32\x00" * (MAX_PAYLOAD_BYTES // 2))))),
    (LOGS, keys),
    (TRACK, lambda: field(2, field(2, b"video.exported") + b"\x22\x00" * (MAX_PAYLOAD_BYTES // 2))),
    (TRACK_BATCH, lambda: b"\x12\x00" * (MAX_PAYLOAD_BYTES // 2)),
    (EMIT, entries),
    (
        PREVIEW,
        lambda: (
            field(1, any_message("kannelle.crm.v1.Contact", b"\x78\x01" * (MAX_PAYLOAD_BYTES // 2)).SerializeToString())
            + field(2, b"crm")
        ),
    ),
    (f"{V1}SupportService/SendMessage", lambda: field(2, b"".join(field(6, b"0 1@a.%" * 2000) for _ in range(100)))),
)
JSON: Final[Sequence[Callable[[], bytes]]] = (
    lambda: b'{"resourceLogs":[' + b"1e308," * 600_000 + b"1]}",
    lambda: b'{"resourceLogs":' + b"[" * 2_000_000,
    lambda: b'{"resourceLogs":[' + b"{}," * 1_300_000 + b"{}]}",
    lambda: b'{"resourceLogs":[{"resource":{' + b",".join(b'"%x":0' % number for number in range(400_000)) + b"}}]}",
    lambda: b'{"resourceLogs":[{"schemaUrl":"' + b"\\u0041" * 650_000 + b'"}]}',
)


def protobuf(path: str, data: bytes) -> Attack:
    """The same message in several calls at once."""

    def attack(ports: Ports) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{ports[0]}", options=CHANNEL_OPTIONS) as channel:
            method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
            for call in [method.future(data, timeout=PATIENCE_SECONDS) for _ in range(CALLS_AT_ONCE)]:
                with suppress(grpc.RpcError, grpc.FutureTimeoutError):
                    call.result()

    return attack


def json(data: bytes) -> Attack:
    """A body that is small on its way."""
    body = gzip.compress(data)

    def attack(ports: Ports) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", ports[1], timeout=PATIENCE_SECONDS)
        connection.request("POST", "/v1/logs", body, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        connection.getresponse().read()
        connection.close()

    return attack


def headers_alone(ports: Ports) -> None:
    """Calls that never say more than what they are."""
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=PATIENCE_SECONDS) as connection:
        head = header_block(TRACK.encode())
        calls = b"".join(
            frame(HEADERS, END_HEADERS | END_STREAM * (number % 2), 2 * number + 1, head) for number in range(500)
        )
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + calls)
        connection.settimeout(1.0)
        with suppress(TimeoutError):
            while connection.recv(65_536):
                """What is said is of no interest."""


def half_frames(ports: Ports) -> None:
    """Messages that end early, or begin with what no message begins with."""
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=PATIENCE_SECONDS) as connection:
        head, parts = header_block(TRACK.encode()), [PREFACE + frame(SETTINGS, 0, 0, b"")]
        for number in range(100):
            stream = 2 * number + 1
            parts += [frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, BROKEN[number % 2])]
        connection.sendall(b"".join(parts))
        connection.settimeout(1.0)
        with suppress(TimeoutError):
            while connection.recv(65_536):
                """What is said is of no interest."""


def attacks() -> Iterator[Attack]:
    """Yield each kind, the costly ones between the others."""
    for index, (path, make) in enumerate(PROTOBUF):
        yield protobuf(path, make())
        yield json(JSON[index % len(JSON)]())
        yield (headers_alone, half_frames)[index % 2]


def attack_until(ports: Ports, attacks: Sequence[Attack], first: int, until: float) -> None:
    """Attack, beginning with another attack than others."""
    for attack in islice(cycle(attacks), first, None):
        if time.monotonic() > until:
            return
        with suppress(OSError, http.client.HTTPException):
            attack(ports)


def main() -> None:
    """Attack from so many connections at once."""
    grpc_port, http_port, connections, seconds = map(int, sys.argv[1:])
    kinds = list(attacks())
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for that
    sys.stdin.readline()
    until = time.monotonic() + seconds
    starts = [index * 5 % len(kinds) for index in range(connections)]
    threads = [
        threading.Thread(target=attack_until, args=((grpc_port, http_port), kinds, first, until)) for first in starts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
