"""A batch is decided on as its items are, each by itself: random batches, beside engines that take one at a time.

Items that are malformed, refused at one destination alone, withheld, masked, that repeat their person, and facts that
differ come together.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.model import NOBODY, Facts, Outcome, Release, Switch
from gateway.pipeline.flows import Flow, Flows
from gateway.policy.compile import Compiler
from tests.support.contracts import NOW_SECONDS, PROTO_HEADER, contract, encode, policy, proto
from tests.support.gated_projects import BACKUP
from tests.support.otlp_attributes import key_values
from tests.support.requests import field

COUNTS: Final = [1_000, pytest.param(20_000, marks=pytest.mark.soak)]
MAX_ITEMS: Final = 9
HEAD: Final = PROTO_HEADER.replace("proto3", "proto2")
BODY: Final = """
message Job {
  required string kind = 1 @{category: OPERATIONAL, pattern: "[a-z]{1,20}"};
  optional string id = 2 @USER_ID;
  optional string name = 3 @NAME;
  optional string mail = 4 @WORK_EMAIL;
  optional string workspace = 5 @{category: OPERATIONAL, workspace: true};
  optional string text = 6 @FREE_TEXT;
  repeated string tags = 7 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};
  optional google.protobuf.Any any = 8;
  map<string, string> owners = 9 @{map_key: USER_ID, category: WORK_EMAIL};
  optional Job child = 10;
}
message Seen { optional string id = 1 @USER_ID; optional string mail = 2 @WORK_EMAIL; optional string name = 3 @NAME; }
"""
OTLP: Final = """\
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    service.name: {category: OPERATIONAL, pattern: "[a-z-]{1,20}"}
    queue: {category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}
"""
FLOWS: Final = "{t.Job: [eu-store, eu-log, backup], t.Seen: [us-vendor, eu-service], otlp/logs: [eu-log]}"

KINDS: Final = ("render", "export", "ada", "byron", "Not a kind", "")
NAMES: Final = ("Ada Byron", "Zoe Moreau", "")
USERS: Final = ("usr_1", "usr_2", "usr_adabyron", "nobody", "")
MAILS: Final = ("ada@acme.example", "Ada+x@acme.example", "ada@gmail.com", "zoe@studio.example", "no address", "")
TEXTS: Final = ("call +33 6 12 34 56 78", "write to ada@acme.example", "nothing to see", "")
TAGS: Final = ("blue", "ada", "byron.2", "192.0.2.1", "4111111111111111", "a b")
MALFORMED: Final = (b"\x0a\xff", b"\x08", b"\xff" * 9)
OUTCOMES: Final = (
    *("released", "stripped", "personal", "counted"),
    *(ItemReason.MALFORMED, ItemReason.REQUIRED_FIELD, ItemReason.PERSONAL_ACCOUNT, ItemReason.BACKUP_NOT_ON),
    *(FieldReason.LOOKS_LIKE_EMAIL, FieldReason.LOOKS_LIKE_PHONE, FieldReason.ECHO),
)
"""What must come often."""
FACTS: Final = tuple(
    Facts(NOW_SECONDS * 10**9 + late, directory, verified, personal, backup)
    for late in (0, 7)
    for directory, verified in ((False, frozenset[str]()), (True, frozenset({"acme.example"})))
    for personal in (False, False, True)
    for backup in (Switch.ON, Switch.OFF)
)


@cache
def compiled() -> Compiler:
    """The policy over the contract."""
    return Compiler(contract(proto(BODY, HEAD)), policy(OTLP, FLOWS, BACKUP))


@cache
def pools() -> Mapping[str, Sequence[bytes]]:
    """Items of each flow, of which batches are drawn: the same ones come again and again."""
    chance = random.Random(20)
    jobs = [*MALFORMED, *(job(chance) for _ in range(400))]
    return {"t.Job": jobs, "t.Seen": [*MALFORMED, *map(seen, range(30))], "otlp/logs": [*MALFORMED, *map(record, jobs)]}


def job(chance: random.Random, depth: int = 0) -> bytes:
    """One job, some of whose fields may not leave, or repeat its person."""
    texts = {"kind": KINDS, "id": USERS, "name": NAMES, "mail": MAILS, "text": TEXTS}
    lines = [f'{name}: "{value}"' for name, values in texts.items() if (value := chance.choice(values))]
    lines += [f'tags: "{tag}"' for tag in chance.sample(TAGS, chance.randrange(4))]
    lines += [f'owners {{ key: "{user}" value: "{mail}" }}' for user in USERS[:2] for mail in MAILS[:1]][
        : chance.randrange(3)
    ]
    if chance.random() < 0.3:
        lines.append(f'any {{ [type.googleapis.com/t.Seen] {{ id: "{chance.choice(USERS)}" }} }}')
    raw = encode(compiled().contract, "t.Job", " ".join(lines))
    # A child, and a field that nobody knows.
    return raw + (field(10, job(chance, depth + 1)) if depth < 2 and chance.random() < 0.3 else b"") + field(99, b"x")


def seen(number: int) -> bytes:
    text = f'id: "{USERS[number % len(USERS)]}" mail: "{MAILS[number % len(MAILS)]}" name: "{NAMES[number % 3]}"'
    return encode(compiled().contract, "t.Seen", text)


def record(job: bytes) -> bytes:
    """A log record that says something of a job's length, of which all is the same for the same job."""
    chance = random.Random(job)
    attributes = {
        "user.id": chance.choice(USERS),
        "user.email": chance.choice(MAILS),
        "user.name": chance.choice(NAMES),
        "queue": chance.choice(TAGS),
    }
    made = LogRecord(time_unix_nano=NOW_SECONDS * 10**9, attributes=key_values(attributes))
    resource = Resource(attributes=key_values({"service.name": "render", "host.ip": "192.0.2.7"}))
    return ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=[made])]).SerializeToString()


def batches(chance: random.Random, count: int) -> Iterator[tuple[str, list[bytes], list[Facts]]]:
    """Batches of one flow each, most of few items, their facts alike or not."""
    for _ in range(count):
        key, size = chance.choice(tuple(pools())), chance.randrange(MAX_ITEMS)
        facts = [chance.choice(FACTS)] * size if chance.random() < 0.5 else chance.choices(FACTS, k=size)
        yield key, chance.choices(pools()[key], k=size), facts


@pytest.mark.parametrize("count", COUNTS)
def test_a_batch_is_decided_on_as_its_items_are(count: int) -> None:
    together, alone = Flows(compiled()), Flows(compiled())
    outcomes: Counter[str] = Counter()
    for key, raws, facts in batches(random.Random(count), count):
        flow, single = together.of(key), alone.of(key)
        batch = flow.decide_batch(raws, facts)
        assert sorted((*batch.indices, *batch.refused)) == [*range(len(raws))]
        for index, (raw, known) in enumerate(zip(raws, facts, strict=True)):
            place = batch.indices.index(index) if index in batch.indices else None
            got = batch.refused[index] if place is None else [one.outcome(place) for one in batch.verdicts]
            assert comparable(got) == comparable(decided(single, raw, known))
            outcomes.update(kinds(got))
            if place is not None:
                for verdict in batch.verdicts:
                    outcome = verdict.outcome(place)
                    wanted = (
                        single.identifiers_in(outcome.destination)(outcome.payload)
                        if isinstance(outcome, Release)
                        else NOBODY
                    )
                    assert verdict.subjects[place] == wanted
    # Each kind of outcome came, most of them often.
    assert all(outcomes[kind] > count // 100 for kind in OUTCOMES), outcomes


def decided(flow: Flow, raw: bytes, facts: Facts) -> Sequence[Outcome] | Reason:
    try:
        return flow.decide(raw, facts)
    except Refused as error:
        return error.reason


def comparable(outcomes: Sequence[Outcome] | Reason) -> object:
    """What two decisions must have in common: all of it."""
    return outcomes if isinstance(outcomes, Reason) else [*outcomes]


def kinds(outcomes: Sequence[Outcome] | Reason) -> Iterator[str]:
    """What kinds of outcome these are."""
    if isinstance(outcomes, Reason):
        yield outcomes
        return
    for outcome in outcomes:
        if not isinstance(outcome, Release):
            yield outcome.reason
            continue
        yield "released"
        yield from (one.reason for one in outcome.stripped)
        if outcome.strip_counts:
            yield "stripped"
        if outcome.personal:
            yield "personal"
        if outcome.stripped_by_category:
            yield "counted"
