"""Calls in flight when the policy changes.

Those that may do less than before end after the grace, the others notice nothing.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from kannelle.privacy.v1 import analytics_pb2, emit_pb2
from kannelle.privacy.v1.access_pb2 import AccessEntry

from gateway.app import Gateway
from gateway.config import Config, Listeners, Local, Outbound, Reload
from gateway.contracts.load import load
from gateway.errors import CallReason
from gateway.receivers.statuses import STATUS
from tests.support.channels import CHANNEL_OPTIONS, TIMEOUT_SECONDS, CallStatus, status_of
from tests.support.fake_delivery import FakeDelivery
from tests.support.proxy_policy import CALL_KINDS, FR_TERMS, SERVICE, note, parse_note, policy, write_contract
from tests.support.recording_upstream import ReceivedCall, RecordingUpstream, record_messages
from tests.support.requests import event

GRACE: Final = 0.2
CODE, TEXT = STATUS[CallReason.POLICY_CHANGED]
OVER: Final = CallStatus(CODE, TEXT, "POLICY_CHANGED", "privacy.kannelle")

WEB: Final = f"web: {{{FR_TERMS}, allow: [OPERATIONAL, NAME]}}"
ROUTE: Final = f"authority: a.example, destination: svc, callers: {{{WEB}}}"
OTHER: Final = f"authority: b.example, destination: raw, callers: {{{WEB}}}"

Change = Callable[[str], str]


class Case:
    """A gateway whose policy a test changes."""

    def __init__(self, gateway: Gateway, gate: FakeDelivery, folder: Path, addresses: Any) -> None:
        self.gateway = gateway
        self.gate = gate
        self.addresses = addresses
        self._policy = folder / "policy.yaml"

    @property
    def text(self) -> str:
        return self._policy.read_text()

    async def change(self, text: str) -> bool:
        """Put another policy in force; whether it could be."""
        self._policy.write_text(text)
        self.gateway.reload()
        return (await asyncio.wait_for(self.gateway._reloaders[0].wait_until_idle(), TIMEOUT_SECONDS)).ok


@cache
def descriptors() -> bytes:
    """The contract as a descriptor set: read in no time, where a folder takes a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        return FileDescriptorSet(file=load([write_contract(Path(folder))]).files.values()).SerializeToString()


def compiled(folder: Path) -> Path:
    (folder / "contract.binpb").write_bytes(descriptors())
    return folder / "contract.binpb"


@asynccontextmanager
async def running(folder: Path, text: str, *, grace: float = GRACE) -> AsyncIterator[Case]:
    (folder / "policy.yaml").write_text(text)
    config = Config(
        policy=folder / "policy.yaml",
        contracts=(compiled(folder),),
        state=folder / "state",
        service="web",
        listeners=Listeners(
            local=Local(address="127.0.0.1:0"), local_http=None, outbound=Outbound(address="127.0.0.1:0")
        ),
        reload=Reload(every=0, grace=grace),
    )
    gateway = Gateway(config, gate := FakeDelivery())
    addresses = await gateway.start()
    try:
        yield Case(gateway, gate, folder, addresses)
    finally:
        await gateway.stop()


@asynccontextmanager
async def proxying(
    folder: Path, *, shadow: bool = False, grace: float = GRACE
) -> AsyncIterator[tuple[Case, RecordingUpstream, grpc.aio.Channel]]:
    route = f"{ROUTE}, mode: shadow" if shadow else ROUTE
    with RecordingUpstream() as upstream:
        async with running(folder, policy(upstream.port, [route, OTHER]), grace=grace) as case:
            options = [*CHANNEL_OPTIONS, ("grpc.default_authority", "a.example")]
            async with grpc.aio.insecure_channel(case.addresses["outbound"], options=options) as channel:
                yield case, upstream, channel


def replacing(old: str, new: str) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def routed(old: str, new: str) -> Change:
    """In the route alone, which stands behind `routes:`."""

    def change(text: str) -> str:
        head, _, routes = text.partition("routes:")
        assert old in routes
        return f"{head}routes:{routes.replace(old, new, 1)}"

    return change


SVC: Final = "allow: [USER_ID, OPERATIONAL], retention: 1d"

NARROWER: Final[dict[str, Change]] = {
    "the destination gets less": replacing(SVC, "allow: [OPERATIONAL], retention: 1d"),
    "the destination gets other things": replacing(SVC, "allow: [OPERATIONAL, NAME, CONTENT], retention: 1d"),
    "the caller gets less": routed("allow: [OPERATIONAL, NAME]", "allow: [OPERATIONAL]"),
    "the caller gets other things": routed("allow: [OPERATIONAL, NAME]", "allow: [OPERATIONAL, USER_ID]"),
    "a field is classified otherwise": replacing(
        "destinations:", "classifications: {t.Note.op: {category: NAME}}\ndestinations:"
    ),
    "a field is bounded": replacing(
        "destinations:", "classifications: {t.Note.op: {category: OPERATIONAL, max_length: 5}}\ndestinations:"
    ),
    "the IDs look otherwise": replacing("{1,9}", "{1,8}"),
    "the metadata is less": replacing("keys: {x-op: OPERATIONAL}", "keys: {}"),
    "the route is gone": lambda text: text.replace(
        f"  - {{{ROUTE}", f"  - {{{ROUTE.replace('a.example', 'c.example')}"
    ),
    "another destination": routed("destination: svc", "destination: raw"),
    "the caller is gone": routed("callers: {web:", "callers: {other:"),
    "other methods": routed("destination: svc", "methods: [t.Talk/One], destination: svc"),
    "smaller messages": routed("destination: svc", "max_message_bytes: 2048, destination: svc"),
    "another upstream": lambda text: text.replace("127.0.0.1:", "127.0.0.2:"),
    "in another region": lambda text: text.replace(f"{SVC}, region: FR", f"{SVC}, region: IE").replace(
        "{FR: [", "{IE: [USER_ID, OPERATIONAL], FR: [", 1
    ),
}

WIDER: Final[dict[str, Change]] = {
    "nothing": lambda text: text,
    "a comment": lambda text: f"# more\n{text}",
    "the destination gets more": replacing(SVC, "allow: [USER_ID, OPERATIONAL, NAME], retention: 1d"),
    "the caller gets more": routed("allow: [OPERATIONAL, NAME]", "allow: [OPERATIONAL, NAME, CONTENT]"),
    "both get more": lambda text: WIDER["the caller gets more"](WIDER["the destination gets more"](text)),
    "more metadata": replacing("keys: {x-op: OPERATIONAL}", "keys: {x-op: OPERATIONAL, x-more: OPERATIONAL}"),
    "kept for longer": replacing(SVC, "allow: [USER_ID, OPERATIONAL], retention: 2d"),
    "larger messages": routed("destination: svc", "max_message_bytes: 8388608, destination: svc"),
    "another timeout": routed("destination: svc", "timeout: 30s, destination: svc"),
    "retries": routed("destination: svc", "retry: {max_attempts: 3, codes: [UNAVAILABLE]}, destination: svc"),
    "another caller more": routed("callers: {web:", f"callers: {{other: {{{FR_TERMS}, allow: []}}, web:"),
    "another route is gone": lambda text: text.replace(
        f"  - {{{OTHER}", f"  - {{{OTHER.replace('b.example', 'c.example')}"
    ),
    "another destination gets less": replacing(
        "allow: [OPERATIONAL, CONTENT], retention", "allow: [OPERATIONAL], retention"
    ),
    "only watched": routed("destination: svc", "mode: shadow, destination: svc"),
}

BAD: Final[dict[str, Change]] = {
    "no YAML": lambda text: "version: [",
    "nothing at all": lambda text: "",
    "an unknown destination": routed("destination: svc", "destination: nobody"),
}


class Talk:
    """A stream both ways."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        method: Any = channel.stream_stream(f"/{SERVICE}/Both")
        self.call = method(timeout=TIMEOUT_SECONDS)

    async def say(self, **fields: Any) -> Any:
        await self.call.write(note(**fields))
        answer = await self.call.read()
        return answer if answer is grpc.aio.EOF else parse_note(answer)

    async def over(self) -> tuple[CallStatus, float]:
        """How it ended, and when."""
        try:
            while await self.call.read() is not grpc.aio.EOF:
                pass
            raise AssertionError(await self.call.code())
        except grpc.aio.AioRpcError as error:
            return status_of(error), time.monotonic()


@pytest.mark.parametrize("row", NARROWER)
async def test_a_stream_that_may_do_less_goes_on_as_it_began_for_the_grace_and_ends(row: str, tmp_path: Path) -> None:
    async with proxying(tmp_path) as (case, upstream, channel):
        talk = Talk(channel)
        assert (await talk.say(op="a", user_id="usr_a")).op == "a"
        changed = time.monotonic()
        assert await case.change(NARROWER[row](case.text))
        assert (await talk.say(op="b")).op == "b"
        how, when = await talk.over()
        assert how == OVER
        assert GRACE * 0.9 <= when - changed < GRACE + 5
        # Nor does the upstream have a call any more.
        assert await asyncio.to_thread(upstream.calls[-1].ended.wait, TIMEOUT_SECONDS)


async def test_a_stream_that_may_do_as_much_notices_nothing(tmp_path: Path) -> None:
    async with proxying(tmp_path) as (case, _, channel):
        base, talk = case.text, Talk(channel)
        assert (await talk.say(op="a")).op == "a"
        for row, change in {**WIDER, **BAD}.items():
            assert await case.change(change(base)) is (row in WIDER), row
            limit = time.monotonic() + 1.5 * GRACE
            while time.monotonic() < limit:
                assert (await talk.say(op="b")).op == "b", row
        await talk.call.done_writing()
        assert await talk.call.read() is grpc.aio.EOF
        assert await talk.call.code() is grpc.StatusCode.OK


async def test_a_stream_that_was_only_watched_ends_when_it_is_minimised(tmp_path: Path) -> None:
    async with proxying(tmp_path, shadow=True) as (case, _, channel):
        talk = Talk(channel)
        assert (await talk.say(op="a", unclassified="x")).unclassified == "x"
        assert await case.change(case.text.replace(", mode: shadow", ""))
        assert (await talk.over())[0] == OVER


async def test_what_is_let_again_within_the_grace_goes_on(tmp_path: Path) -> None:
    grace = 4.0  # two changes come into force meanwhile, on whatever machine
    async with proxying(tmp_path, grace=grace) as (case, _, channel):
        before, talk = case.text, Talk(channel)
        assert (await talk.say(op="a")).op == "a"
        assert await case.change(NARROWER["the destination gets less"](before))
        limit = time.monotonic() + grace + 0.5
        assert await case.change(before)
        while time.monotonic() < limit:
            assert (await talk.say(op="b")).op == "b"
        talk.call.cancel()


async def test_without_a_grace_a_stream_ends_at_once(tmp_path: Path) -> None:
    async with proxying(tmp_path, grace=0) as (case, _, channel):
        talk = Talk(channel)
        assert (await talk.say(op="a")).op == "a"
        assert await case.change(NARROWER["the route is gone"](case.text))
        assert (await talk.over())[0] == OVER


HEARD: Final = threading.Semaphore(0)
"""Goes up with each message that a silent upstream hears."""


def silent(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answer the first message of a stream of answers, then nothing more."""
    for _ in record_messages(seen, requests):
        HEARD.release()
        if seen.path.endswith(("Down", "Both")):
            yield note(op="first")
    seen.ended.wait(TIMEOUT_SECONDS)


@pytest.mark.parametrize("kind", CALL_KINDS)
async def test_a_call_of_any_kind_that_outlasts_the_grace_ends(kind: str, tmp_path: Path) -> None:
    async with proxying(tmp_path) as (case, upstream, channel):
        with upstream.scripted(silent) as seen:
            method: Any = getattr(channel, CALL_KINDS[kind])(f"/{SERVICE}/{kind}")
            sent = iter([note(op="a")]) if CALL_KINDS[kind].startswith("stream") else note(op="a")
            call = method(sent, timeout=TIMEOUT_SECONDS)
            calling = asyncio.create_task(_ended(call, CALL_KINDS[kind].endswith("stream")))
            assert await asyncio.to_thread(HEARD.acquire, timeout=TIMEOUT_SECONDS)
            assert await case.change(NARROWER["the caller is gone"](case.text))
            assert await asyncio.wait_for(calling, TIMEOUT_SECONDS) == OVER
            assert await asyncio.to_thread(seen[0].ended.wait, TIMEOUT_SECONDS)
        entry = await logged(case.gate)
        assert (entry.method, entry.code) == (f"{SERVICE}/{kind}", CODE.value[0])


async def logged(gate: FakeDelivery) -> AccessEntry:
    """The one entry of the access log."""
    await gate.wait_for(1)
    (release,) = gate.releases
    return AccessEntry.FromString(release.payload)


async def _well(call: Any) -> bool:
    """Whether a stream of answers ends well."""
    try:
        while await call.read() is not grpc.aio.EOF:
            pass
    except (grpc.aio.AioRpcError, asyncio.CancelledError):
        return False
    return bool(await call.code() is grpc.StatusCode.OK)


async def _ended(call: Any, streams: bool) -> CallStatus:
    try:
        if streams:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return status_of(error)
    raise AssertionError("it ended well")


def endless(seen: ReceivedCall, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answers without end."""
    next(iter(record_messages(seen, requests)))
    while not seen.ended.is_set():
        yield note(op="x" * 60, name="n" * 50_000)


async def test_a_caller_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    async with proxying(tmp_path) as (case, upstream, channel):
        with upstream.scripted(endless) as seen:
            method: Any = channel.unary_stream(f"/{SERVICE}/Down")
            call = method(note(op="a"), timeout=TIMEOUT_SECONDS)
            assert await call.read() is not grpc.aio.EOF
            assert await case.change(NARROWER["the caller is gone"](case.text))
            assert await asyncio.to_thread(seen[0].ended.wait, TIMEOUT_SECONDS)
            if calls := tuple(case.gateway._parts.proxied._calls):
                await asyncio.wait(calls, timeout=TIMEOUT_SECONDS)
            assert not case.gateway._parts.proxied._calls
            # What is left is what was under way: it isn't without end.
            assert not await _well(call)


async def test_a_new_call_goes_by_what_is_in_force_now(tmp_path: Path) -> None:
    async with proxying(tmp_path) as (case, _, channel):
        talk = Talk(channel)
        assert (await talk.say(op="a", name="Ann")).name == ""
        assert await case.change(NARROWER["the destination gets other things"](case.text))
        assert (await Talk(channel).say(op="a", name="Ann")).name == "Ann"
        assert (await talk.over())[0] == OVER


# Streams of items.

EVENTS: Final = "/kannelle.privacy.v1.AnalyticsService/StreamEvents"
ITEMS: Final = "/kannelle.privacy.v1.EmitService/EmitStream"


def emitting(flows: str) -> str:
    """A policy with flows."""
    to = "recipient: store, region: FR, purpose: sales, legal_basis: CONTRACT, retention: 1d"
    return (
        'version: 1\ncontroller: C\nuser_id: {pattern: "usr_[a-z0-9]{1,9}"}\n'
        "ceilings: {FR: [USER_ID, WORK_EMAIL, OPERATIONAL, NAME]}\n"
        f"flows: {{{flows}}}\ntracking_plan: {{video.exported: {{}}}}\n"
        f"destinations:\n  one: {{{to}, allow: [USER_ID, OPERATIONAL, NAME]}}\n  two: {{{to}, allow: [USER_ID, "
        f"OPERATIONAL]}}\n"
    )


FLOWS: Final = "kannelle.privacy.v1.AnalyticsService/*: [one], t.Note: [one]"
PLAIN: Final = emitting(FLOWS)

OF_ITEMS: Final[dict[str, tuple[str, bool]]] = {
    "less": (PLAIN.replace("allow: [USER_ID, OPERATIONAL, NAME]", "allow: [OPERATIONAL]"), True),
    "another destination": (emitting(FLOWS.replace("[one]", "[two]")), True),
    "one more": (emitting(FLOWS.replace("[one]", "[one, two]")), True),
    "the flows are gone": (emitting("kannelle.privacy.v1.SupportService/*: [one]"), True),
    "nothing": (PLAIN, False),
    "another flow": (emitting(f"{FLOWS}, otlp/logs: [two]"), False),
    "another destination gets less": (PLAIN.replace("allow: [USER_ID, OPERATIONAL]}", "allow: [OPERATIONAL]}"), False),
    "kept for longer": (PLAIN.replace("1d", "2d"), False),
    "broken": ("version: [", False),
}


def items(path: str) -> bytes:
    """A request of a stream."""
    if path == EVENTS:
        return analytics_pb2.StreamEventsRequest(event=event("usr_1")).SerializeToString()
    return emit_pb2.EmitStreamRequest(
        item=AnyMessage(type_url="type.googleapis.com/t.Note", value=note(op="a"))
    ).SerializeToString()


class Items:
    """A stream of items."""

    def __init__(self, channel: grpc.aio.Channel, path: str) -> None:
        method: Any = channel.stream_unary(path)
        self.call = method(timeout=TIMEOUT_SECONDS)
        self.item = items(path)

    async def well(self) -> bool:
        """Go on for longer than the grace; whether it ends well."""
        limit = time.monotonic() + 2 * GRACE
        while time.monotonic() < limit:
            await self.call.write(self.item)
        await self.call.done_writing()
        return bool(await self.call)


@pytest.mark.parametrize("row", OF_ITEMS)
async def test_a_stream_of_items_ends_where_its_flow_changed(row: str, tmp_path: Path) -> None:
    text, ends = OF_ITEMS[row]
    async with (
        running(tmp_path, PLAIN) as case,
        grpc.aio.insecure_channel(case.addresses["local"], options=CHANNEL_OPTIONS) as channel,
    ):
        streams = [Items(channel, path) for path in (EVENTS, ITEMS)]
        for stream in streams:
            await stream.call.write(stream.item)
        await case.gate.wait_for(2)
        await case.change(text)
        if ends:
            assert [await _ended(stream.call, streams=False) for stream in streams] == [OVER] * 2
        else:
            assert await asyncio.gather(*(stream.well() for stream in streams)) == [True] * 2
        assert {release.destination for release in case.gate.releases} == {"one"}
