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

from tests.support.channels import TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import call
from tests.support.planted_values import ACCENTED, DIGITS, VALUES, WORD, corrupted, find_planted
from tests.support.proxied_calls import CallResult, invoke, proxy_channel, proxy_environ
from tests.support.proxy_certificates import certificate_for, dns, uri
from tests.support.proxy_policy import CALL_KINDS, ONE_METHOD, SERVICE, note
from tests.support.recording_upstream import AnswerScript, Pairs, RecordingUpstream, answer_with, fail_with
from tests.support.requests import field

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
    """A message with a value wherever one fits and no rule lets it pass, about somebody who may be logged."""
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


def scripts() -> Iterator[AnswerScript]:
    """How an upstream may misbehave."""
    for value in VALUES:
        yield answer_with(planted(value), initial=METADATA, trailing=METADATA)
        yield fail_with(
            grpc.StatusCode.NOT_FOUND, value, initial=METADATA, trailing=[*METADATA, (DETAILS, details(value))]
        )
    yield fail_with(grpc.StatusCode.INTERNAL, WORD, answers=[planted(WORD)], trailing=[(DETAILS, WORD.encode())])
    for bad in corrupted(planted(WORD)):
        yield answer_with(bad)
    yield answer_with(planted(WORD * 700_000))

    def raising(*_: Any) -> Iterator[bytes]:
        raise ValueError(WORD)

    yield raising


def all_of(told: CallResult) -> bytes:
    """Everything that a call tells."""
    parts: list[str | bytes] = [*told.answers, told.text]
    for key, value in (*told.initial, *told.trailing):
        parts += [key, value]
    return b" ".join(part if isinstance(part, bytes) else part.encode() for part in parts)


def say(channel: grpc.Channel, upstream: RecordingUpstream) -> Iterator[CallResult]:
    """Every kind of call with every value, spoilt ones, and every answer."""
    for method, value in product(CALL_KINDS, VALUES):
        yield invoke(channel, f"/{SERVICE}/{method}", planted(value), metadata=METADATA)
    for bad in corrupted(planted(WORD)):
        yield invoke(channel, ONE_METHOD, bad)
    yield invoke(channel, ONE_METHOD, planted(WORD) + bytes(6 * 1024 * 1024))
    yield invoke(channel, f"/{WORD}.Service/{WORD}", planted(WORD))
    yield invoke(channel, f"{ONE_METHOD}{WORD}", planted(WORD))
    yield invoke(channel, ONE_METHOD, planted(WORD), metadata=[("x-large", WORD * 3000)])
    for method, script in product(("One", "Both"), scripts()):
        with upstream.scripted(script):
            yield invoke(channel, f"/{SERVICE}/{method}", note(op="x"))


def odd(port: int) -> Iterator[bytes]:
    """What no client library would send."""
    word = WORD.encode()

    def head(path: bytes, authority: bytes) -> list[tuple[bytes, bytes]]:
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", authority)]
        return [*fields, (b"te", b"trailers"), (b"content-type", b"application/grpc")]

    for path, authority in (
        (b"/" + word, b"enforce.example"),
        (b"/\xff" + word, word),
        (ONE_METHOD.encode(), word),
        (ONE_METHOD.encode(), b"\xff" + word),
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
        yield call(port, [*head(ONE_METHOD.encode(), authority), one], b"\0\0\0\0\x09" + word, wait=False)[1]
    yield call(port, head(ONE_METHOD.encode(), b"enforce.example"), b"\1\0\0\0\x09" + word, wait=False)[1]


VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "as it is": {},
    "gRPC": {"LEVEL": "DEBUG", "GRPC_VERBOSITY": "debug"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_process_says_nothing_of_what_it_carries(variant: str, tmp_path: Path) -> None:
    said: list[bytes] = []
    with (
        RecordingUpstream() as upstream,
        GatewayProcess(tmp_path, environ={**proxy_environ(tmp_path, upstream.port), **VARIANTS[variant]}) as process,
    ):
        with proxy_channel(process.listener_address("outbound"), "enforce.example") as channel:
            answers = list(say(channel, upstream))
        with proxy_channel(process.listener_address("outbound"), "shadow.example") as channel:
            # What it carries, it carries as it is.
            list(say(channel, upstream))
        for name in (uri(f"spiffe://{WORD}.example/{WORD}"), dns(f"{WORD} {WORD}"), uri(f"https://{WORD}.example")):
            with proxy_channel(process.listener_address("inbound"), "own.example", certificate_for(name)) as channel:
                answers.append(invoke(channel, ONE_METHOD, planted(WORD)))
        said += map(all_of, answers)
        said += odd(int(process.listener_address("outbound").rpartition(":")[2]))
        for path in ("metrics", "readyz", "readyz?verbose"):
            with urllib.request.urlopen(
                f"http://{process.listener_address('http')}/{path}", timeout=TIMEOUT_SECONDS
            ) as page:
                said.append(page.read())
        assert process.stop() == 0
        log = (process.state / "access.jsonl").read_bytes()
    assert {one.code for one in answers} >= CODES
    assert find_planted(process.output) == []
    assert [hit for one in said for hit in find_planted(one)] == []
    assert WHO[0].encode() in log
    assert WHO[1].encode() in log
    # Whom a trusted certificate names is the peer, and the log says so.
    assert find_planted(log.replace(f"spiffe://{WORD}.example/{WORD}".encode(), b"")) == []


CODES: Final = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
