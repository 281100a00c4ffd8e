"""Agents and hubs of two versions at once: batches go only to a hub that takes them, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest
from kannelle.privacy.v1 import delivery_pb2

from gateway.delivery.agent_entries import AgentEntryBuilder
from gateway.delivery.hub.client import HubClient
from gateway.delivery.keys import Keys
from tests.delivery.hub.hubs import (
    AGENT,
    FormerHub,
    accept_with_retries,
    answers,
    entries,
    group_of_batches,
    group_of_entries,
    hub_client,
    request,
    running_hub,
    stream,
    unchanged_entries,
    until,
)
from tests.delivery.hub.hubs import TestedHub as NewHub
from tests.support.fake_delivery import FakeDelivery
from tests.support.ports import reserved


class Replicas:
    """A hub's one address, behind which one version runs after the other, and what was acknowledged to agents."""

    def __init__(self, folder: Path, port: int) -> None:
        self.gate, self.former = FakeDelivery(), FormerHub()
        new = NewHub(folder, self.gate, [AGENT], unchanged_entries)
        new.port = self.former.port = port
        self.hubs: Mapping[str, NewHub | FormerHub] = {"former": self.former, "new": new}
        self.acknowledged: set[str] = set()
        self.over = False

    async def hand_over(self, agent: HubClient, texts: Iterator[str]) -> None:
        """Hand over batches of three, one after the other, as often as it takes, until all is over."""
        while not self.over:
            three = [next(texts) for _ in range(3)]
            await accept_with_retries(agent, [entries(*three)])
            self.acknowledged.update(three)

    async def run(self, version: str) -> None:
        """Have a version run while more is handed over."""
        before = len(self.acknowledged)
        await self.hubs[version].start()
        await until(lambda: len(self.acknowledged) > before + 100)

    @property
    def arrived(self) -> set[str]:
        """What is at either."""
        return {
            *(release.payload.decode() for release in self.gate.releases),
            *(payload.decode() for payload in self.former.payloads),
        }


@pytest.mark.parametrize(
    "order", [("former",), ("new",), ("former", "new"), ("new", "former"), ("former", "new", "former", "new")]
)
async def test_nothing_is_lost_whichever_version_the_hub_is_of(order: Sequence[str], tmp_path: Path) -> None:
    """The agent knows it only once a stream is open, in the middle of what it has to hand over."""
    given = map(str, count())
    with reserved() as port:
        replicas = Replicas(tmp_path, port)
        async with hub_client(port) as agent, asyncio.TaskGroup() as callers:
            for _ in range(8):
                callers.create_task(replicas.hand_over(agent, given))
            for version in order[:-1]:
                await replicas.run(version)
                await replicas.hubs[version].stop()
            await replicas.run(order[-1])
            replicas.over = True
        await replicas.hubs[order[-1]].stop()
    assert replicas.acknowledged <= replicas.arrived
    assert replicas.former.unseen == 0
    assert bool(replicas.former.payloads) == ("former" in order)


async def test_a_hub_that_takes_batches_gets_nothing_else(tmp_path: Path) -> None:
    async with running_hub(tmp_path, FakeDelivery()) as one, hub_client(one.port) as agent:
        agent.start()
        await until(lambda: agent.status.is_up)
        link = agent._stream
        assert link is not None
        stored = link.send([entries("a", "b")])
        (group,) = delivery_pb2.AcceptRequest.FromString(link._request()).groups
        assert (len(group.batches), len(group.entries), stored.cancel()) == (1, 0, True)


async def test_what_came_entry_by_entry_is_known_when_it_comes_in_a_batch(tmp_path: Path) -> None:
    """The same agent in another version sends under the same keys."""
    again, given = AgentEntryBuilder(Keys(bytes(32))).entries_again, entries("a", "b", "c")
    gate = FakeDelivery()
    async with running_hub(tmp_path, gate, repack=again) as one, stream(one.port) as call:
        for make in (group_of_entries, group_of_batches):
            await call.write(request(make(1, given)))
            await answers(call, 1)
    former, new = gate.accepted
    assert former == new
    assert former.keys == Keys.keys_of_agent(AGENT, given.keys)
