"""What every kind of call comes to: at the upstream, at the caller, and in the access log."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from kannelle.privacy.v1.access_pb2 import LISTENER_INBOUND, LISTENER_OUTBOUND, AccessEntry

from gateway.pipeline.receipt import MAX_RECEIPT_ITEM_BYTES
from tests.support.channels import TIMEOUT_SECONDS
from tests.support.proxied_calls import CallResult, ProxyGateway, invoke, proxy_channel, run_proxy
from tests.support.proxy_certificates import certificate_for, dns, uri
from tests.support.proxy_policy import CALL_KINDS, CRM_CALLER, SERVICE, VIDEO_CALLER, note
from tests.support.recording_upstream import Pairs, answer_with, fail_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAIL: Final = "ana@kannelle.example"
ASKED: Final = {"user_id": "usr_a", "work_email": MAIL, "name": "Ana", "op": "op1"}
REPLIED: Final = {"user_id": "usr_b", "work_email": "bo@kannelle.example", "name": "Bo", "op": "op2"}
GIVEN: Final[Pairs] = (("x-op", "v1"), ("x-key", "k"), ("x-name", "Ana"))
INITIAL: Final[Pairs] = (("x-op", "v2"), ("x-name", "Bo"))
TRAILING: Final[Pairs] = (("x-op", "v3"), ("x-name", "Bo"), ("x-mail-bin", b"bo@kannelle.example"))
COUNTS: Final = {"One": (1, 1), "Down": (1, 3), "Up": (3, 1), "Both": (3, 2)}
"""How many messages go each way."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ProxyGateway]:
    async with run_proxy(tmp_path_factory.mktemp("proxy")) as one:
        yield one


async def ask(gateway: ProxyGateway, authority: str, method: str, **options: Any) -> tuple[CallResult, AccessEntry]:
    """Make a call; what it tells, and its entry."""

    def blocking() -> CallResult:
        with proxy_channel(gateway.addresses["outbound"], authority) as channel:
            sent = [note(**ASKED)] * COUNTS.get(method, (1, 0))[0]
            return invoke(channel, f"/{SERVICE}/{method}", *sent, metadata=GIVEN, **options)

    told = await asyncio.to_thread(blocking)
    (entry,) = await gateway.entries(1)
    return told, entry


def plain(entry: AccessEntry) -> AccessEntry:
    """An entry without what no two calls have alike."""
    assert entry.time.seconds > 1_700_000_000
    assert entry.duration.ToNanoseconds() > 0
    entry.ClearField("time")
    entry.ClearField("duration")
    return entry


def lines(entry: AccessEntry) -> dict[tuple[str, str], int]:
    return {(field.path, field.reason): field.count for field in entry.shadow}


@pytest.mark.parametrize("method", CALL_KINDS)
async def test_an_enforced_call_is_minimised_both_ways(method: str, gateway: ProxyGateway) -> None:
    asked, replied = COUNTS[method]
    with gateway.upstream.scripted(
        answer_with(*[note(**REPLIED)] * replied, initial=INITIAL, trailing=TRAILING)
    ) as seen:
        told, entry = await ask(gateway, "enforce.example", method)
    assert [(one.path, one.messages) for one in seen] == [
        (f"/{SERVICE}/{method}", [note(user_id="usr_a", op="op1")] * asked)
    ]
    assert sorted(seen[0].own_metadata) == [("x-key", "k"), ("x-op", "v1")]
    assert (told.code, told.text) == (grpc.StatusCode.OK, "")
    assert told.answers == [note(op="op2")] * replied
    assert (told.initial, told.trailing) == ([("x-op", "v2")], [("x-op", "v3")])
    assert plain(entry) == AccessEntry(
        listener=LISTENER_OUTBOUND,
        method=f"{SERVICE}/{method}",
        peer="web",
        bytes_in=asked * len(note(**ASKED)),
        bytes_out=replied * len(note(op="op2")),
        # Mail and name each way, the user ID on the way back, and four keys of metadata.
        fields_stripped=2 * asked + 3 * replied + 4,
        user_id="usr_a",
        work_email=MAIL,
    )


@pytest.mark.parametrize("method", CALL_KINDS)
async def test_a_shadowed_call_passes_as_it_is(method: str, gateway: ProxyGateway) -> None:
    asked, replied = COUNTS[method]
    with gateway.upstream.scripted(
        answer_with(*[note(**REPLIED)] * replied, initial=INITIAL, trailing=TRAILING)
    ) as seen:
        told, entry = await ask(gateway, "shadow.example", method)
    assert [(one.path, one.messages) for one in seen] == [(f"/{SERVICE}/{method}", [note(**ASKED)] * asked)]
    assert sorted(seen[0].own_metadata) == sorted(GIVEN)
    assert (told.code, told.answers) == (grpc.StatusCode.OK, [note(**REPLIED)] * replied)
    assert (told.initial, told.trailing) == ([*INITIAL], [*TRAILING])
    assert lines(entry) == {
        ("work_email", "CATEGORY_NOT_ALLOWED"): asked + replied,
        ("name", "CATEGORY_NOT_ALLOWED"): asked + replied,
        ("user_id", "CATEGORY_NOT_ALLOWED"): replied,
    }
    entry.ClearField("shadow")
    assert plain(entry) == AccessEntry(
        listener=LISTENER_OUTBOUND,
        method=f"{SERVICE}/{method}",
        peer="web",
        bytes_in=asked * len(note(**ASKED)),
        bytes_out=replied * len(note(**REPLIED)),
        fields_stripped=2 * asked + 3 * replied + 4,
        user_id="usr_a",
        work_email=MAIL,
    )


REFUSALS: Final = {
    "denied": ("{mode}-denied.example", "{method}", grpc.StatusCode.PERMISSION_DENIED, "the caller is not allowed"),
    "unknown method": ("{mode}.example", "{method}x", grpc.StatusCode.UNIMPLEMENTED, "no such method"),
    "unknown authority": (
        "{mode}-other.example",
        "{method}",
        grpc.StatusCode.UNIMPLEMENTED,
        "no route has this authority",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("mode", ["enforce", "shadow"])
@pytest.mark.parametrize("method", CALL_KINDS)
async def test_a_call_that_may_not_pass_goes_nowhere(
    method: str, mode: str, refusal: str, gateway: ProxyGateway
) -> None:
    authority, called, code, text = REFUSALS[refusal]
    called = called.format(method=method)
    with gateway.upstream.scripted(answer_with()) as seen:
        told, entry = await ask(gateway, authority.format(mode=mode), called)
    assert seen == []
    assert (told.code, told.text, told.answers, told.initial) == (code, text, [], [])
    assert [key for key, _ in told.trailing] == ["grpc-status-details-bin"]
    known = "" if refusal == "unknown method" else f"{SERVICE}/{method}"
    assert plain(entry) == AccessEntry(listener=LISTENER_OUTBOUND, method=known, peer="web", code=code.value[0])


@pytest.mark.parametrize(("mode", "text"), [("enforce", "not found"), ("shadow", "no Bo, bo@kannelle.example")])
@pytest.mark.parametrize("method", CALL_KINDS)
async def test_a_failure_passes_by_the_same_rules(method: str, mode: str, text: str, gateway: ProxyGateway) -> None:
    asked, _ = COUNTS[method]
    answers = [note(**REPLIED)] if method in {"Down", "Both"} else []
    script = fail_with(
        grpc.StatusCode.NOT_FOUND, "no Bo, bo@kannelle.example", initial=INITIAL, trailing=TRAILING, answers=answers
    )
    with gateway.upstream.scripted(script) as seen:
        told, entry = await ask(gateway, f"{mode}.example", method)
    assert len(seen[0].messages) == asked
    assert (told.code, told.text) == (grpc.StatusCode.NOT_FOUND, text)
    assert told.answers == ([note(op="op2")] * len(answers) if mode == "enforce" else answers)
    assert (told.initial, told.trailing) == (
        ([*INITIAL], [*TRAILING]) if mode == "shadow" else ([("x-op", "v2")], [("x-op", "v3")])
    )
    assert (entry.method, entry.code, entry.user_id) == (f"{SERVICE}/{method}", 5, "usr_a")
    assert entry.fields_stripped == 2 * asked + 3 * len(answers) + 4


@pytest.mark.parametrize("method", CALL_KINDS)
async def test_malformed_messages_are_refused_and_in_shadow_told(method: str, gateway: ProxyGateway) -> None:
    asked = COUNTS[method][0]
    raw = b"\x0a\xff" + b"Ana"

    def blocking(authority: str) -> CallResult:
        with proxy_channel(gateway.addresses["outbound"], authority) as channel:
            return invoke(channel, f"/{SERVICE}/{method}", *[raw] * asked)

    with gateway.upstream.scripted(answer_with(note(op="x"))) as seen:
        told = await asyncio.to_thread(blocking, "enforce.example")
        assert (told.code, told.text) == (grpc.StatusCode.INVALID_ARGUMENT, "the message is malformed")
        assert [one.messages for one in seen if one.messages] == []
        seen.clear()
        assert (await asyncio.to_thread(blocking, "shadow.example")).code is grpc.StatusCode.OK
        assert [one.messages for one in seen] == [[raw] * asked]
    refused, shadowed = await gateway.entries(2)
    assert (refused.code, list(refused.shadow)) == (3, [])
    assert lines(shadowed) == {} or set(lines(shadowed)) == {("", "MALFORMED")}


@pytest.mark.parametrize(
    ("authority", "path", "code"),
    [
        ("enforce-denied.example", f"/{SERVICE}/{{}}", grpc.StatusCode.PERMISSION_DENIED),
        ("unheard.example", f"/{SERVICE}/{{}}", grpc.StatusCode.UNIMPLEMENTED),
        ("enforce.example", "/t.Unheard/{}", grpc.StatusCode.UNIMPLEMENTED),
    ],
)
@pytest.mark.parametrize("method", CALL_KINDS)
async def test_who_may_not_call_is_told_before_a_message_is_read(
    method: str, authority: str, path: str, code: grpc.StatusCode, gateway: ProxyGateway
) -> None:
    def blocking() -> grpc.StatusCode:
        never = threading.Event()
        with proxy_channel(gateway.addresses["outbound"], authority) as channel:
            waiting: Any = iter(never.wait, True)
            call: Any = channel.stream_stream(path.format(method))(waiting, timeout=TIMEOUT_SECONDS)
            try:
                return CallResult(call).code
            finally:
                never.set()

    assert await asyncio.to_thread(blocking) is code
    await gateway.entries(1)


@pytest.mark.parametrize("method", ["One", "Down"])
async def test_a_call_without_its_one_request_is_malformed(method: str, gateway: ProxyGateway) -> None:
    def blocking() -> CallResult:
        with proxy_channel(gateway.addresses["outbound"], "enforce.example") as channel:
            return invoke(channel, f"/{SERVICE}/{method}")

    with gateway.upstream.scripted(answer_with(note(op="x"))) as seen:
        assert (await asyncio.to_thread(blocking)).code is grpc.StatusCode.INVALID_ARGUMENT
    assert seen == []
    await gateway.entries(1)


async def test_a_shadowed_call_tells_of_a_long_message_that_it_is_long(gateway: ProxyGateway) -> None:
    def blocking() -> CallResult:
        with proxy_channel(gateway.addresses["outbound"], "shadow.example") as channel:
            return invoke(channel, f"/{SERVICE}/One", note(unclassified="x" * MAX_RECEIPT_ITEM_BYTES))

    with gateway.upstream.scripted(answer_with(note(op="x"))) as seen:
        assert (await asyncio.to_thread(blocking)).code is grpc.StatusCode.OK
    assert len(seen[0].messages[0]) > MAX_RECEIPT_ITEM_BYTES
    (entry,) = await gateway.entries(1)
    assert lines(entry) == {("", "TOO_LARGE"): 1}


ANSWERS: Final = {
    "by SPIFFE ID": (uri(VIDEO_CALLER), VIDEO_CALLER, note(user_id="usr_b", op="op2")),
    "by DNS name": (dns(CRM_CALLER), CRM_CALLER, note(name="Bo", op="op2")),
}


@pytest.mark.parametrize("caller", ANSWERS)
@pytest.mark.parametrize("method", CALL_KINDS)
async def test_answers_differ_by_caller(method: str, caller: str, gateway: ProxyGateway) -> None:
    name, peer, answer = ANSWERS[caller]
    asked, replied = COUNTS[method]

    def blocking() -> CallResult:
        with proxy_channel(gateway.addresses["inbound"], "own.example", certificate_for(name)) as channel:
            return invoke(channel, f"/{SERVICE}/{method}", *[note(**ASKED)] * asked, metadata=GIVEN)

    with gateway.upstream.scripted(answer_with(*[note(**REPLIED)] * replied)) as seen:
        told = await asyncio.to_thread(blocking)
    assert seen[0].messages == [note(user_id="usr_a", op="op1")] * asked
    assert (told.code, told.answers) == (grpc.StatusCode.OK, [answer] * replied)
    (entry,) = await gateway.entries(1)
    assert (entry.listener, entry.peer, entry.code) == (LISTENER_INBOUND, peer, 0)


@pytest.mark.parametrize("method", CALL_KINDS)
async def test_a_certified_caller_that_no_route_names_is_denied(method: str, gateway: ProxyGateway) -> None:
    def blocking() -> CallResult:
        with proxy_channel(
            gateway.addresses["inbound"], "own.example", certificate_for(uri(f"{VIDEO_CALLER}/other"))
        ) as channel:
            return invoke(channel, f"/{SERVICE}/{method}", note(**ASKED))

    with gateway.upstream.scripted(answer_with()) as seen:
        told = await asyncio.to_thread(blocking)
    assert (told.code, seen) == (grpc.StatusCode.PERMISSION_DENIED, [])
    (entry,) = await gateway.entries(1)
    assert plain(entry) == AccessEntry(
        listener=LISTENER_INBOUND, method=f"{SERVICE}/{method}", peer=f"{VIDEO_CALLER}/other", code=7
    )
