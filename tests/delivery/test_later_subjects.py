"""Whom an entry is about is known by the time that it is stored, also where nobody looked for it before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import pytest

from gateway.batch_verdict import ReleaseBatch
from gateway.config import Outbox
from gateway.delivery.agent_entries import AgentEntryBuilder
from gateway.delivery.keys import Keys
from gateway.delivery.later_subjects import LaterSubjects
from gateway.delivery.outbox.interface import Removed
from gateway.delivery.outbox.writer import SqliteOutbox
from gateway.entry_batch import KEY_BYTES, EntryBatch
from gateway.model import NOBODY, Category, Identifier
from gateway.pipeline.flows import Flows
from tests.delivery.cases import NOW_NS
from tests.support.contracts import compiler, encode
from tests.support.joined_batches import joined

KEYS: Final = Keys(bytes(32))
MADE: Final = compiler("message M { string user_id = 1 @USER_ID; }", flows="{t.M: [eu-log]}")
FLOWS: Final = Flows(MADE)
PAYLOADS: Final = [encode(MADE.contract, "t.M", f'user_id: "usr_{name}"') for name in ("a", "b", "a")]
NAMED: Final = [frozenset({(Category.USER_ID, f"usr_{name}")}) for name in ("a", "b", "a")]
GIVEN: Final = EntryBatch(
    ReleaseBatch("eu-log", "t.M", FLOWS.engine("t.M", "eu-log").digest, PAYLOADS),
    b"".join(bytes([number]) * KEY_BYTES for number in range(3)),
    [NOW_NS] * 3,
    fingerprints=bytes(24),
)


class Asked:
    """Finds who is in a payload, and notes how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    def identifiers(self, payload: bytes) -> frozenset[Identifier]:
        self.times += 1
        return FLOWS.engine("t.M", "eu-log").subjects(payload)


def test_nobody_is_looked_for_before_it_is_asked_and_then_once() -> None:
    asked = Asked()
    batch = msgspec.structs.replace(GIVEN, subjects=LaterSubjects(KEYS, asked.identifiers, PAYLOADS))
    assert (len(batch), batch.payload_bytes, repr(batch.subjects), asked.times) == (3, 21, "LaterSubjects(…)", 0)
    assert list(batch.subjects) == KEYS.subjects(NAMED) == batch.subjects[:]
    assert (batch.subjects[1], asked.times) == (KEYS.subject(Category.USER_ID, "usr_b"), 3)


def test_who_is_in_nothing_is_nobody() -> None:
    none = LaterSubjects(KEYS, lambda payload: NOBODY, PAYLOADS)
    assert (len(none), bool(none), list(none)) == (0, False, [])


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "in part, with others"])
@pytest.mark.parametrize("named", [True, False], ids=["looked for", "not looked for"])
async def test_what_is_stored_is_erased_whether_it_was_looked_for_or_not(
    named: bool, cut: bool, tmp_path: Path
) -> None:
    batch = AgentEntryBuilder(KEYS).entries_again(FLOWS, "an agent", GIVEN, NAMED if named else None)
    stored = joined([batch.select([2]), batch.select([0, 1])]) if cut else [batch]
    outbox = SqliteOutbox.open(tmp_path / "outbox.db", Outbox())
    try:
        await outbox.accept(stored, NOW_NS)
        assert await outbox.erase([KEYS.subject(Category.USER_ID, "usr_a")], NOW_NS) == {"eu-log": Removed(2)}
        assert await outbox.erase([KEYS.subject(Category.USER_ID, "usr_b")], NOW_NS) == {"eu-log": Removed(1)}
    finally:
        await outbox.close()
