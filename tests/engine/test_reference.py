"""The minimiser as a whole.

The truth table of work addresses, its limits, its memory, its threads, its bytes in every process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Final

import pytest

from gateway.engine.context import MAX_JUDGED_VALUES
from gateway.engine.reference import ReferenceEngine
from gateway.engine.rules import MAX_CACHED_VERDICTS
from gateway.errors import FieldReason, ItemReason, Reason, Refused
from gateway.model import MAX_ITEM_BYTES, Facts, Release, Withheld
from gateway.protobuf.schema import MAX_DEPTH
from tests.support.contracts import (
    NOW_SECONDS,
    UNKNOWN_FACTS,
    compiler,
    contract,
    decode,
    encode,
    minimiser,
    proto,
    release_of,
)
from tests.support.engines import decide_one
from tests.support.wire_format import record, tag, varint

PERSON: Final = "message M { string email = 1 @WORK_EMAIL; string code = 2 @OPERATIONAL; }"
RECORDED: Final = Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset({"acme.example"}))
STRANGER: Final = Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset({"other.example"}))
NOBODY: Final = Facts(NOW_SECONDS * 10**9, directory=True)
FACTS: Final = {"no directory": UNKNOWN_FACTS, "verified": RECORDED, "unverified": STRANGER, "subject unknown": NOBODY}

ADDRESSES: Final = {
    "anna@acme.example": "business",
    "Anna.Smith+news@ACME.example": "business",
    "anna@gmail.com": "personal",
    "anna@mailinator.com": "personal",
    "Anna@GMX.de": "personal",
    "anna": "malformed",
    "anna@acme": "malformed",
    "anna@@acme.example": "malformed",
    "anna smith@acme.example": "malformed",
    "Anna <anna@acme.example>": "malformed",
}
PLACES: Final = [("eu", "log"), *product(("eu", "us"), ("service", "store", "vendor"))]
"""Where which kind of recipient may be: a log stands in the EU alone."""


def row(kind: str, recipient: str, region: str, facts: str) -> str:
    """Design rule 2, as it is written."""
    if kind == "malformed":
        return "stripped"
    if kind == "personal":
        return "withheld" if recipient == "vendor" else "stripped"
    return "kept" if region == "eu" or facts in ("no directory", "verified") else "stripped"


def outcome(engine: ReferenceEngine, raw: bytes, facts: Facts) -> str:
    verdict = decide_one(engine, raw, facts)
    if isinstance(verdict, Withheld):
        return "withheld"
    return "kept" if b"@" in verdict.payload else "stripped"


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(("region", "recipient"), PLACES)
def test_the_truth_table_of_work_addresses(address: str, recipient: str, region: str) -> None:
    """Address × what the directory knows × destination. Asked twice over, one row's answer is never another's."""
    made = compiler(PERSON)
    engine = ReferenceEngine(made.plan("t.M", f"{region}-{recipient}"))
    raw = encode(made.contract, "t.M", f'email: "{address}" code: "a"')
    for name, facts in (*FACTS.items(), *FACTS.items()):
        assert outcome(engine, raw, facts) == row(ADDRESSES[address], recipient, region, name), name


@pytest.mark.parametrize(("region", "recipient"), PLACES)
def test_an_item_about_a_personal_account_is_withheld_from_vendors_alone(region: str, recipient: str) -> None:
    facts = Facts(NOW_SECONDS * 10**9, directory=True, verified=frozenset({"acme.example"}), personal=True)
    verdict = decide_one(minimiser(PERSON, "t.M", f"{region}-{recipient}"), record(2, 2, b"a"), facts)
    assert isinstance(verdict, Withheld if recipient == "vendor" else Release)


ADDRESS: Final = record(1, 2, b"anna@acme.example")
HOLDERS: Final = """
message N { string a = 1 @WORK_EMAIL; }
message O { N n = 1; }
message K {
  map<string, bool> a = 1 @{category: OPERATIONAL, map_key: WORK_EMAIL};
  map<bool, N> b = 2 @{map_key: OPERATIONAL};
  google.protobuf.StringValue c = 3 @WORK_EMAIL;
  string code = 4 @{category: OPERATIONAL, one_of: "ok"};
}
"""


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        ("string a = 1 @WORK_EMAIL;", ADDRESS),
        ("repeated string a = 1 @WORK_EMAIL;", ADDRESS),
        ("google.protobuf.StringValue a = 1 @WORK_EMAIL;", record(1, 2, ADDRESS)),
        (
            "map<string, bool> a = 1 @{category: OPERATIONAL, map_key: WORK_EMAIL};",
            record(1, 2, ADDRESS + record(2, 0, b"\x01")),
        ),
        (
            "map<bool, string> a = 1 @{category: WORK_EMAIL, map_key: OPERATIONAL};",
            record(1, 2, record(2, 2, b"anna@acme.example")),
        ),
        ("N n = 1;", record(1, 2, ADDRESS)),
        ("repeated N n = 1;", record(1, 2, ADDRESS)),
        ("O o = 1;", record(1, 2, record(1, 2, ADDRESS))),
        ("K k = 1;", record(1, 2, record(1, 2, ADDRESS + record(2, 0, b"\x01")))),
        ("K k = 1;", record(1, 2, record(2, 2, b"\x08\x01" + record(2, 2, ADDRESS)))),
        ("K k = 1;", record(1, 2, record(3, 2, ADDRESS) + record(4, 2, b"ok"))),
        ("google.protobuf.Any a = 1;", record(1, 2, record(1, 2, b"/t.N") + record(2, 2, ADDRESS))),
        (
            "google.protobuf.Any a = 1;",
            record(1, 2, record(1, 2, b"/t.K") + record(2, 2, record(1, 2, ADDRESS + record(2, 0, b"\x01")))),
        ),
        ("repeated google.protobuf.Any a = 1;", record(1, 2, record(1, 2, b"/t.N") + record(2, 2, ADDRESS))),
    ],
)
def test_what_depends_on_facts_is_asked_anew_wherever_it_stands(body: str, raw: bytes) -> None:
    engine = minimiser(f"message M {{ {body} }} {HOLDERS}", "t.M", "us-service")
    asked = (UNKNOWN_FACTS, RECORDED, STRANGER, RECORDED, NOBODY, UNKNOWN_FACTS, STRANGER)
    assert [outcome(engine, raw, facts) for facts in asked] == [
        "kept",
        "kept",
        "stripped",
        "kept",
        "stripped",
        "kept",
        "stripped",
    ]


@pytest.mark.parametrize(
    "body", ["google.protobuf.Timestamp a = 1 @OPERATIONAL;", "N n = 1;", "google.protobuf.Any any = 1;"]
)
def test_a_time_is_held_against_the_receipt_of_its_own_item(body: str) -> None:
    time = record(1, 0, varint(NOW_SECONDS))
    raw = {
        "N": record(1, 2, record(1, 2, time)),
        "google.protobuf.Any": record(1, 2, record(1, 2, b"t.N") + record(2, 2, record(1, 2, time))),
    }
    engine = minimiser(
        f"message M {{ {body} }} message N {{ google.protobuf.Timestamp a = 1 @OPERATIONAL; }}", "t.M", "us-store"
    )
    item = raw.get(body.partition(" ")[0], record(1, 2, time))
    days = (0, 7, 8, -7, -8, 0)
    assert [
        varint(NOW_SECONDS) in release_of(engine, item, Facts((NOW_SECONDS + day * 86_400) * 10**9)).payload
        for day in days
    ] == [
        True,
        True,
        False,
        True,
        False,
        True,
    ]


def test_addresses_are_normalised_wherever_they_stand() -> None:
    body = """message M { string a = 1 @WORK_EMAIL; repeated string b = 2 @WORK_EMAIL; google.protobuf.StringValue c = 3 @WORK_EMAIL;
    map<string, string> d = 4 @{category: WORK_EMAIL, map_key: WORK_EMAIL}; }"""
    held = contract(proto(body))
    text = 'a: "{0}" b: ["{0}", "{1}"] c {{ value: "{0}" }} d {{ key: "{0}" value: "{1}" }}'
    left = release_of(
        minimiser(body, "t.M", "us-store"), encode(held, "t.M", text.format("A+x@B.Example", "C@b.example"))
    )
    assert decode(held, "t.M", left.payload).SerializeToString() == encode(
        held, "t.M", text.format("a@b.example", "c@b.example")
    )
    assert left.stripped == ()


@pytest.mark.parametrize(
    ("keys", "left", "gone"),
    [
        (["anna@acme.example"], 1, 0),
        (["Anna@acme.example"], 1, 0),
        (["anna@acme.example", "Anna@acme.example"], 1, 1),
        (["Anna@acme.example", "anna+billing@acme.example"], 1, 1),
        (["anna@acme.example", "Anna@acme.example", "anna+billing@acme.example", "bo@acme.example"], 2, 2),
    ],
)
def test_an_entry_whose_place_another_takes_counts_as_stripped(keys: Sequence[str], left: int, gone: int) -> None:
    body = "message M { map<string, int32> d = 4 @{category: OPERATIONAL, map_key: WORK_EMAIL, min: 0, max: 9}; }"
    raw = b"".join(record(4, 2, record(1, 2, key.encode()) + record(2, 0, b"\x01")) for key in keys)
    release = release_of(minimiser(body, "t.M", "us-store"), raw)
    assert len(decode(contract(proto(body)), "t.M", release.payload).d) == left  # type: ignore[attr-defined]  # the map
    assert [(one.path, one.reason, one.count) for one in release.stripped] == [
        ("d[*]", FieldReason.DUPLICATE_KEY, gone)
    ] * bool(gone)


WRITE: Final[dict[str, Callable[[int], bytes]]] = {
    "int32": lambda n: record(2, 0, varint(n)),
    "N": lambda n: record(2, 2, record(1, 0, varint(n))),
}


@pytest.mark.parametrize("kind", WRITE)
def test_of_keys_that_become_one_the_last_changed_one_stays(kind: str) -> None:
    """In every order of the wire.

    Entries are gone through by key, and a changed one goes before one that had the key already.
    """
    entry = f"map<string, {kind}> d = 1 @{{category: OPERATIONAL, map_key: WORK_EMAIL}};"
    body = f"message M {{ {entry} }} message N {{ int32 n = 1 @OPERATIONAL; }}"
    engine, value = minimiser(body, "t.M", "eu-store"), WRITE[kind]
    keys = (b"A+2@b.example", b"a@b.example", b"A+1@b.example", b"c@b.example")
    entries = [record(1, 2, record(1, 2, key) + value(n)) for n, key in enumerate(keys, 1)]
    wanted = [record(1, 2, record(1, 2, key) + value(n)) for n, key in ((1, b"a@b.example"), (4, b"c@b.example"))]
    for raw in (entries, entries[::-1], entries[2:] + entries[:2]):
        assert release_of(engine, b"".join(raw)).payload == b"".join(wanted)


# ── Where the engine differs from the walk of the original message, and leaks nothing
# ──────────────────────────────────

CHOICE: Final = """
message M { oneof o { string a = 1 @OPERATIONAL; string b = 2 @NAME; N c = 3; } }
message N { string x = 1 @OPERATIONAL; string y = 2; }
"""


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        (record(1, 2, b"ok") + record(2, 2, b"Anna Smith"), record(1, 2, b"ok")),
        (record(2, 2, b"Anna Smith") + record(1, 2, b"ok"), record(1, 2, b"ok")),
        (record(1, 2, b"ok") + record(1, 2, b"Anna Smith"), b""),
        (record(1, 2, b"ok") + record(3, 2, record(1, 2, b"x")), record(3, 2, record(1, 2, b"x"))),
        (
            record(3, 2, record(1, 2, b"x")) + record(2, 2, b"Anna Smith") + record(3, 2, b""),
            record(3, 2, record(1, 2, b"x")),
        ),
    ],
)
def test_of_several_members_of_a_oneof_an_earlier_one_may_stay(raw: bytes, left: bytes) -> None:
    """The parser doesn't know the member that is stripped, so it doesn't replace the one before it.

    What stays passed its own rule.
    """
    assert release_of(minimiser(CHOICE, "t.M", "eu-indirect"), raw).payload == left


def test_of_several_enum_numbers_a_known_one_stays() -> None:
    """Open or not, a number that nobody knows is not parsed, and replaces nothing."""
    engine = minimiser("message M { E e = 1 @OPERATIONAL; } enum E { ZERO = 0; ONE = 1; }", "t.M", "us-store")
    assert release_of(engine, record(1, 0, b"\x01") + record(1, 0, b"\x63")).payload == record(1, 0, b"\x01")


def test_a_zero_that_the_wire_need_not_have_is_not_judged() -> None:
    body = (
        "message M { int32 a = 1 @{category: OPERATIONAL, min: 1, max: 5}; optional int32 b = 2 @{category: "
        "OPERATIONAL, min: 1, max: 5}; }"
    )
    release = release_of(minimiser(body, "t.M", "eu-store"), record(1, 0, b"\0") + record(2, 0, b"\0"))
    assert (release.payload, [one.path for one in release.stripped]) == (b"", ["b"])


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────────────────────────

DEEP: Final = (
    "message M { M child = 1; string code = 2 @OPERATIONAL; repeated M many = 4; map<int32, M> keyed = 5 @{map_key: "
    "OPERATIONAL}; }"
)


def nest(times: int, inner: bytes, number: int = 1) -> bytes:
    for _ in range(times):
        inner = record(number, 2, inner)
    return inner


def refusal(engine: ReferenceEngine, raw: bytes) -> Reason:
    with pytest.raises(Refused) as caught:
        decide_one(engine, raw, UNKNOWN_FACTS)
    return caught.value.reason


@pytest.mark.parametrize("number", [1, 4])
def test_a_message_may_be_as_deep_as_is_known_to_be_stripped(number: int) -> None:
    engine = minimiser(DEEP, "t.M", "eu-store")
    assert release_of(engine, nest(MAX_DEPTH, record(2, 2, b"a"), number)).payload == nest(
        MAX_DEPTH, record(2, 2, b"a"), number
    )
    assert release_of(engine, nest(MAX_DEPTH, record(2, 2, b"a b"), number)).payload == nest(MAX_DEPTH, b"", number)
    for depth in (MAX_DEPTH + 1, 99, 100, 101, 200, 5000):
        assert refusal(engine, nest(depth, record(2, 2, b"a"), number)) is ItemReason.TOO_DEEP


def test_what_is_stripped_may_be_deeper_still() -> None:
    assert release_of(
        minimiser(DEEP, "t.M", "eu-store"), nest(500, b"", number=9) + record(2, 2, b"a")
    ).payload == record(2, 2, b"a")


def test_an_item_is_of_a_bounded_size() -> None:
    engine = minimiser(DEEP, "t.M", "eu-store")
    assert release_of(engine, record(9, 2, b"x" * (MAX_ITEM_BYTES - 5))).payload == b""
    for size in (MAX_ITEM_BYTES + 1, 10_000_000):
        assert refusal(engine, b"\x00" * size) is ItemReason.TOO_LARGE


def test_much_of_the_same_is_no_matter() -> None:
    body = """message M { repeated string a = 1 @OPERATIONAL; map<string, int64> b = 2 @{category: OPERATIONAL, map_key: OPERATIONAL};
    repeated N n = 3; } message N { string code = 1 @OPERATIONAL; }"""
    odd = [b"k%d" % n if n % 2 else b"k %d" % n for n in range(10_000)]
    entries = [record(2, 2, record(1, 2, key) + record(2, 0, b"\x01")) for key in odd]
    release = release_of(
        minimiser(body, "t.M", "eu-store"),
        b"".join([record(1, 2, key) for key in odd] + entries + [record(3, 2, b"")] * 20_000),
    )
    assert {(one.path, one.count) for one in release.stripped} == {("a[*]", 5000), ("b[*]", 5000)}
    assert release.payload.endswith(record(3, 2, b"") * 20_000)


@pytest.mark.parametrize("values", [MAX_JUDGED_VALUES, MAX_JUDGED_VALUES + 1])
@pytest.mark.parametrize("part", [record(1, 2, b"a"), record(3, 2, b"")])
def test_an_item_has_a_bounded_number_of_values(part: bytes, values: int) -> None:
    body = (
        "message M { repeated string a = 1 @OPERATIONAL; repeated N n = 3; } message N { string code = 1 "
        "@OPERATIONAL; }"
    )
    engine = minimiser(body, "t.M", "eu-store")
    if values > MAX_JUDGED_VALUES:
        assert refusal(engine, part * values) is ItemReason.TOO_LARGE
    else:
        assert release_of(engine, part * values).payload == part * values


@pytest.mark.parametrize(
    "raw",
    [
        b"\x12", b"\x12\x05a", b"\x12\x01\xff", b"\x00", b"\x0f", tag(9, 3), tag(9, 3) + tag(8, 4), b"\x80" * 11, record(1, 2, b"\x0a"),
        b"\x08", b"\x12\xff\xff\xff\xff\x0f", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        record(5, 2, record(2, 2, b"\x12")),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused_each_time(raw: bytes) -> None:
    engine = minimiser(DEEP, "t.M", "eu-store")
    assert [refusal(engine, raw), refusal(engine, raw)] == [ItemReason.MALFORMED] * 2


def test_unknown_groups_that_nest_too_deep_are_refused() -> None:
    assert refusal(minimiser(DEEP, "t.M", "eu-store"), tag(9, 3) * 101 + tag(9, 4) * 101) in (
        ItemReason.MALFORMED,
        ItemReason.TOO_DEEP,
    )


def test_text_that_is_not_utf_8_is_refused_where_it_would_be_kept() -> None:
    """Of proto2, whose parser lets it pass, too."""
    head = 'syntax = "proto2"; package t; import "kannelle/privacy/v1/annotations.proto";'
    engine = minimiser(
        "message M { optional string a = 1 @NAME; optional string b = 2; }", "t.M", "eu-service", head=head
    )
    assert refusal(engine, b"\x0a\x01\xff") is ItemReason.MALFORMED
    assert release_of(engine, b"\x12\x01\xff").payload == b""


# ── Threads, memory, processes ────────────────────────────────────────────────────────────────────────────────────────

BUSY: Final = """
message M { string email = 1 @WORK_EMAIL; string code = 2 @OPERATIONAL; google.protobuf.Any any = 3; repeated google.protobuf.Any more = 4;
  N n = 5; map<string, int32> counts = 6 @{category: OPERATIONAL, map_key: OPERATIONAL, min: 0, max: 9}; }
message N { string note = 1 @FREE_TEXT; string user = 2 @USER_ID; }
"""


def busy(index: int) -> bytes:
    """An item like no other, in which half of the values fail."""
    odd = b"" if index % 2 else b" !"
    held = record(1, 2, b"call +33 6 12 34 56 %02d" % (index % 100)) + record(2, 2, b"usr_%d%b" % (index, odd))
    any_ = record(1, 2, b"t.N") + record(2, 2, held)
    counts = b"".join(record(6, 2, record(1, 2, b"k%d" % n) + record(2, 0, varint(n))) for n in range(index % 12))
    return b"".join(
        (
            record(1, 2, b"A%d+x@acme.example" % index),
            record(2, 2, b"v%d%b" % (index, odd)),
            record(3, 2, any_),
            record(4, 2, any_),
            record(5, 2, held),
            counts,
        )
    )


@pytest.mark.parametrize("destination", ["eu-service", "us-service"])
def test_threads_that_share_a_minimiser_get_the_same_bytes(destination: str) -> None:
    """While what it remembers overflows again and again."""
    plan = compiler(BUSY).plan("t.M", destination)
    shared, items = ReferenceEngine(plan), [busy(index) for index in range(600)]
    wanted = [release_of(ReferenceEngine(plan), raw, RECORDED).payload for raw in items]
    with pytest.MonkeyPatch.context() as patch:
        for module in ("rules", "message_cache"):
            patch.setattr(f"gateway.engine.{module}.MAX_CACHED_VERDICTS", 50)
        with ThreadPoolExecutor(4) as pool:
            rounds = [
                *pool.map(
                    lambda shift: [release_of(shared, raw, RECORDED).payload for raw in items[shift:] + items[:shift]],
                    range(0, 600, 75),
                )
            ]
    for shift, got in zip(range(0, 600, 75), rounds, strict=True):
        assert got == wanted[shift:] + wanted[:shift]


def test_memory_stays_bounded_and_changes_nothing() -> None:
    engine = minimiser("message M { string code = 1 @OPERATIONAL; string user = 2 @USER_ID; }", "t.M", "eu-store")
    for index in range(MAX_CACHED_VERDICTS + 100):
        assert release_of(engine, record(1, 2, b"v%d" % index) + record(2, 2, b"usr_%d" % index)).stripped == ()
    for index in (0, MAX_CACHED_VERDICTS, MAX_CACHED_VERDICTS + 99):
        assert release_of(engine, record(1, 2, b"v%d" % index) + record(2, 2, b"user%d" % index)).payload == record(
            1, 2, b"v%d" % index
        )


TWINS: Final = """
message M {
  int64 n = 1 @{category: OPERATIONAL, min: 0, max: 1};
  double d = 2 @{category: OPERATIONAL, min: 0, max: 1};
  bool b = 3 @OPERATIONAL;
  int64 user = 4 @USER_ID;
  string text = 5 @USER_ID;
  float f = 6 @OPERATIONAL;
}
"""


def test_values_that_are_equal_and_not_the_same_are_judged_apart() -> None:
    """One, one point zero and true are one key to a dictionary; nothing equals what is not a number."""
    held, engine = contract(proto(TWINS)), minimiser(TWINS, "t.M", "eu-store")
    rows = {
        "n: 1 d: 1 b: true": "n: 1 d: 1 b: true", "user: 1": "", 'text: "1"': "", "d: nan": "", "f: nan": "f: nan", "d: -1": "",
        "f: -0.0": "f: -0.0", "n: 2 d: 2": "", "d: 1": "d: 1", "n: 1": "n: 1", "d: 0.5": "d: 0.5", "d: inf": "", "f: inf": "f: inf",
        "b: true": "b: true",
    }  # fmt: skip
    for given, left in (*rows.items(), *rows.items()):
        assert release_of(engine, encode(held, "t.M", given)).payload == encode(held, "t.M", left), given


CHILD: Final = """
import json, sys
from gateway.engine.reference import ReferenceEngine
from gateway.model import Facts
from gateway.plan import Plan
given = json.load(sys.stdin)
plan = Plan.load(given["plan"].encode())
engine = ReferenceEngine(plan)
facts = Facts(given["at"], directory=True, verified=frozenset({"acme.example"}))
items = [bytes.fromhex(raw) for raw in given["items"]]
payloads = engine.decide_batch(items, [facts] * len(items)).payloads
print(json.dumps([plan.digest, *(payload.hex() for payload in payloads)]))
"""


def test_a_plan_gives_the_same_bytes_in_every_process() -> None:
    plan = compiler(BUSY).plan("t.M", "eu-service")
    items = [busy(index) for index in range(30)]
    given = json.dumps({"plan": plan.dump().decode(), "at": NOW_SECONDS * 10**9, "items": [raw.hex() for raw in items]})
    wanted = [plan.digest, *(release_of(ReferenceEngine(plan), raw, RECORDED).payload.hex() for raw in items)]
    for seed in ("0", "1", "4711"):
        done = subprocess.run(
            (sys.executable, "-c", CHILD),
            input=given,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert json.loads(done.stdout) == wanted
