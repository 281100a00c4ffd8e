"""What nobody should send through the proxy, or answer through it: refused or stripped, and the gateway goes on."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, DebugInfo, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from gateway.tls import Material
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.gateway_process import GatewayProcess
from tests.support.http2 import GOAWAY, HEADERS, RST_STREAM, Fields, call
from tests.support.proxied_calls import CallResult, invoke, proxy_channel, proxy_environ
from tests.support.proxy_certificates import OTHER_CA, certificate_for, dns, uri
from tests.support.proxy_policy import ONE_METHOD, VIDEO_CALLER, note
from tests.support.recording_upstream import (
    Pairs,
    ReceivedCall,
    RecordingUpstream,
    answer_with,
    fail_with,
    record_messages,
)
from tests.support.requests import field

MB: Final = 1024 * 1024
DETAILS: Final = "grpc-status-details-bin"
GOOD: Final = note(op="good")
MAIL: Final = "ana@kannelle.example"


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    with RecordingUpstream() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(upstream: RecordingUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("hostile")
    with GatewayProcess(folder, environ=proxy_environ(folder, upstream.port)) as process:
        assert process.listener_address("http")
        yield process
        assert process.stop() == 0


@pytest.fixture(scope="module")
def outbound(gateway: GatewayProcess) -> Iterator[grpc.Channel]:
    with proxy_channel(gateway.listener_address("outbound"), "enforce.example") as channel:
        yield channel


@pytest.fixture(autouse=True)
def unharmed(gateway: GatewayProcess, outbound: grpc.Channel, upstream: RecordingUpstream) -> Iterator[None]:
    """After each test the same process carries calls, on an old connection and on a new one."""
    yield
    with upstream.scripted(answer_with(GOOD)) as seen:
        assert invoke(outbound, ONE_METHOD, GOOD).answers == [GOOD]
        with proxy_channel(
            gateway.listener_address("inbound"), "own.example", certificate_for(uri(VIDEO_CALLER))
        ) as another:
            assert invoke(another, ONE_METHOD, GOOD).answers == [GOOD]
    # A call of a test that doesn't wait may still come, but nothing in it.
    assert [one.messages for one in seen if any(one.messages)] == [[GOOD], [GOOD]]
    assert gateway.alive


def port(gateway: GatewayProcess) -> int:
    return int(gateway.listener_address("outbound").rpartition(":")[2])


def frame(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A message as gRPC frames it, or as it shouldn't."""
    return bytes([flag]) + (len(message) if length is None else length).to_bytes(4, "big") + message


def head(
    path: bytes = ONE_METHOD.encode(),
    authority: Sequence[bytes] = (b"enforce.example",),
    kind: bytes = b"application/grpc",
) -> Fields:
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        *((b":authority", one) for one in authority),
    ]
    return [*fields, (b"te", b"trailers"), (b"content-type", kind)]


def status(said: bytes) -> int:
    """The grpc-status in the header block that gRPC's core wrote: it compresses no values."""
    found = re.findall(rb"\x0bgrpc-status[\x01\x02]([0-9]{1,2})", said)
    return int(found[-1]) if found else -1


UNKNOWN: Final = 2
INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
UNIMPLEMENTED: Final = 12

PATHS: Final = [
    ONE_METHOD.encode() + b"\xff",
    b"/\xff" + ONE_METHOD.encode(),
    b"/t.Talk/\xc3\x28",
    b"/t.Talk/\xed\xa0\x80",
    "/t.Talk/Ö".encode(),
    ONE_METHOD.encode()[1:],
    b"/" + ONE_METHOD.encode(),
    b"/t.Talk//One",
    ONE_METHOD.encode() + b"/",
    b"/t.Talk/%4fne",
    b"/%74.Talk/One",
    ONE_METHOD.encode() + b"?x=ana",
    ONE_METHOD.encode() + b"#x",
    b"/t.talk/one",
    b"/T.TALK/ONE",
    b"/t.Talk/one",
    b"/t.Talk/../t.Talk/One",
    b"/.//t.Talk/One",
    b" " + ONE_METHOD.encode(),
    ONE_METHOD.encode() + b" ",
    ONE_METHOD.encode() + b"\0",
    b"http://enforce.example" + ONE_METHOD.encode(),
    b"/",
    b"",
    b"*",
    ONE_METHOD.encode() + b"x" * 10_000,
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: repr(path[:30])[2:-1])
def test_a_path_that_is_not_exactly_a_methods_goes_nowhere(
    path: bytes, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        kind, said = call(port(gateway), head(path), frame(GOOD))
    assert seen == []
    # What isn't UTF-8, grpcio itself refuses.
    assert kind in {RST_STREAM, GOAWAY} or status(said) in {UNIMPLEMENTED, UNKNOWN}
    assert b"good" not in said


def test_the_exact_path_is_carried(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        kind, said = call(port(gateway), head(), frame(GOOD))
    assert [(one.path, one.messages) for one in seen] == [(ONE_METHOD, [GOOD])]
    assert (kind, status(said)) == (HEADERS, 0)
    assert GOOD in said


AUTHORITIES: Final[list[tuple[str, Sequence[bytes], bool]]] = [
    ("missing", [], False),
    ("empty", [b""], False),
    ("not ASCII", ["énforce.example".encode()], False),
    ("not UTF-8", [b"enforce.example\xff"], False),
    ("10 kB", [b"enforce.example" + b"x" * 10_000], False),
    ("capitals", [b"ENFORCE.Example"], True),
    ("userinfo", [b"ana@enforce.example"], False),
    ("a port", [b"enforce.example:443"], True),
    ("a port in capitals", [b"Enforce.Example:14001"], True),
    ("no port behind a colon", [b"enforce.example:"], False),
    ("a port of six digits", [b"enforce.example:123456"], False),
    ("a port that is none", [b"enforce.example:44x"], False),
    ("two ports", [b"enforce.example:443:443"], False),
    ("a port behind userinfo", [b"ana@enforce.example:443"], False),
    ("a dot", [b"enforce.example."], False),
    ("a space", [b"enforce.example "], False),
    ("a zero", [b"enforce.example\0.x"], False),
    ("a part", [b"enforce.exampl"], False),
    ("a star", [b"*"], False),
    ("a Kelvin sign", ["enforce.e\u212aample".encode()], False),
    ("two, both no route's", [b"other.example", b"else.example"], False),
    ("of the other listener", [b"own.example"], False),
]


@pytest.mark.parametrize(("name", "authority", "carried"), AUTHORITIES, ids=[row[0] for row in AUTHORITIES])
def test_only_a_routes_own_authority_is_carried(
    name: str, authority: Sequence[bytes], carried: bool, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        kind, said = call(port(gateway), head(authority=authority), frame(GOOD))
    assert [one.messages for one in seen] == [[GOOD]] * carried
    assert kind in {RST_STREAM, GOAWAY} or status(said) == (0 if carried else UNIMPLEMENTED)


def test_a_host_field_is_no_authority_beside_one(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        call(port(gateway), [*head(authority=[b"other.example"]), (b"host", b"enforce.example")], frame(GOOD))
    assert seen == []


# Metadata.

VALUES: Final = [
    MAIL.encode(),
    b"ana%40kannelle.example",
    b"192.0.2.1",
    b"+33612345678",
    b"Ana Bo",
    b"a\r\nx-key: k",
    b"a\nb",
    b"a\0b",
    "é".encode(),
    b"\xff\xfe",
    b"x" * 65,
    b"YW5hQGthbm5lbGxlLmV4YW1wbGU=",
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value[:30])[2:-1])
@pytest.mark.parametrize("key", [b"x-op", b"x-other"])
def test_a_value_of_metadata_that_may_not_leave_does_not(
    key: bytes, value: bytes, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        call(port(gateway), [*head(), (key, value)], frame(GOOD))
    assert [pair for one in seen for pair in one.own_metadata] == []


KEYS: Final[list[tuple[bytes, bytes]]] = [
    (b"X-Op", b"v"),
    (b"x-op\r\nx-key", b"v"),
    (b"x-\xc3\xa9", b"v"),
    (b"x-op ", b"v"),
    (b"", b"v"),
    (b":x-op", b"v"),
    (MAIL.encode(), b"v"),
    (b"x-op-bin", b"dg"),
    (b"x-key-bin", b"!!!!"),
    (b"grpc-tags-bin", b"dg"),
    (b"grpc-trace-bin", b"dg"),
    (b"grpc-previous-rpc-attempts", b"1"),
    (b"lb-token", b"v"),
    (b"cookie", b"user=ana"),
    (b"authorization", b"Bearer ana"),
    (b"baggage", b"user=ana"),
    (b"tracestate", b"a=ana"),
    (b"traceparent", b"00-ana"),
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"via", b"ana"),
]


@pytest.mark.parametrize(("key", "value"), KEYS, ids=[repr(row[0])[2:-1] for row in KEYS])
def test_a_key_that_is_not_listed_does_not_leave(
    key: bytes, value: bytes, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        call(port(gateway), [*head(), (key, value)], frame(GOOD))
    assert [pair for one in seen for pair in one.own_metadata] == []


@pytest.mark.parametrize("value", [b"\xff\xfe", "é".encode()], ids=["bytes", "UTF-8"])
def test_metadata_that_grpc_can_not_send_harms_no_shadowed_call(
    value: bytes, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        kind, said = call(port(gateway), [*head(authority=[b"shadow.example"]), (b"x-name", value)], frame(GOOD))
    assert kind in {RST_STREAM, GOAWAY} or status(said) == 0
    assert [one.messages for one in seen] in ([], [[GOOD]])


PERSONAL: Final[Pairs] = (
    ("x-op", MAIL),
    ("x-name", "Ana"),
    ("x-mail-bin", MAIL.encode()),
    ("set-cookie", "user=ana"),
    ("baggage", "user=ana"),
    ("x-key", "k"),
)


def test_personal_metadata_of_an_answer_is_stripped(outbound: grpc.Channel, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(GOOD, initial=PERSONAL, trailing=PERSONAL)):
        told = invoke(outbound, ONE_METHOD, GOOD)
    assert (told.answers, told.initial, told.trailing) == ([GOOD], [("x-key", "k")], [("x-key", "k")])


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_personal_metadata_and_text_of_a_failure_are_stripped(
    code: grpc.StatusCode, outbound: grpc.Channel, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(fail_with(code, f"no {MAIL}\r\n Ana é", initial=PERSONAL, trailing=PERSONAL)):
        told = invoke(outbound, ONE_METHOD, GOOD)
    assert (told.code, told.initial, told.trailing) == (code, [("x-key", "k")], [("x-key", "k")])
    assert told.text.islower()
    assert "ana" not in told.text


def test_a_callers_text_is_masked_where_it_may_have_text(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    script = fail_with(grpc.StatusCode.NOT_FOUND, f"no {MAIL}")
    with proxy_channel(gateway.listener_address("outbound"), "text.example") as channel, upstream.scripted(script):
        assert invoke(channel, ONE_METHOD, GOOD).text == "no [EMAIL]"


# Details of a status.


def packed(message: Any) -> AnyMessage:
    held = AnyMessage()
    held.Pack(message)
    return held


def held(raw: bytes, type: str = "t.Note", prefix: str = "type.googleapis.com/") -> AnyMessage:
    return AnyMessage(type_url=prefix + type, value=raw)


FULL: Final = note(user_id="usr_a", work_email=MAIL, name="Ana", op="op1")
ERROR: Final = ErrorInfo(reason="NOT_THERE", domain="kannelle.example", metadata={"user": MAIL})
CLEAN: Final = packed(ErrorInfo(reason="NOT_THERE", domain="kannelle.example"))


def around(raw: bytes) -> bytes:
    """A note with an `Any` in it."""
    return note(op="op1") + field(5, held(raw).SerializeToString())


DETAIL: Final[list[tuple[str, list[AnyMessage], list[AnyMessage]]]] = [
    ("known", [held(FULL)], [held(note(op="op1"))]),
    ("another prefix", [held(FULL, prefix=f"https://{MAIL}/")], [held(note(op="op1"))]),
    ("unknown", [held(FULL, "t.Other")], []),
    ("unknown beside known", [held(FULL, "t.Other"), held(FULL)], [held(note(op="op1"))]),
    ("gRPC's own", [packed(ERROR)], [CLEAN]),
    ("what may name somebody", [packed(DebugInfo(detail=MAIL, stack_entries=[MAIL]))], []),
    ("an Any in a note", [held(around(FULL))], [held(around(note(op="op1")))]),
    ("an Any in an Any", [held(held(FULL).SerializeToString(), "google.protobuf.Any")], []),
    ("a malformed detail", [held(b"\x0a\xff")], []),
    ("a detail without a type", [held(FULL, "", "")], []),
    ("nothing personal is left", [packed(BadRequest())], [packed(BadRequest())]),
    ("a time to come back", [packed(RetryInfo())], [packed(RetryInfo())]),
]


@pytest.mark.parametrize(("name", "given", "expected"), DETAIL, ids=[row[0] for row in DETAIL])
def test_details_are_minimised_for_the_caller(
    name: str, given: list[AnyMessage], expected: list[AnyMessage], outbound: grpc.Channel, upstream: RecordingUpstream
) -> None:
    raw = Status(code=5, message=f"no {MAIL}", details=given).SerializeToString()
    with upstream.scripted(fail_with(grpc.StatusCode.NOT_FOUND, f"no {MAIL}", trailing=[(DETAILS, raw)])):
        told = invoke(outbound, ONE_METHOD, GOOD)
    assert (told.code, told.text) == (grpc.StatusCode.NOT_FOUND, "not found")
    found = [Status.FromString(value) for key, value in told.trailing if key == DETAILS and isinstance(value, bytes)]
    left = [detail for one in found for detail in one.details]
    if name == "an Any in an Any":
        # Kept or not, what is in it is minimised.
        assert MAIL.encode() not in b"".join(detail.SerializeToString() for detail in left)
        assert b"Ana" not in b"".join(detail.SerializeToString() for detail in left)
    else:
        assert left == expected
    assert [(one.code, one.message) for one in found] == [(5, "not found")] * len(found)


@pytest.mark.parametrize("raw", [b"", b"\xff", MAIL.encode(), b"\x1a\xff\xff\xff\x0fana", b"\x0a" * 50], ids=range(5))
def test_malformed_details_are_removed(raw: bytes, outbound: grpc.Channel, upstream: RecordingUpstream) -> None:
    with upstream.scripted(fail_with(grpc.StatusCode.NOT_FOUND, "", trailing=[(DETAILS, raw)])):
        told = invoke(outbound, ONE_METHOD, GOOD)
    assert (told.code, told.text, told.trailing) == (grpc.StatusCode.NOT_FOUND, "", [])


# What a message comes in.


# gRPC's core takes any content type, and reads what comes as frames: where these make no sense, as an empty message or
# as none.


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/grpc+json",
        b"application/grpc-web",
        b"application/grpc-web+proto",
        b"text/plain",
        b"",
    ],
)
def test_nothing_of_another_format_passes(kind: bytes, gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        _, said = call(port(gateway), head(kind=kind), b'{"name": "Ana"}', wait=False)
    assert [message for one in seen for message in one.messages if message] == []
    assert b"Ana" not in said


def test_json_in_a_frame_goes_nowhere(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        ended, said = call(port(gateway), head(kind=b"application/grpc+json"), frame(b'{"name": "Ana", "op": "op1"}'))
    assert [message for one in seen for message in one.messages] == []
    assert ended in {RST_STREAM, GOAWAY} or status(said) > 0


def test_a_content_type_does_not_change_what_a_message_is(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    with upstream.scripted(answer_with(FULL)) as seen:
        _, said = call(port(gateway), head(kind=b"application/grpc+json"), frame(FULL))
    assert [message for one in seen for message in one.messages] in ([], [note(user_id="usr_a", op="op1")])
    assert b"Ana" not in said


LIES: Final = {
    "longer": frame(FULL, length=len(FULL) + 7),
    "shorter": frame(FULL, length=len(FULL) - 3),
    "beyond the limit": frame(FULL, length=5 * MB),
    "4 GB": frame(FULL, length=2**32 - 1),
    "another flag": frame(FULL, flag=2),
    "half a prefix": frame(FULL)[:3],
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("path", [ONE_METHOD, "/t.Talk/Both"])
def test_nothing_of_a_frame_that_lies_passes(
    path: str, name: str, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        kind, said = call(port(gateway), head(path.encode()), LIES[name])
    assert [message for one in seen for message in one.messages if message] == []
    # Another first byte reads as an empty message where gRPC has the end of the stream too before it is asked for one:
    # decision record 8.
    assert path != ONE_METHOD or name == "another flag" or (kind, seen) == (HEADERS, [])
    assert path != ONE_METHOD or status(said) in (
        {0, INVALID_ARGUMENT} if name == "another flag" else {INVALID_ARGUMENT, RESOURCE_EXHAUSTED}
    )


def test_an_empty_message_passes(outbound: grpc.Channel, upstream: RecordingUpstream) -> None:
    for path in (ONE_METHOD, "/t.Talk/Both"):
        with upstream.scripted(answer_with(b"")) as seen:
            assert invoke(outbound, path, b"").answers == [b""]
        assert [one.messages for one in seen] == [[b""]]


@pytest.mark.parametrize(
    "data", [frame(FULL, flag=1), frame(FULL) + frame(FULL)], ids=["compressed, in no encoding", "two for one"]
)
@pytest.mark.parametrize("path", [ONE_METHOD, "/t.Talk/Both"])
def test_a_message_in_an_odd_frame_is_minimised(
    path: str, data: bytes, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(FULL)) as seen:
        _, said = call(port(gateway), head(path.encode()), data)
    assert {message for one in seen for message in one.messages} <= {note(user_id="usr_a", op="op1")}
    assert b"Ana" not in said


BOMB: Final = 200 * MB


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_request_that_is_a_bomb_does_not_go_off(
    compression: grpc.Compression, gateway: GatewayProcess, outbound: grpc.Channel, upstream: RecordingUpstream
) -> None:
    gateway.reset_peak()
    before = gateway.rss
    with upstream.scripted(answer_with(GOOD)) as seen:
        told = invoke(outbound, ONE_METHOD, bytes(BOMB), compression=compression)
    assert (told.code, [one.messages for one in seen if one.messages]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [])
    assert gateway.peak - before < 64 * MB


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_an_answer_that_is_a_bomb_does_not_go_off(
    compression: grpc.Compression, gateway: GatewayProcess, outbound: grpc.Channel, upstream: RecordingUpstream
) -> None:
    def bomb(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.set_compression(compression)
        list(record_messages(seen, requests))
        yield bytes(BOMB)

    gateway.reset_peak()
    before = gateway.rss
    with upstream.scripted(bomb):
        told = invoke(outbound, ONE_METHOD, GOOD)
    assert (told.code, told.answers) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [])
    assert gateway.peak - before < 64 * MB


# Certificates.


def to_inbound(gateway: GatewayProcess, held: Material) -> CallResult:
    with proxy_channel(gateway.listener_address("inbound"), "own.example", held) as channel:
        return invoke(channel, ONE_METHOD, GOOD)


NOBODY: Final = [
    (
        "two SPIFFE IDs",
        lambda: certificate_for(uri(VIDEO_CALLER), uri(f"{VIDEO_CALLER}/2")),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
    (
        "a SPIFFE ID twice",
        lambda: certificate_for(uri(VIDEO_CALLER), uri(VIDEO_CALLER)),
        grpc.StatusCode.PERMISSION_DENIED,
    ),
    ("no names", certificate_for, grpc.StatusCode.PERMISSION_DENIED),
    ("another name", lambda: certificate_for(dns("other.kannelle.example")), grpc.StatusCode.PERMISSION_DENIED),
    (
        "expired",
        lambda: certificate_for(uri(VIDEO_CALLER), lifetime=timedelta(seconds=-60)),
        grpc.StatusCode.UNAVAILABLE,
    ),
    ("another CA's", lambda: certificate_for(uri(VIDEO_CALLER), ca=OTHER_CA), grpc.StatusCode.UNAVAILABLE),
    ("none", lambda: Material(b"", b"", certificate_for().ca), grpc.StatusCode.UNAVAILABLE),
]


@pytest.mark.parametrize(("name", "make", "code"), NOBODY, ids=[row[0] for row in NOBODY])
def test_who_does_not_prove_one_identity_is_refused(
    name: str, make: Callable[[], Material], code: grpc.StatusCode, gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    with upstream.scripted(answer_with(GOOD)) as seen:
        told = to_inbound(gateway, make())
    assert (told.code, seen) == (code, [])


def test_inbound_does_not_speak_plaintext(gateway: GatewayProcess, upstream: RecordingUpstream) -> None:
    at = int(gateway.listener_address("inbound").rpartition(":")[2])
    with upstream.scripted(answer_with(GOOD)) as seen:
        try:
            kind, said = call(at, head(authority=[b"own.example"]), frame(GOOD))
        except ConnectionError:
            kind, said = GOAWAY, b""
    assert (kind, said, seen) == (GOAWAY, b"", [])


class Pen:
    """The requests of a stream, written one by one."""

    def __init__(self) -> None:
        self._next: list[bytes | None] = []
        self._changed = threading.Condition()

    def write(self, message: bytes | None) -> None:
        with self._changed:
            self._next.append(message)
            self._changed.notify()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._changed:
            assert self._changed.wait_for(lambda: self._next, TIMEOUT_SECONDS)
            message = self._next.pop(0)
        if message is None:
            raise StopIteration
        return message


def test_a_certificate_that_expires_ends_no_stream_and_begins_none(
    gateway: GatewayProcess, upstream: RecordingUpstream
) -> None:
    pen = Pen()
    with proxy_channel(
        gateway.listener_address("inbound"),
        "own.example",
        certificate_for(uri(VIDEO_CALLER), lifetime=timedelta(seconds=2)),
    ) as channel:
        method: Any = channel.stream_stream("/t.Talk/Both")
        stream = method(pen, timeout=TIMEOUT_SECONDS)
        pen.write(GOOD)
        assert next(stream) == GOOD
        told = invoke(channel, ONE_METHOD, GOOD)
        assert told.code is grpc.StatusCode.OK
        while told.code is grpc.StatusCode.OK:
            # Each a call on the same connection, until the certificate has expired.
            told = invoke(channel, ONE_METHOD, GOOD)
        assert (told.code, told.text) == (grpc.StatusCode.PERMISSION_DENIED, "the caller is not allowed")
        pen.write(GOOD)
        assert next(stream) == GOOD
        assert invoke(channel, ONE_METHOD, GOOD).code is grpc.StatusCode.PERMISSION_DENIED
        pen.write(None)
        assert list(stream) == []
        assert stream.code() is grpc.StatusCode.OK


def test_a_stream_ends_at_its_connections_age(upstream: RecordingUpstream, tmp_path: Path) -> None:
    given = proxy_environ(
        tmp_path,
        upstream.port,
        listeners__inbound__max_connection_age="1s",
        listeners__inbound__max_connection_grace="0.5s",
    )
    pen = Pen()
    with (
        GatewayProcess(tmp_path, environ=given) as process,
        upstream.scripted(lambda seen, requests, context: record_messages(seen, requests)) as seen,
    ):
        with proxy_channel(
            process.listener_address("inbound"), "own.example", certificate_for(uri(VIDEO_CALLER))
        ) as channel:
            method: Any = channel.stream_stream("/t.Talk/Both")
            stream = method(pen, timeout=TIMEOUT_SECONDS)
            pen.write(GOOD)
            assert next(stream) == GOOD
            assert CallResult(stream).code is grpc.StatusCode.UNAVAILABLE
            assert seen[0].ended.wait(TIMEOUT_SECONDS)
            assert invoke(channel, ONE_METHOD, GOOD).answers == [GOOD]
        assert process.stop() == 0


def test_a_connection_that_says_nothing_does_no_harm(gateway: GatewayProcess) -> None:
    for name in ("outbound", "inbound", "http"):
        host, _, at = gateway.listener_address(name).rpartition(":")
        with socket.create_connection((host, int(at)), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(MAIL.encode())
