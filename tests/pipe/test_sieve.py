"""Deciding on lines: nothing comes out but what the policy lets, and that in the spelling it had."""

from __future__ import annotations

import json
import string
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipe.record import BODIES, IDS, LEVELS, TIMES
from gateway.policy.otlp.logs import SEVERITIES
from tests.e2e.planted import NUMBERS, VALUES
from tests.pipe.sifting import CODECS, FREE, TEMPLATES, VENDOR, dropped, sieve, sifted, strings

LISTED: Final = ("kannelle.video.codec", "kannelle.video.duration_s", "codec")
PARTS: Final = ("kannelle", "kannelle.video", "video", "video.codec", "video.duration_s", "duration_s")
KEYS: Final = {*BODIES, *LEVELS, *TIMES, *IDS, *LISTED, *PARTS}
ALLOWED: Final = KEYS | {*TEMPLATES, *CODECS} | {form for text in SEVERITIES for form in (text, text.lower(), text.title())}


def one(**fields: Any) -> Any:
    """What comes out for a JSON line."""
    out = sifted(json.dumps(fields).encode())
    return json.loads(out[0]) if out else None


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("end", ["", "\r"])
def test_a_listed_text_passes_as_it_is(template: str, end: str) -> None:
    assert sifted((template + end).encode()) == [template.encode() + b"\n"]


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        (b"Ada Byron signed in", "not a template"),
        (b"server started ", "not a template"),
        (b"Server started", "not a template"),
        (b"server started\x00", "not a template"),
        (b"", "not a template"),
        (b'"server started"', "not a template"),
        (b'["server started"]', "not a template"),
        (b"\xef\xbb\xbfserver started", "not a template"),
        (b"\xff\xfe", "malformed"),
        (b'{"msg": "server started"', "malformed"),
        (b'{"msg": "Ada"}', "nothing left"),
        (b'{"level": "info", "time": 1}', "nothing left"),
        (b"{}", "nothing left"),
        (b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}", "malformed"),
    ],
)
def test_anything_else_is_dropped_and_counted(line: bytes, loss: str) -> None:
    assert dropped(line) == [loss]


def test_a_json_line_comes_out_in_its_own_spelling() -> None:
    fields = {"levelname": "INFO", "event": "server started", "codec": "h264", "span_id": "eee19b7ec3c1b174"}
    assert one(**fields, user="Ada") == fields


def test_a_number_of_pino_stays_one() -> None:
    assert one(level=40, msg="server started") == {"level": 40, "msg": "server started"}


@pytest.mark.parametrize("level", ["Ada", "info ", 33])
def test_a_level_that_is_none_goes(level: Any) -> None:
    assert one(level=level, msg="server started") == {"msg": "server started"}


def test_nested_keys_are_judged_by_their_path() -> None:
    assert one(kannelle={"video": {"codec": "hevc", "title": "Merger"}, "x": {"y": "Ada"}}) == {"kannelle": {"video": {"codec": "hevc"}}}


def test_lists_are_judged_one_by_one() -> None:
    assert one(codec=["h264", "Ada", "hevc"]) == {"codec": ["h264", "hevc"]}


def test_what_lost_something_is_counted_as_stripped() -> None:
    made, _ = sieve()
    lines = (b"server started", b'{"codec": "h264"}', b'{"codec": "h264", "a": 1}', b'{"codec": "h264", "a": %d}' % 2**64)
    assert [kept.stripped for kept in made.sift(lines)] == [False, False, True, True]


def test_one_line_does_not_spoil_the_next() -> None:
    assert sifted(b"\xff", b"{", b"server started", b"Ada", b'{"codec": "h264"}') == [b"server started\n", b'{"codec":"h264"}\n']


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (b"mail to ada@acme.example failed", b"mail to [EMAIL] failed\n"),
        (b'{"msg": "mail to ada@acme.example failed", "ip": "10.0.0.1"}', b'{"msg":"mail to [EMAIL] failed"}\n'),
    ],
)
def test_free_text_is_masked_where_it_may_go(line: bytes, out: bytes) -> None:
    assert sifted(line, destination=FREE) == [out]


@pytest.mark.parametrize("line", [b'{"full_name": "Ada Byron"', b' {"full_name": "Ada Byron",}', b"{Ada Byron}"])
def test_broken_json_is_no_free_text(line: bytes) -> None:
    assert dropped(line, destination=FREE) == ["malformed"]


def test_outside_the_eu_only_what_is_closed_leaves() -> None:
    line = b'{"msg": "server started", "codec": "h264", "trace_id": "5b8efff798038103d269b633813fc60c", "note": "x"}'
    assert json.loads(sifted(line, destination=VENDOR)[0]) == {"msg": "server started", "codec": "h264"}


SHAPES: Final = [
    lambda value: {"msg": value},
    lambda value: {value: 1} if isinstance(value, str) else {"x": value},
    lambda value: {"codec": value},
    lambda value: {"codec": [value, [value], {"codec": value}]},
    lambda value: {"kannelle": {"video": {"codec": value, str(value): "h264", "duration_s": value}}},
    lambda value: {"kannelle": {str(value): {"codec": "h264"}}},
    lambda value: dict.fromkeys((*BODIES, *LEVELS, *TIMES, *IDS, *LISTED), value),
    lambda value: {"kannelle.video": {"codec": {"codec": value}}},
]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("value", [*VALUES, *NUMBERS])
def test_a_planted_value_comes_out_nowhere(shape: Any, value: Any) -> None:
    made = shape(value)
    out = one(**made, message="server started") if "message" not in made else one(**made)
    assert all(text in ALLOWED for text in strings(out or {}))
    assert str(value) not in json.dumps(out, ensure_ascii=False)


NAMES: Final = st.one_of(st.sampled_from(sorted(ALLOWED)), st.text(max_size=8), st.text(string.ascii_letters + ".", max_size=12))
LEAVES: Final = st.one_of(
    NAMES, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), st.sampled_from(VALUES)
)
JSON: Final = st.recursive(
    LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)), max_leaves=12
)


@given(st.dictionaries(NAMES, JSON, max_size=8))
def test_no_string_comes_out_that_is_not_allowed(fields: dict[str, Any]) -> None:
    for out in sifted(json.dumps(fields).encode()):
        left = json.loads(out)
        for key in TIMES:
            left.pop(key, None)
        for key in IDS:
            left.pop(key, None)
        assert set(strings(left)) <= ALLOWED


@given(st.binary(max_size=200))
def test_no_bytes_come_out_but_a_listed_text(line: bytes) -> None:
    assert sifted(line) in ([], [line.removesuffix(b"\r") + b"\n"])
    if sifted(line):
        assert line.removesuffix(b"\r").decode() in TEMPLATES


@given(st.text(max_size=300))
def test_any_text_comes_out_as_one_line(text: str) -> None:
    line = text.replace("\n", " ").encode(errors="replace")
    for out in sifted(line, destination=FREE):
        assert out.count(b"\n") == 1
