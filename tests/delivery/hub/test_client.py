"""From an agent to its hub over mutual TLS, through all that can happen to hub, certificates and callers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway import config
from gateway.delivery.hub.client import (
    BASE_RECONNECT_SECONDS,
    MAX_GROUP_BYTES,
    MAX_RECONNECT_SECONDS,
    HubClient,
    reconnect_delay,
)
from gateway.delivery.hub.exporter import HubExporter
from gateway.delivery.hub.fallback import DIRECT_SECONDS, FallbackDelivery
from gateway.delivery.hub.status import UNTRIED
from gateway.delivery.hub.stream import AWAY_RETRY_SECONDS, Unacknowledged
from gateway.entry_batch import EntryBatch
from gateway.errors import CallReason, Cause, ItemReason, Reason, RefusalReason, Refused, Rejected, Retryable
from gateway.exporters.base import DELIVERED
from gateway.model import OutboxEntry
from gateway.pipeline.flows import Flows
from gateway.receivers.statuses import DEFAULT_RETRY_SECONDS
from gateway.tls import Material
from tests.delivery.cases import NOW_NS
from tests.delivery.hub.hubs import (
    AGENT,
    AGENT_CERTIFICATE,
    accept_with_retries,
    credentials,
    entries,
    entry,
    hub_client,
    running_hub,
    until,
)
from tests.support.channels import TIMEOUT_SECONDS, fake_http_proxy
from tests.support.fake_delivery import FakeDelivery, raise_error
from tests.support.proxy_certificates import OTHER_CA, certificate_for, dns, uri

A: Final = entry("a")
B: Final = entry("b")
AB: Final = entries("a", "b")


def split(batches: Sequence[EntryBatch]) -> list[EntryBatch]:
    """Entries, each alone."""
    return [batch.select([place]) for batch in batches for place in range(len(batch))]


def texts(gate: FakeDelivery) -> list[str]:
    return [release.payload.decode() for release in gate.releases]


async def reached(agent: HubClient) -> None:
    """Have a stream kept open, and wait until the hub has let it in."""
    agent.start()
    await until(lambda: agent.status.is_up)


async def refusal(
    delivery: HubClient | FallbackDelivery, *batches: EntryBatch
) -> tuple[type[Exception], Reason, float | None]:
    """How entries are turned down."""
    with pytest.raises((Retryable, Refused)) as caught:
        await delivery.accept(batches)
    error = caught.value
    assert isinstance(error, (Retryable, Refused))
    assert str(error) == error.reason
    return type(error), error.reason, getattr(error, "after", None)


# One that goes well.


async def test_what_is_accepted_is_at_the_hub_as_it_was(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        accepting = asyncio.create_task(agent.accept([A, B]))
        await gate.wait_for(2)
        assert not accepting.done()
        gate.open()
        await accepting
        assert [len(batch) for batch in gate.batches] == [2]
        # The hub decides again, by a plan of its own.
        (arrived,) = gate.accepted
        assert arrived == msgspec.structs.replace(
            AB, releases=msgspec.structs.replace(AB.releases, plan="another-plan"), subjects=arrived.subjects
        )


async def test_many_callers_share_a_stream(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await agent.accept([entry("first")])
        link = agent._stream
        await asyncio.gather(*(agent.accept([entry(str(number))]) for number in range(2000)))
        assert agent._stream is link
        assert sorted(texts(gate)) == sorted(["first", *map(str, range(2000))])


async def test_what_waits_makes_requests_of_a_megabyte(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, hub_client(one.port) as agent:
        accepting = [
            asyncio.create_task(agent.accept([entry(str(number), payload=bytes(300_000))])) for number in range(8)
        ]
        await asyncio.sleep(0)
        link = agent._stream
        assert link is not None
        assert [len(link._request()) // 300_000 for _ in range(3)] == [3, 3, 2]
        for task in accepting:
            task.cancel()


async def test_a_hub_is_reached_past_any_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        fake_http_proxy(monkeypatch) as asked,
        running_hub(tmp_path, FakeDelivery()) as one,
        hub_client(one.port) as agent,
    ):
        await agent.accept([A])
    assert asked == []


async def test_no_proxy_is_asked_for_a_hub_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    async with fake_http_proxy(monkeypatch) as asked:
        agent = HubClient(
            config.Hub(address="hub.invalid:14007", timeout=1), lambda: (0, credentials(AGENT_CERTIFICATE))
        )
        assert await refusal(agent, A) == (Unacknowledged, CallReason.UNAVAILABLE, AWAY_RETRY_SECONDS)
        await agent.close(0.0)
    assert asked == []


# What the hub says.


@pytest.mark.parametrize("make", [Refused, Rejected, Retryable])
async def test_each_reason_of_the_hub_is_told(make: Callable[[RefusalReason], Exception], tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        for reason in (*ItemReason, *CallReason):
            with gate.replying(raise_error(make(reason))):
                wanted = (Retryable, reason, DEFAULT_RETRY_SECONDS) if make is Retryable else (Refused, reason, None)
                assert await refusal(agent, A) == wanted


async def test_a_delay_of_the_hub_is_told(tmp_path: Path) -> None:
    async with (
        running_hub(tmp_path, FakeDelivery(raise_error(Retryable(CallReason.FULL, 2.5)))) as one,
        hub_client(one.port) as agent,
    ):
        assert await refusal(agent, A) == (Retryable, CallReason.FULL, 2.5)


async def test_a_value_that_fails_at_the_hub_is_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        running_hub(tmp_path, FakeDelivery(raise_error(ValueError("usr_secret")))) as one,
        hub_client(one.port) as agent,
    ):
        assert await refusal(agent, entry("usr_secret")) == (Retryable, CallReason.INTERNAL, DEFAULT_RETRY_SECONDS)
    assert "usr_secret" not in caplog.text


# A hub that goes.


async def test_a_hub_that_comes_back_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway")
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await agent.accept([A])
        await one.stop()
        assert (await refusal(agent, B))[:2] == (Unacknowledged, CallReason.UNAVAILABLE)
        while not agent._failures:
            assert (await refusal(agent, B))[:2] == (Unacknowledged, CallReason.UNAVAILABLE)
            await asyncio.sleep(0.01)
        await one.start()
        await accept_with_retries(agent, [B])
        assert texts(gate) == ["a", "b"]
    first, *others, last = [record.message for record in caplog.records if record.name == "gateway.delivery.hub.status"]
    assert (first, last) == ("the hub takes what it is handed", "the hub is back")
    assert {line.partition(",")[0] for line in others} <= {
        f"the hub takes nothing: UPSTREAM_{cause}" for cause in ("RESET", "REFUSED")
    }
    assert 1 <= len(others) <= 2


async def test_what_a_hub_stored_and_could_not_acknowledge_comes_again_under_its_key(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        accepting = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        await one.stop()
        with pytest.raises(Retryable, match="UNAVAILABLE"):
            await accepting
        await one.start()
        gate.open()
        await accept_with_retries(agent, [A])
        assert [one.key for one in gate.releases] == [A.keys, A.keys]


async def test_a_hub_that_is_away_is_left_alone_for_a_while() -> None:
    async with hub_client(1) as agent:
        for _ in range(3):
            assert (await refusal(agent, A))[:2] == (Unacknowledged, CallReason.UNAVAILABLE)
        assert agent._failures
        # As if it had been drawn: long from now.
        agent._stream, agent._retry_at = None, time.monotonic() + MAX_RECONNECT_SECONDS
        kind, reason, after = await refusal(agent, A)
        assert (kind, reason) == (Unacknowledged, CallReason.UNAVAILABLE)
        assert after is not None
        assert 0.0 < after <= MAX_RECONNECT_SECONDS
        assert agent._stream is None


@pytest.mark.parametrize(
    ("failures", "draw", "seconds"),
    [
        (0, 0.0, 0.0),
        (0, 1.0, BASE_RECONNECT_SECONDS),
        (1, 1.0, 2 * BASE_RECONNECT_SECONDS),
        (1, 0.5, BASE_RECONNECT_SECONDS),
        (5, 1.0, MAX_RECONNECT_SECONDS),
        (10**9, 1.0, MAX_RECONNECT_SECONDS),
        (10**9, 0.0, 0.0),
    ],
)
def test_the_while_grows_and_is_drawn(failures: int, draw: float, seconds: float) -> None:
    assert reconnect_delay(failures, draw) == pytest.approx(seconds)


async def test_a_stream_that_ended_long_ago_is_nobodys_failure_now(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await agent.accept([A])
        link = agent._stream
        assert link is not None
        await one.stop()
        await one.start()
        await asyncio.wait([link._task], timeout=TIMEOUT_SECONDS)
        link.ended_at -= BASE_RECONNECT_SECONDS
        await agent.accept([B])
        assert texts(gate) == ["a", "b"]


async def test_a_hub_that_is_silent_is_away(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port, patience=0.2) as agent:
        assert await refusal(agent, A) == (Unacknowledged, CallReason.UNAVAILABLE, AWAY_RETRY_SECONDS)
        agent._retry_at = 0.0
        with pytest.raises(Retryable):
            await agent.accept([B])
        assert agent._failures
        gate.open()
        await accept_with_retries(agent, [B])
        assert "b" in texts(gate)


async def test_one_group_that_takes_too_long_ends_no_stream(tmp_path: Path) -> None:
    """As long as the hub acknowledges others."""
    slow = asyncio.Event()

    class Slow(FakeDelivery):
        async def accept(self, batches: Sequence[EntryBatch]) -> None:
            await super().accept(batches)
            if batches[0].keys == A.keys:
                await slow.wait()

    gate = Slow()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port, patience=0.5) as agent:
        accepting = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        link = agent._stream
        await agent.accept([B])
        with pytest.raises(Retryable):
            await accepting
        await agent.accept([B])
        assert agent._stream is link
        slow.set()


async def test_what_cannot_be_written_as_bytes_fails_alone(tmp_path: Path) -> None:
    unwritable = msgspec.structs.replace(A, releases=msgspec.structs.replace(A.releases, plan="no digest"))
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        failing, staying = asyncio.create_task(agent.accept([unwritable])), asyncio.create_task(agent.accept([B]))
        await staying
        with pytest.raises(ValueError, match="hexadecimal"):
            await failing
        assert texts(gate) == ["b"]


# Certificates.


@pytest.mark.parametrize(
    ("held", "cause"),
    [
        (certificate_for(uri("spiffe://kannelle.example/appsx")), CallReason.CALLER_NOT_ALLOWED),
        (certificate_for(dns("video.example")), CallReason.CALLER_NOT_ALLOWED),
        (certificate_for(uri(AGENT), ca=OTHER_CA), Cause.UPSTREAM_REFUSES_US),
        (None, Cause.UPSTREAM_REFUSES_US),
    ],
    ids=["another", "of another kind", "another authority", "none"],
)
async def test_a_hub_that_does_not_let_one_in_is_away_and_both_sides_say_so(
    held: Material | None, cause: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port, lambda: (0, held)) as agent:
        assert await refusal(agent, A) == (Unacknowledged, CallReason.UNAVAILABLE, AWAY_RETRY_SECONDS)
        assert texts(gate) == []
        assert (agent.status.check.ok, agent.status.check.cause) == (False, cause)
    assert f"the hub takes nothing: {cause}, 1 since" in caplog.text
    # Of a handshake that failed a hub hears nothing.
    refused = cause is CallReason.CALLER_NOT_ALLOWED
    assert one.counts.agents_refused == {(CallReason.CALLER_NOT_ALLOWED,): int(refused)}
    assert ("listeners.delivery.agents doesn't name" in caplog.text) == refused


@pytest.mark.parametrize("size", [1, 8 * 1024 * 1024], ids=["small", "large"])
async def test_what_an_agent_has_to_say_does_not_drown_its_refusal(size: int, tmp_path: Path) -> None:
    """gRPC forgets the status of a call that ends while something of it is being written: nothing is, until then."""
    held = certificate_for(dns("video.example"))
    async with running_hub(tmp_path, FakeDelivery()) as one:
        for number in range(20):
            async with hub_client(one.port, lambda: (0, held)) as agent:
                await refusal(agent, entry(str(number), payload=bytes(size)))
                assert agent.status.check.cause == CallReason.CALLER_NOT_ALLOWED
        assert one.counts.agents_refused == {(CallReason.CALLER_NOT_ALLOWED,): 20}


async def test_an_agent_that_is_let_in_knows_before_it_has_anything_to_hand_over(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, hub_client(one.port) as agent:
        assert agent.status.check.cause == UNTRIED
        agent.start()
        await until(lambda: agent.status.check.ok)
        assert one.counts.agents == {(): 1}
        await one.stop()
        await until(lambda: not agent.status.check.ok)
        assert agent.status.check.detail.startswith("last heard 20")
        assert one.counts.agents == {(): 0}


async def test_a_new_certificate_makes_a_new_stream_and_the_old_one_ends_its_work(tmp_path: Path) -> None:
    current = [(0, AGENT_CERTIFICATE)]
    agents: list[str] = []

    def repack(flows: Flows, agent: str, given: EntryBatch, identifiers: object) -> EntryBatch:
        agents.append(agent)
        return given

    gate, other = FakeDelivery(shut=True), "spiffe://kannelle.example/apps/crm"
    async with (
        running_hub(tmp_path, gate, agents=["spiffe://kannelle.example/apps/*"], repack=repack) as one,
        hub_client(one.port, lambda: current[0]) as agent,
    ):
        first = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        current[0] = (1, certificate_for(uri(other)))
        second = asyncio.create_task(agent.accept([B]))
        await gate.wait_for(2)
        gate.open()
        await first
        await second
        assert agents == [AGENT, other]


# Callers, and how much is under way.


async def test_a_caller_that_goes_breaks_no_stream(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        gone = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        link = agent._stream
        gone.cancel()
        staying = asyncio.create_task(agent.accept([B]))
        await gate.wait_for(2)
        gate.open()
        await staying
        assert gone.cancelled()
        assert agent._stream is link
        assert (agent._items, agent._bytes) == (0, 0)


async def test_what_its_caller_left_before_it_was_sent_is_not_sent(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        staying = asyncio.create_task(agent.accept([B]))
        await asyncio.sleep(0)
        link = agent._stream
        assert link is not None
        gone = link.send([A])
        gone.cancel()
        await staying
        assert texts(gate) == ["b"]


async def test_more_than_may_be_under_way_is_refused_until_there_is_room(tmp_path: Path) -> None:
    gate, size = FakeDelivery(shut=True), 14_000_000
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        large = [asyncio.create_task(agent.accept(item(str(number), size))) for number in range(4)]
        await gate.wait_for(1)
        assert await refusal(agent, *item("4", size)) == (Retryable, CallReason.FULL, 1.0)
        gate.open()
        await asyncio.gather(*large)
        await agent.accept(item("4", size))
        assert len(gate.releases) == 5 * 4


HALF: Final = MAX_GROUP_BYTES // 2


def item(text: str, size: int, *, received_ns: int = NOW_NS) -> list[EntryBatch]:
    """The releases of an item that has four destinations, of so many bytes together.

    None is larger than an item may be.
    """
    return [entry(f"{text} {number}", payload=bytes(size // 4), received_ns=received_ns) for number in range(4)]


@pytest.mark.parametrize(
    "batches",
    [[entry("a", payload=bytes(MAX_GROUP_BYTES))], [*item("a", HALF), *item("b", HALF)]],
    ids=["one release", "two of one item"],
)
async def test_an_item_that_fits_no_message_is_refused(batches: list[EntryBatch], tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        assert await refusal(agent, *batches) == (Refused, ItemReason.TOO_LARGE, None)
        assert gate.releases == []


async def test_items_that_fit_no_message_together_are_sent_apart(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await agent.accept([one for number in range(3) for one in item(str(number), HALF, received_ns=NOW_NS + number)])
        assert [len(batch) for batch in gate.batches] == [4, 4, 4]


async def test_what_may_be_sent_again_is_said_of_all(tmp_path: Path) -> None:
    def reply(batch: Sequence[OutboxEntry]) -> None:
        raise (
            Refused(CallReason.REQUEST_ID_REUSED) if batch[0].received_ns == NOW_NS else Retryable(CallReason.FULL, 4.0)
        )

    async with running_hub(tmp_path, FakeDelivery(reply)) as one, hub_client(one.port) as agent:
        apart = [*item("a", HALF), *item("b", HALF, received_ns=NOW_NS + 1)]
        assert await refusal(agent, *apart) == (Retryable, CallReason.FULL, 4.0)


async def test_one_that_closes_waits_for_what_is_under_way_and_takes_no_more(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        accepting = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        closing = asyncio.create_task(agent.close(TIMEOUT_SECONDS))
        gate.open()
        await accepting
        await closing
        assert await refusal(agent, B) == (Unacknowledged, CallReason.UNAVAILABLE, AWAY_RETRY_SECONDS)


async def test_one_that_closes_waits_for_so_long(tmp_path: Path) -> None:
    gate = FakeDelivery(shut=True)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        accepting = asyncio.create_task(agent.accept([A]))
        await gate.wait_for(1)
        await agent.close(0.0)
        with pytest.raises(Retryable, match="UNAVAILABLE"):
            await accepting


# An agent's own outbox.


@pytest.mark.parametrize(
    ("make", "remembered"),
    [
        (lambda agent: agent.accept, False),
        (lambda agent: FallbackDelivery(agent, FakeDelivery()).accept, True),
        (lambda agent: HubExporter(agent).send, True),
    ],
    ids=["without one", "before it is stored", "from it"],
)
async def test_a_hub_remembers_what_an_agent_may_hand_over_again(
    make: Callable[[HubClient], Callable[[Sequence[EntryBatch]], Awaitable[object]]], remembered: bool, tmp_path: Path
) -> None:
    gate = FakeDelivery()
    once, again = msgspec.structs.replace(A, fingerprints=b""), B
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await reached(agent)
        await make(agent)([once, again])
    assert {batch.keys: bool(batch.fingerprints) for batch in split(gate.accepted)} == {
        A.keys: remembered,
        B.keys: True,
    }


async def test_each_entry_of_a_batch_has_its_own_outcome(tmp_path: Path) -> None:
    def reply(batch: Sequence[OutboxEntry]) -> None:
        (text,) = (entry.payload for entry in batch)
        if text == b"b":
            raise Refused(CallReason.REQUEST_ID_REUSED)
        if text == b"c":
            raise Retryable(CallReason.FULL, 2.0)
        if text == b"d":
            raise Retryable(CallReason.UNKNOWN_PLAN, 5.0)
        if text == b"f":
            raise Refused(CallReason.INTERNAL)

    async with running_hub(tmp_path, FakeDelivery(reply)) as one, hub_client(one.port) as agent:
        exporter = HubExporter(agent)
        outcomes = await exporter.send([A, B, *map(entry, "cdef")])
        await exporter.close()
        assert outcomes == [
            DELIVERED,
            Rejected(CallReason.REQUEST_ID_REUSED),
            Retryable(CallReason.FULL, 2.0),
            Retryable(CallReason.UNKNOWN_PLAN, 5.0, item_only=True),
            DELIVERED,
            Retryable(CallReason.INTERNAL, item_only=True),
        ]
        await agent.accept([A])


@pytest.mark.parametrize("batches", [[entries(*map(str, range(1000)))], [*map(entry, map(str, range(1000)))]])
@pytest.mark.parametrize("error", [Refused(ItemReason.UNKNOWN_TYPE), Retryable(CallReason.UNAVAILABLE, 2.0)])
async def test_what_the_hub_says_of_one_of_many_is_found_in_few_groups(
    error: Refused | Retryable, batches: list[EntryBatch], tmp_path: Path
) -> None:
    def reply(batch: Sequence[OutboxEntry]) -> None:
        if any(entry.payload == b"321" for entry in batch):
            raise error

    gate = FakeDelivery(reply)
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        outcomes = await HubExporter(agent).send(batches)
    expected = Rejected(error.reason) if isinstance(error, Refused) else error
    assert [(number, outcome) for number, outcome in enumerate(outcomes) if outcome != DELIVERED] == [(321, expected)]
    assert (len(outcomes), len(gate.batches) < 40) == (1000, True)


async def test_what_concerns_all_is_asked_once(tmp_path: Path) -> None:
    """Were each tried alone, a hub that is full or busy would have more to do, not less."""
    gate = FakeDelivery(raise_error(Retryable(CallReason.FULL, 2.0)))
    async with running_hub(tmp_path, gate) as one, hub_client(one.port, patience=0.2) as agent:
        exporter, ten = HubExporter(agent), [entries(*map(str, range(5))), *map(entry, "abcde")]
        assert await exporter.send(ten) == [Retryable(CallReason.FULL, 2.0)] * 10
        gate.shut()
        assert await exporter.send(ten) == [Retryable(CallReason.UNAVAILABLE, AWAY_RETRY_SECONDS)] * 10
        assert len(gate.batches) == 2
        gate.open()


async def test_a_batch_for_a_hub_that_is_away_is_sent_again() -> None:
    async with hub_client(1) as agent:
        outcomes = await HubExporter(agent).send([A, B])
        assert [type(outcome) for outcome in outcomes] == [Retryable, Retryable]


async def test_nothing_is_to_be_sent_while_the_hub_is_away(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, hub_client(one.port) as agent:
        exporter = HubExporter(agent)
        assert exporter.limits.max_in_flight == 0
        await reached(agent)
        assert exporter.limits.max_in_flight > 0
        await one.stop()
        await until(lambda: exporter.limits.max_in_flight == 0)
        await one.start()
        await until(lambda: exporter.limits.max_in_flight > 0)


@pytest.mark.parametrize(
    "error", [Retryable(CallReason.FULL, 2.0), Retryable(CallReason.UNKNOWN_PLAN)], ids=["full", "of another policy"]
)
async def test_what_the_hub_cannot_take_now_is_kept(error: Retryable, tmp_path: Path) -> None:
    own = FakeDelivery()
    gate = FakeDelivery(raise_error(error))
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await reached(agent)
        await FallbackDelivery(agent, own).accept([A])
    assert (own.accepted, texts(gate)) == ([A], ["a"])


async def test_a_caller_waits_for_a_silent_hub_once_and_then_not_at_all(tmp_path: Path) -> None:
    own = FakeDelivery()
    async with running_hub(tmp_path, FakeDelivery(shut=True)) as one, hub_client(one.port) as agent:
        await reached(agent)
        both = FallbackDelivery(agent, own)
        begun = time.monotonic()
        await both.accept([A])
        assert DIRECT_SECONDS <= time.monotonic() - begun < 5 * DIRECT_SECONDS
        begun = time.monotonic()
        for _ in range(20):
            await both.accept([B])
        assert time.monotonic() - begun < DIRECT_SECONDS
    assert own.accepted == [A, *[B] * 20]


async def test_what_no_hub_could_be_sent_is_refused_though_it_is_away() -> None:
    own = FakeDelivery()
    halves = [entry(name, payload=bytes(MAX_GROUP_BYTES // 2)) for name in "ab"]
    async with hub_client(1) as agent:
        assert await refusal(FallbackDelivery(agent, own), *halves) == (Refused, ItemReason.TOO_LARGE, None)
    assert own.accepted == []


async def test_what_is_for_a_hub_that_is_away_is_kept() -> None:
    own = FakeDelivery()
    async with hub_client(1) as agent:
        await FallbackDelivery(agent, own).accept([A])
    assert own.accepted == [A]


async def test_what_the_hub_takes_or_never_will_is_not_kept(tmp_path: Path) -> None:
    gate, own = FakeDelivery(), FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        await reached(agent)
        both = FallbackDelivery(agent, own)
        await both.accept([A])
        gate.reply = raise_error(Refused(ItemReason.UNKNOWN_DESTINATION))
        assert await refusal(both, B) == (Refused, ItemReason.UNKNOWN_DESTINATION, None)
    assert own.accepted == []


async def test_what_neither_takes_is_refused() -> None:
    async with hub_client(1) as agent:
        own = FakeDelivery(raise_error(Retryable(CallReason.FULL, 1.0)))
        assert await refusal(FallbackDelivery(agent, own), A) == (Retryable, CallReason.FULL, 1.0)


class Kept(FakeDelivery):
    """Hands what it has to an uplink when it closes."""

    def __init__(self, agent: HubClient) -> None:
        super().__init__()
        self._agent = agent

    async def close(self, within: float) -> None:
        await super().close(within)
        await accept_with_retries(self._agent, self.accepted)


async def test_what_is_kept_goes_to_the_hub_before_the_uplink_closes(tmp_path: Path) -> None:
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate) as one, hub_client(one.port) as agent:
        own = Kept(agent)
        await one.stop()
        both = FallbackDelivery(agent, own)
        await both.accept([A])
        await one.start()
        await both.drained()
        await both.close(TIMEOUT_SECONDS)
        assert (texts(gate), own.closed) == (["a"], 1)
        assert (await refusal(agent, B))[1] is CallReason.UNAVAILABLE
