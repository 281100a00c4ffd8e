"""What is around a record is decided on once for items that differ in their record alone, and as for each by itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import pytest
from google.protobuf.message import Message

from gateway.engine import lone_records
from gateway.engine.context import DecisionContext
from gateway.engine.lone_records import LoneRecords, Shell
from gateway.engine.record_frames import FIRST_FRAMES, MIN_FRAMED_ITEMS, SPARING_ITEMS, FrameFinder
from gateway.engine.reference import ReferenceEngine
from gateway.errors import FieldReason, Refused
from gateway.model import NOBODY, Facts, Outcome, Release
from gateway.policy.compile import Compiler
from tests.support.contracts import NOW_SECONDS, UNKNOWN_FACTS, contract, policy, proto, with_open_patterns
from tests.support.requests import field

TOKEN: Final = '@{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}'
BODY: Final = f"""
message Item {{
  string id = 1 @USER_ID;
  repeated Group groups = 2;
  string token = 3 {TOKEN};
  string mail = 4 @WORK_EMAIL;
  google.protobuf.Timestamp time = 5 @OPERATIONAL;
  google.protobuf.Any any = 6;
  repeated string tags = 7 {TOKEN};
}}
message Group {{
  string text = 1 @FREE_TEXT;
  Owner owner = 2;
  repeated Record records = 20;
  string token = 21 {TOKEN};
  string content = 22 @CONTENT;
}}
message Record {{
  string id = 1 @USER_ID;
  string token = 2 {TOKEN};
  string name = 3 @NAME;
  string mail = 4 @WORK_EMAIL;
  string text = 5 @FREE_TEXT;
  Record child = 6;
}}
message Owner {{ string id = 1 @USER_ID; string mail = 2 @WORK_EMAIL; }}
"""
IDS: Final = ("usr_1", "usr_adabyron", "nobody")
TOKENS: Final = ("blue", "ada", "byron.2", "a b", "192.0.2.1")
MAILS: Final = ("ada@acme.example", "Ada+x@acme.example", "ada@gmail.com", "no address")
NAMES: Final = ("Ada Byron", "Zoe Moreau")
TEXTS: Final = ("call +33 6 12 34 56 78", "nothing to see")
NOW: Final = NOW_SECONDS * 10**9
FACTS: Final = (Facts(NOW), Facts(NOW + 9, directory=True, verified=frozenset({"acme.example"})), Facts(0))
DESTINATIONS: Final = ("eu-store", "eu-service", "eu-vendor", "us-vendor", "us-service")
RUNS: Final = [50, pytest.param(3000, marks=pytest.mark.soak)]


@cache
def compiled() -> Compiler:
    held = contract(proto(BODY))
    return Compiler(held, with_open_patterns(policy(), held))


def engine(destination: str) -> ReferenceEngine:
    return ReferenceEngine(compiled().plan("t.Item", destination))


def new(name: str) -> Any:
    return compiled().contract.message_class(f"t.{name}")()


def filled(chance: random.Random, kind: str, often: float, **values: Sequence[object]) -> Any:
    """A message, each of its fields now and then there."""
    message = new(kind)
    for key, options in values.items():
        if chance.random() < often:
            setattr(message, key, chance.choice(options))
    return message


def record(chance: random.Random, depth: int = 0) -> Any:
    made = filled(chance, "Record", 0.5, id=IDS, token=TOKENS, name=NAMES, mail=MAILS, text=TEXTS)
    if depth < 2 and chance.random() < 0.2:
        made.child.CopyFrom(record(chance, depth + 1))
    return made


def run_of_items(chance: random.Random) -> Iterator[bytes]:
    """Yield items that differ in their record, most of them well-formed."""
    item = filled(chance, "Item", 0.3, id=IDS, token=TOKENS, mail=MAILS)
    group = filled(chance, "Group", 0.3, text=TEXTS, token=TOKENS, content=TEXTS)
    group.owner.CopyFrom(filled(chance, "Owner", 0.3, id=IDS, mail=MAILS))
    if chance.random() < 0.2:
        item.any.Pack(filled(chance, "Owner", 0.5, id=IDS, mail=MAILS))
    item.time.seconds = chance.choice((0, NOW_SECONDS))
    item.tags.extend(chance.choices(TOKENS, k=chance.choice((0, 0, 2))))
    unknown = field(30, b"x") if chance.random() < 0.2 else b""
    for _ in range(chance.randrange(1, 12)):
        records = [record(chance) for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 0, 2)))]
        held = new("Group")
        held.CopyFrom(group)
        held.records.extend(records)
        whole = new("Item")
        whole.CopyFrom(item)
        whole.groups.append(held)
        raw = whole.SerializeToString() + unknown
        yield raw[: chance.randrange(len(raw))] if chance.random() < 0.05 else raw


@pytest.mark.parametrize("count", RUNS)
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_a_batch_is_decided_on_as_its_items_are(destination: str, count: int) -> None:
    chance = random.Random(destination)
    together, alone = engine(destination), engine(destination)
    for _ in range(count):
        raws = [raw for _ in range(4) for raw in run_of_items(chance)]
        facts = [chance.choice(FACTS)] * len(raws) if chance.random() < 0.5 else chance.choices(FACTS, k=len(raws))
        verdict = together.decide_batch(raws, facts)
        for index, (raw, known) in enumerate(zip(raws, facts, strict=True)):
            got, wanted = verdict.outcome(index), alone.decide(raw, known)
            assert comparable(got) == comparable(wanted)
            if isinstance(got, Release) and isinstance(wanted, Release):
                assert [*got.strip_counts] == [*wanted.strip_counts]
                assert verdict.subjects[index] == alone.subjects(wanted.payload)
            else:
                assert verdict.subjects[index] == NOBODY


def comparable(outcome: Outcome) -> object:
    return outcome.reason if isinstance(outcome, Refused) else outcome


def group(record: bytes) -> bytes:
    return b"\xa2\x01" + bytes((len(record),)) + record


FIRST: Final = field(1, b"usr_1") + field(2, group(b"\x0a\x01a")) + field(3, b"blue")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (field(1, b"usr_1") + field(2, group(b"\x0a\x02bc")) + field(3, b"blue"), True),
        (field(1, b"usr_1") + field(2, group(b"")) + field(3, b"blue"), True),
        (field(1, b"usr_1") + field(2, b"\xa2\x01\x81\x01" + field(2, b"x" * 127)) + field(3, b"blue"), True),
        (field(1, b"usr_2") + field(2, group(b"\x0a\x02bc")) + field(3, b"blue"), False),
        (field(1, b"usr_1") + field(2, group(b"\x0a\x02bc")) + field(3, b"red!"), False),
        (field(1, b"usr_1") + field(2, group(b"a") + group(b"b")) + field(3, b"blue"), False),
        (field(1, b"usr_1") + 2 * field(2, group(b"a")) + field(3, b"blue"), False),
        (field(1, b"usr_1") + field(3, b"blue"), False),
        (field(1, b"usr_1") + b"\x12", False),
        (field(1, b"usr_1") + b"\x12\x80", False),
        (b"", False),
    ],
)  # fmt: skip
def test_a_frame_holds_items_that_differ_in_their_record_alone(other: bytes, same: bool) -> None:
    frame = FrameFinder(2, 20).find(FIRST)
    assert frame is not None
    assert frame.holds(FIRST)
    assert frame.holds(other) == same


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        field(1, b"usr_1"),
        field(2, b""),
        field(2, group(b"")) * 2,
        field(2, group(b"") * 2),
        field(2, group(b"")) + b"\x0b\x0c",
        b"\x10\x01" + field(2, group(b"")),
        field(2, group(b""))[:-1],
        field(9, b"x") * 40 + field(2, group(b"")),
        field(1, b"x" * 5000) + field(2, group(b"")),
    ],
)
def test_other_items_have_no_frame(raw: bytes) -> None:
    assert FrameFinder(2, 20).find(raw) is None


def batch(around: str, records: Sequence[Any]) -> list[bytes]:
    """Items of one record each, with the same token around it."""
    made = []
    for one in records:
        whole = new("Item")
        whole.token = around
        whole.groups.add().records.append(one)
        made.append(whole.SerializeToString())
    return made


def named(name: str) -> Any:
    made = new("Record")
    made.name = name
    return made


def test_what_repeats_the_person_of_one_record_is_stripped_around_that_record_alone() -> None:
    names = ["Zoe Moreau", "", "Ada Byron", "Zoe Moreau", ""] * MIN_FRAMED_ITEMS
    judge = engine("us-vendor")
    for _ in range(2):
        verdict = judge.decide_batch(batch("ada-7", list(map(named, names))), [UNKNOWN_FACTS] * len(names))
        echoed = {
            index for index, counts in verdict.strip_counts.items() if FieldReason.ECHO in {why for _, why, _ in counts}
        }
        assert echoed == {index for index, name in enumerate(names) if name == "Ada Byron"}
        assert {b"ada-7" in (payload or b"") for index, payload in enumerate(verdict.payloads) if index in echoed} == {
            False
        }


@pytest.mark.parametrize("destination", ["eu-store", "us-vendor"])
def test_what_is_around_records_is_decided_on_once(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_record: list[bytes] = []
    minimise = LoneRecords.minimise

    def counted(records: LoneRecords, item: Message, shell: Shell, context: DecisionContext) -> tuple[Message, bytes]:
        by_record.append(shell.payload)
        return minimise(records, item, shell, context)

    monkeypatch.setattr(LoneRecords, "minimise", counted)
    raws = batch("blue", [*map(named, ("Zoe Moreau", "", "Ada Byron") * MIN_FRAMED_ITEMS)])
    engine(destination).decide_batch(raws, [UNKNOWN_FACTS] * len(raws))
    assert by_record == [b"\x12\x00" + field(3, b"blue")] * (len(raws) - 1)


@pytest.mark.parametrize(("in_a_row", "most"), [(1, 0), (2, FIRST_FRAMES + 25), (4, 100), (SPARING_ITEMS + 1, 200)])
def test_around_records_of_few_items_no_more_is_decided_than_it_spares(
    in_a_row: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided: list[Message] = []
    once = LoneRecords._shell

    def counted(records: LoneRecords, item: Message, context: DecisionContext) -> Shell | None:
        decided.append(item)
        return once(records, item, context)

    monkeypatch.setattr(LoneRecords, "_shell", counted)
    raws = [raw for number in range(200) for raw in batch(f"t{number}", [named("")] * in_a_row)]
    judge = engine("eu-store")
    verdict = judge.decide_batch(raws, [UNKNOWN_FACTS] * len(raws))
    assert len(decided) <= most
    assert verdict.payloads == [getattr(judge.decide(raw, UNKNOWN_FACTS), "payload", None) for raw in raws]


def test_of_what_may_not_leave_nothing_is_remembered() -> None:
    planted = b"planted in a resource"
    raws = [raw + field(4, planted) for raw in batch("blue", [named("Zoe Moreau"), named("")] * MIN_FRAMED_ITEMS)]
    judge = engine("us-vendor")
    judge.decide_batch(raws, [UNKNOWN_FACTS] * len(raws))
    frame = FrameFinder(2, 20).find(raws[0])
    assert frame is not None
    assert planted not in frame.key
    minimiser = judge._first_minimiser()
    records = minimiser._lone_records
    assert records is not None
    (remembered,) = records._known[False].items()
    assert remembered[0] == frame.key
    assert remembered[1] is not None
    assert all(planted not in part for part in msgspec.structs.astuple(remembered[1]) if isinstance(part, bytes))


def test_no_more_is_remembered_than_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lone_records, "MAX_SHELLS", 3)
    monkeypatch.setattr(lone_records, "MAX_SHELLS_BESIDE_PERSON", 2)
    judge = engine("us-vendor")
    for number in (*range(9), *range(9)):
        raws = batch(f"t{number}", [named("Zoe Moreau")] * MIN_FRAMED_ITEMS)
        verdict = judge.decide_batch(raws, [UNKNOWN_FACTS] * len(raws))
        assert set(verdict.payloads) == {field(2, group(b"")) + field(3, b"t%d" % number)}
