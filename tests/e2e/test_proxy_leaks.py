"""Nothing that goes through the proxy comes out beside the way.

In a log, a status, a trailer, the access log or a metric.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.status_pb2 import Status

from tests.calls import field
from tests.e2e.planted import ACCENTED, DIGITS, VALUES, WORD, found, spoilt
from tests.http2 import call
from tests.proxied import (
    KINDS,
    ONE,
    SERVICE,
    Pairs,
    Script,
    Told,
    Upstream,
    answering,
    dialling,
    dns,
    environ,
    failing,
    material,
    note,
    tell,
    uri,
)
from tests.running import SECONDS, Process

DETAILS: Final = "grpc-status-details-bin"
WHO: Final = ("usr_abc", "ana@kannelle.example")

METADATA: Final[Pairs] = (
    ("x-op", f"{WORD}@{WORD}.example"),
    ("x-user", WORD),
    (WORD, DIGITS),
    (f"{WORD}-bin", ACCENTED.encode()),
    ("authorization", f"Bearer {WORD}"),
    ("baggage", f"user={WORD}"),
    ("traceparent", f"00-{WORD}-{DIGITS}-01"),
    ("tracestate", f"a={WORD}"),
)


def planted(value: str) -> bytes:
    """A message with a value wherever one fits but for those whose rules let it pass, about somebody who may be logged."""
    message = note(
        user_id=WHO[0], work_email=WHO[1], name=value, content=value.encode(), unclassified=value, op=f"{value} {value}"
    )
    inner = AnyMessage(type_url=f"{WORD}/t.Note", value=note(name=value, user_id=value)).SerializeToString()
    return message + field(5, inner) + field(90, value.encode())


def details(value: str) -> bytes:
    held = [
        AnyMessage(type_url="type.googleapis.com/t.Note", value=note(name=value)),
        AnyMessage(type_url=value, value=value.encode()),
    ]
    raw: bytes = Status(code=5, message=value, details=held).SerializeToString()
    return raw


def scripts() -> Iterator[Script]:
    """How an upstream may misbehave."""
    for value in VALUES:
        yield answering(planted(value), initial=METADATA, trailing=METADATA)
        yield failing(
            grpc.StatusCode.NOT_FOUND, value, initial=METADATA, trailing=[*METADATA, (DETAILS, details(value))]
        )
    yield failing(grpc.StatusCode.INTERNAL, WORD, answers=[planted(WORD)], trailing=[(DETAILS, WORD.encode())])
    for bad in spoilt(planted(WORD)):
        yield answering(bad)
    yield answering(planted(WORD * 700_000))

    def raising(*_: Any) -> Iterator[bytes]:
        raise ValueError(WORD)

    yield raising


def all_of(told: Told) -> bytes:
    """Everything that a call tells."""
    parts: list[str | bytes] = [*told.answers, told.text]
    for key, value in (*told.initial, *told.trailing):
        parts += [key, value]
    return b" ".join(part if isinstance(part, bytes) else part.encode() for part in parts)


def say(channel: grpc.Channel, upstream: Upstream) -> Iterator[Told]:
    """Every kind of call with every value, spoilt ones, and every answer."""
    for method, value in product(KINDS, VALUES):
        yield tell(channel, f"/{SERVICE}/{method}", planted(value), metadata=METADATA)
    for bad in spoilt(planted(WORD)):
        yield tell(channel, ONE, bad)
    yield tell(channel, ONE, planted(WORD) + bytes(6 * 1024 * 1024))
    yield tell(channel, f"/{WORD}.Service/{WORD}", planted(WORD))
    yield tell(channel, f"{ONE}{WORD}", planted(WORD))
    yield tell(channel, ONE, planted(WORD), metadata=[("x-large", WORD * 3000)])
    for method, script in product(("One", "Both"), scripts()):
        with upstream.saying(script):
            yield tell(channel, f"/{SERVICE}/{method}", note(op="x"))


def odd(port: int) -> Iterator[bytes]:
    """What no client library would send."""
    word = WORD.encode()

    def head(path: bytes, authority: bytes) -> list[tuple[bytes, bytes]]:
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", authority)]
        return [*fields, (b"te", b"trailers"), (b"content-type", b"application/grpc")]

    for path, authority in (
        (b"/" + word, b"enforce.example"),
        (b"/\xff" + word, word),
        (ONE.encode(), word),
        (ONE.encode(), b"\xff" + word),
    ):
        yield call(port, head(path, authority), bytes(5), wait=False)[1]
    bad = [
        (b"X-" + word, word),
        (b"x-op", word + b"\r\n" + word),
        (b"x-op", b"\xff" + word),
        (b"x-bin", b"!" + word),
        (b"grpc-encoding", word),
    ]
    for authority, one in product((b"enforce.example", b"shadow.example"), bad):
        yield call(port, [*head(ONE.encode(), authority), one], b"\0\0\0\0\x09" + word, wait=False)[1]
    yield call(port, head(ONE.encode(), b"enforce.example"), b"\1\0\0\0\x09" + word, wait=False)[1]


VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "as it is": {},
    "gRPC": {"LEVEL": "DEBUG", "GRPC_VERBOSITY": "debug"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_process_says_nothing_of_what_it_carries(variant: str, tmp_path: Path) -> None:
    said: list[bytes] = []
    with (
        Upstream() as upstream,
        Process(tmp_path, environ={**environ(tmp_path, upstream.port), **VARIANTS[variant]}) as process,
    ):
        with dialling(process.listening("outbound"), "enforce.example") as channel:
            answers = list(say(channel, upstream))
        with dialling(process.listening("outbound"), "shadow.example") as channel:
            # What it carries, it carries as it is.
            list(say(channel, upstream))
        for name in (uri(f"spiffe://{WORD}.example/{WORD}"), dns(f"{WORD} {WORD}"), uri(f"https://{WORD}.example")):
            with dialling(process.listening("inbound"), "own.example", material(name)) as channel:
                answers.append(tell(channel, ONE, planted(WORD)))
        said += map(all_of, answers)
        said += odd(int(process.listening("outbound").rpartition(":")[2]))
        for path in ("metrics", "readyz", "readyz?verbose"):
            with urllib.request.urlopen(f"http://{process.listening('http')}/{path}", timeout=SECONDS) as page:
                said.append(page.read())
        assert process.stop() == 0
        log = (process.state / "access.jsonl").read_bytes()
    assert {one.code for one in answers} >= CODES
    assert found(process.said) == []
    assert [hit for one in said for hit in found(one)] == []
    assert WHO[0].encode() in log
    assert WHO[1].encode() in log
    # Whom a trusted certificate names is the peer, and the log says so.
    assert found(log.replace(f"spiffe://{WORD}.example/{WORD}".encode(), b"")) == []


CODES: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
