"""No open value repeats the item's own person, at logs and outside the EU, in whatever order items come.

Over names and addresses that are planted in the person's fields and, in many forms, in all others; beside a slow oracle
that looks for each word at each place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from gateway.engine.reference import ReferenceEngine
from gateway.errors import FieldReason
from gateway.plan import Plan
from gateway.policy.compile import Compiler
from tests.support.contracts import contract, decode, policy, proto, release_of, with_open_patterns
from tests.support.oracle_echo import Said, repeats
from tests.support.otlp_attributes import key_values

COUNTS: Final = [500, pytest.param(5000, marks=pytest.mark.soak)]
BODY: Final = """
message M {
  string id = 1 @USER_ID;
  string token = 2 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};
  string numbered = 3 @{category: OPERATIONAL, pattern: "job_[A-Za-z0-9]{1,40}"};
  repeated string tokens = 4 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};
  map<string, string> tags = 5 @{category: OPERATIONAL, map_key: USER_ID, pattern: "[A-Za-z0-9_.-]{1,64}"};
  google.protobuf.StringValue wrapped = 6 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"};
  google.protobuf.Any any = 7;
  M child = 8;
  repeated M children = 9;
  string listed = 10 @{category: OPERATIONAL, one_of: ["ada", "byron", "open"]};
  string first_name = 11 @NAME;
  string last_name = 12 @NAME;
  string email = 13 @WORK_EMAIL;
  oneof choice { string chosen = 14 @{category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}; string nick = 15 @NAME; }
}
"""
OTLP: Final = """\
otlp:
  attributes:
    user.id: USER_ID
    user.email: WORK_EMAIL
    job: {category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}
    queue: {category: OPERATIONAL, pattern: "[A-Za-z0-9_.-]{1,64}"}
    mode: {category: OPERATIONAL, one_of: [ada, byron]}
"""
FIRST: Final = (
    "Ada Zoë Marta Piotr Jean-Luc Łukasz Inês Björk Søren Ünal Li D'Arcy Anna Max Åsa Đorđe Renée Jo Æsa Noé".split()
)
LAST: Final = (
    "Byron Müller Kowalska Łęcki Moreau O'Neil Wu Große García Novák Dvořák Sørensen Ng McAdam Öz Straße".split()
)
PLAIN: Final = str.maketrans("ëüłęëåøşčřáíéÜŁÅØßöÖêđĐ", "euleeaoscraieULAOsoOedD")
WORDS: Final = ("job", "render", "video", "q7", "queue", "canada", "maxim", "anna2", "Main", "x")
DESTINATIONS: Final = ("eu-log", "us-vendor", "us-service")


class Person(msgspec.Struct, frozen=True):
    """A made-up person."""

    first: str
    last: str
    email: str


def person(chance: random.Random) -> Person:
    first, last = chance.choice(FIRST), chance.choice(LAST)
    local = chance.choice(("{0}.{1}", "{0}{1}", "{0}_{1}7", "{1}", "{0}-{1}+x")).format(first, last).lower()
    local = "".join(char for char in local.translate(PLAIN) if char.isascii() and char != "'") or "ab"
    return Person(first, last, f"{local}@acme.example")


def planted(chance: random.Random, whom: Person) -> str:
    """One of a person's tokens: they come again, beside others' names too."""
    return chance.choice(tokens(whom))


@cache
def tokens(whom: Person) -> Sequence[str]:
    chance = random.Random(whom.email)
    return [token(chance, whom) for _ in range(16)]


def token(chance: random.Random, whom: Person) -> str:
    """A token in which a word of somebody stands, or something like it, or nothing of the kind."""
    parts = [whom.first, whom.last, whom.email.partition("@")[0], whom.first + whom.last, *WORDS]
    made = [chance.choice(parts) for _ in range(chance.randint(1, 3))]
    made = [chance.choice((str.lower, str.upper, str.title, str))(one.translate(PLAIN)) for one in made]
    text = chance.choice(("", "-", "_", ".", "7")).join(made)
    return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "_.-"))[:64] or "x"


def user_id(chance: random.Random, whom: Person) -> str:
    return "usr_" + ("".join(filter(str.isalnum, planted(chance, whom)))[:32] or "x")


@cache
def made() -> Compiler:
    held = contract(proto(BODY))
    return Compiler(held, with_open_patterns(policy(OTLP), held))


@cache
def message_class() -> type[Any]:
    return made().contract.message_class("t.M")


def item(chance: random.Random, whom: Person, other: Person, *, said: bool) -> Any:
    """A message of all open values, with the person's fields or without them, and something of another's."""
    held: Any = message_class()
    message: Any = held(
        id=user_id(chance, whom),
        token=planted(chance, whom),
        numbered="job_" + "".join(filter(str.isalnum, planted(chance, whom)))[:40],
        tokens=[planted(chance, whom), planted(chance, other)],
        tags={user_id(chance, whom): planted(chance, whom)},
        listed=chance.choice(("ada", "byron", "open")),
        chosen=planted(chance, other),
    )
    message.wrapped.value = planted(chance, whom)
    message.child.token = planted(chance, whom)
    message.children.add(token=planted(chance, whom))
    message.any.Pack(held(token=planted(chance, whom), id=user_id(chance, whom)))
    if said:
        place = chance.choice((message, message.child, message.children[0]))
        place.email = whom.email
        if chance.random() < 0.7:
            place.first_name, place.last_name = whom.first, whom.last
        elif chance.random() < 0.5:
            message.any.Pack(held(token=planted(chance, whom), nick=f"{whom.first} {whom.last}"))
    return message


def said_by(message: Any, said: Said) -> Said:
    """What a message says of its person, field by field."""
    said.name([one for one in (message.first_name, message.last_name, message.nick) if one])
    if message.email:
        said.identifier(message.email)
    if message.HasField("child"):
        said_by(message.child, said)
    for child in message.children:
        said_by(child, said)
    if message.HasField("any"):
        inner = type(message)()
        message.any.Unpack(inner)
        said_by(inner, said)
    return said


def open_values(message: Any) -> Iterator[tuple[str, str]]:
    """Yield the open values of a message, with what they are."""
    yield from (("id", one) for one in (message.id, *message.tags))
    yield from (("token", one) for one in (message.token, message.chosen, *message.tokens, *message.tags.values()))
    yield "token", message.numbered.removeprefix("job_")
    yield "token", message.wrapped.value
    for child in (*([message.child] if message.HasField("child") else ()), *message.children):
        yield from open_values(child)
    if message.HasField("any"):
        inner = type(message)()
        message.any.Unpack(inner)
        yield from open_values(inner)


def is_echo(kind: str, text: str, said: Said) -> bool:
    return repeats(text.removeprefix("usr_") if kind == "id" else text, said, user_id=kind == "id")


@cache
def engine(destination: str) -> ReferenceEngine:
    return ReferenceEngine(made().plan("t.M", destination))


@cache
def items(count: int = 500) -> Sequence[Any]:
    """Items of few persons, so that they come again, and each time some that say nobody."""
    chance = random.Random(7)
    persons = [person(chance) for _ in range(60)]
    return [
        item(chance, chance.choice(persons), chance.choice(persons), said=chance.random() < 0.8) for _ in range(count)
    ]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("destination", DESTINATIONS)
def test_no_open_value_repeats_the_item_s_person_and_no_other_is_lost(destination: str, count: int) -> None:
    order = [*items(count), *random.Random(destination).sample(items(count), count // 2)]
    lost = 0
    for message in order:
        said = said_by(message, Said())
        release = release_of(engine(destination), message.SerializeToString())
        left = sorted(one for one in open_values(decode(made().contract, "t.M", release.payload)) if one[1])
        right = sorted(one for one in open_values(message) if one[1] and not is_echo(*one, said))
        # An entry of a map goes with its key or its value: what else stays is exact.
        gone = [one for one in message.tags.items() if is_echo("id", one[0], said) or is_echo("token", one[1], said)]
        right = [one for one in right if one not in {("id", key) for key, _ in gone}]
        assert [one for one in left if is_echo(*one, said)] == []
        assert {one for one in right if one[0] == "token"} - {*left} <= {("token", value) for _, value in gone}
        lost += sum(count for (_, reason, _), count in release.strip_counts.items() if reason is FieldReason.ECHO)
    assert lost > count


def test_inside_the_eu_but_at_a_log_all_values_stay() -> None:
    for message in items():
        release = release_of(engine("eu-service"), message.SerializeToString())
        assert FieldReason.ECHO not in {one.reason for one in release.stripped}


def record(attributes: Mapping[str, object], resource: Mapping[str, object]) -> ResourceLogs:
    log = LogRecord(attributes=key_values(attributes))
    return ResourceLogs(resource=Resource(attributes=key_values(resource)), scope_logs=[ScopeLogs(log_records=[log])])


def strings(pairs: Sequence[KeyValue]) -> Iterator[tuple[str, str]]:
    return ((pair.key, pair.value.string_value) for pair in pairs)


PERSON_ATTRIBUTES: Final = ("user.full_name", "user.name", "enduser.id", "user.email")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("destination", ["eu-log", "eu-store"])
def test_no_attribute_repeats_the_record_s_person(destination: str, count: int) -> None:
    chance = random.Random(11)
    persons = [person(chance) for _ in range(60)]
    judge = ReferenceEngine(made().plan("opentelemetry.proto.logs.v1.ResourceLogs", destination))
    for _ in range(count):
        whom, said = chance.choice(persons), Said()
        attributes: dict[str, object] = {
            "job": planted(chance, whom), "user.id": user_id(chance, whom), "mode": chance.choice(("ada", "byron"))
        }  # fmt: skip
        resource: dict[str, object] = {"queue": planted(chance, whom), "job": planted(chance, whom)}
        for key in chance.sample(PERSON_ATTRIBUTES, chance.randint(0, 2)):
            text = f"{whom.first} {whom.last}" if key.endswith("name") else whom.email
            chance.choice((attributes, resource))[key] = text
            (said.name([text]) if key.endswith("name") else said.identifier(text))
        left = ResourceLogs.FromString(release_of(judge, record(attributes, resource).SerializeToString()).payload)
        kept = [*strings(left.resource.attributes), *strings(left.scope_logs[0].log_records[0].attributes)]
        wanted = [
            (key, value)
            for key, value in (*resource.items(), *attributes.items())
            if key not in PERSON_ATTRIBUTES
            and (key == "mode" or not is_echo("id" if key == "user.id" else "token", str(value), said))
        ]
        assert [one for one in kept if one[0] != "user.email"] == wanted


def test_a_plan_that_is_read_back_decides_alike() -> None:
    for message in items()[:200]:
        plan = engine("us-vendor").plan
        again = ReferenceEngine(Plan.load(plan.dump()))
        raw = message.SerializeToString()
        assert release_of(again, raw).payload == release_of(engine("us-vendor"), raw).payload


def test_what_is_left_stays_when_it_is_decided_on_again() -> None:
    for message in items():
        left = release_of(engine("us-vendor"), message.SerializeToString()).payload
        assert release_of(engine("us-vendor"), left).payload == left
