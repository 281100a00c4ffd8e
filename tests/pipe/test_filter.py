"""Deciding on lines: nothing comes out but what the policy lets, and that in the spelling it had."""

from __future__ import annotations

import json
import string
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadPolicy
from gateway.pipe.keys import KNOWN_KEYS
from gateway.pipe.render import render_line as rendered
from gateway.policy.otlp.severities import SEVERITY_NUMBERS as SEVERITIES
from tests.pipe.filtering import CODECS, FREE_TEXT_STORE, TEMPLATES, dropped, filtered, line_filter, strings
from tests.support.planted_values import NUMBERS, VALUES

LISTED: Final = ("kannelle.video.codec", "kannelle.video.duration_s", "codec")
PARTS: Final = ("kannelle", "kannelle.video", "video", "video.codec", "video.duration_s", "duration_s")
BODIES, LEVELS, TIMES = KNOWN_KEYS.body, KNOWN_KEYS.severity_text, KNOWN_KEYS.timestamp
IDS: Final = (*KNOWN_KEYS.trace_id, *KNOWN_KEYS.span_id)
SPELT: Final = {part for path in (*BODIES, *LEVELS, *TIMES, *IDS) for part in (path, *path.split("."))}
KEYS: Final = {*SPELT, *LISTED, *PARTS}
ALLOWED: Final = (
    KEYS | {*TEMPLATES, *CODECS} | {form for text in SEVERITIES for form in (text, text.lower(), text.title())}
)


def one(**fields: Any) -> Any:
    """What comes out for a JSON line."""
    out = filtered(json.dumps(fields).encode())
    return json.loads(out[0]) if out else None


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("end", ["", "\r"])
def test_a_listed_text_passes_as_it_is(template: str, end: str) -> None:
    assert filtered((template + end).encode()) == [template.encode() + b"\n"]


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        (b"Ada Byron signed in", "not a template"),
        (b"server started ", "not a template"),
        (b"Server started", "not a template"),
        (b"server started\x00", "not a template"),
        (b"", "continuation"),
        (b'"server started"', "not a template"),
        (b'["server started"]', "not a template"),
        (b"\xef\xbb\xbf\xef\xbb\xbfserver started", "not a template"),
        (b"could not charge Ada Byron", "not a template"),
        (b"Fine, said Ada", "not a template"),
        (b"2026-11-30, Ada", "not a template"),
        (b"  at Ada.byron(Ada.java:1)", "continuation"),
        (b"\xff\xfe", "malformed"),
        (b'{"msg": "server started"', "malformed"),
        (b'{"msg": "Ada"}', "nothing left"),
        (b'{"level": "Ada", "time": 1}', "nothing left"),
        (b'level=Ada time=1 msg="Ada"', "nothing left"),
        (b"name=Ada age=36", "not a template"),
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


@pytest.mark.parametrize("level", ["Ada", "info\u00a0Ada", 33])
def test_a_level_that_is_none_goes(level: Any) -> None:
    assert one(level=level, msg="server started") == {"msg": "server started"}


def test_nested_keys_are_judged_by_their_path() -> None:
    assert one(kannelle={"video": {"codec": "hevc", "title": "Merger"}, "x": {"y": "Ada"}}) == {
        "kannelle": {"video": {"codec": "hevc"}}
    }


def test_lists_are_judged_one_by_one() -> None:
    assert one(codec=["h264", "Ada", "hevc"]) == {"codec": ["h264", "hevc"]}


UNHOLDABLE: Final = [
    *(
        r'"\ud800"',
        r'"Ada \udc00\ud800"',
        "1e400",
        "-1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        "9" * 5_000,
        "-" + "9" * 5_000,
        "9" * 60_000,
    ),
    *(
        "18446744073709551616",
        r'["h264", "\ud800", 1e400]',
        r'{"name": "\ud800"}',
        r'{"\ud800": "Ada"}',
        "[[[1e400]]]",
        f"{'9' * 5_000}.5",
    ),
]


@pytest.mark.parametrize("value", UNHOLDABLE, ids=lambda value: f"{value[:20]} of {len(value)}")
@pytest.mark.parametrize("key", ["x", "name", "codec.h", "msg", "time", "trace_id", "user"])
def test_a_value_that_no_record_holds_costs_its_line_nothing_else(key: str, value: str) -> None:
    line = f'{{"level": "error", "{key}": {value}, "event": "server started", "codec": "h264"}}'
    made, counts = line_filter()
    (kept,) = made.filter([line.encode()])
    out = json.loads(rendered(kept.record, kept.form))
    assert out == {"level": "error", "event": "server started", "codec": "h264"}
    assert (kept.stripped, counts.as_dict()["dropped"]) == (True, {})


def test_a_key_that_no_record_holds_costs_its_line_nothing_else() -> None:
    assert filtered(rb'{"level": "error", "\ud800": "Ada", "\udc00": {"x": 1}, "msg": "server started"}') == [
        b'{"level":"error","msg":"server started"}\n'
    ]


@pytest.mark.parametrize("value", UNHOLDABLE, ids=lambda value: f"{value[:20]} of {len(value)}")
def test_a_value_behind_a_text_costs_its_line_nothing_else(value: str) -> None:
    assert filtered(f'ERROR server started {{"codec": "h264", "x": {value}}}'.encode()) == [
        b'ERROR server started {"codec":"h264"}\n'
    ]


TRACE: Final = "5b8efff798038103d269b633813fc60c"


@pytest.mark.parametrize(
    ("line", "out"),
    [
        (b'{"level":"error","msg":"could not charge Ada Byron"}', b'{"level":"error"}\n'),
        (b'{"level":50,"user":{"name":"Ada"},"msg":"Ada"}', b'{"level":50}\n'),
        (b'{"log":{"level":"WARN","logger":"Ada"},"message":"Ada"}', b'{"log":{"level":"WARN"}}\n'),
        (f'{{"traceId":"{TRACE}","msg":"Ada"}}'.encode(), f'{{"traceId":"{TRACE}"}}\n'.encode()),
        (b'level=error msg="could not charge Ada Byron" user=Ada', b"level=error\n"),
        (b"ERROR could not charge Ada Byron", b"ERROR\n"),
        (b"error: could not charge Ada Byron", b"ERROR\n"),
        (b"[error] Ada", b"ERROR\n"),
        (b"ERROR:Ada Byron:server started", b"ERROR server started\n"),
        (b"ERROR Ada Augusta Byron: server started", b"ERROR\n"),  # words, and no names of threads or loggers
        (b"Traceback (most recent call last):", b"ERROR\n"),
    ],
)
def test_what_is_not_listed_leaves_as_a_bare_record(line: bytes, out: bytes) -> None:
    assert filtered(line) == [out]
    made, _ = line_filter()
    assert [(kept.bare, kept.stripped) for kept in made.filter([line])] == [(b"started" not in out, True)]


CRASHES: Final[dict[str, tuple[str, int, int]]] = {
    "Python, after the record that announces it": (
        ('ERROR:root:could not charge Ada\nTraceback (most recent call last):\n  File "a.py", line 1, in <module>\n   '
         ' charge()\n'
        "ValueError: no account for Ada\n\nDuring handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "a.py", line 3\napp.PaymentError: Ada\n'),
        1, 0,
    ),
    "Python, alone, twice": (
        ('Traceback (most recent call last):\n  File "a.py", line 1\nValueError: Ada\n'
        'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: Ada\n'),
        2, 0,
    ),
    "Python, after a record that is no error": (("INFO:root:x\nTraceback (most recent call last):\n  File\nValueError: "
                                                "Ada\n"), 2, 0),
    "Java": (
        ('Exception in thread "main" java.lang.IllegalStateException: Ada\n\tat com.kannelle.Video.run(Video.java:7)\n'
        "Caused by: java.io.IOException: Ada\n\t... 1 more\n"),
        1, 0,
    ),
    "Java, printStackTrace()": ("java.lang.NullPointerException\n\tat com.kannelle.Video.run(Video.java:7)\n", 1, 0),
    "Java, after its record": (('{"level":"ERROR","message":"Ada"}\njava.io.IOException: Ada\n\tat '
                               'a.B.c(B.java:7)\n'), 1, 0),
    "Go": ("panic: Ada\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1d\nexit status 2\n", 1, 2),
    "Node": (("/app/a.js:1\nthrow new Error('Ada')\n^\n\nTypeError: Ada\n    at Object.<anonymous> "
             "(/app/a.js:1:7)\n\nNode.js v22\n"), 1, 4),
    "Rust": (("thread 'main' panicked at src/main.rs:2:5:\nAda\nnote: run with `RUST_BACKTRACE=1` environment "
             "variable\n"), 1, 1),
    ".NET": (("Unhandled exception. System.InvalidOperationException: Ada\n   at Program.Main() in /app/P.cs:line "
             "1\n"), 1, 0),
    "a text of several lines": ('{"level":"info","msg":"x"}\n  Ada\n\tByron\n\nAda\n', 1, 1),
}  # fmt: skip


@pytest.mark.parametrize(("text", "records", "others"), CRASHES.values(), ids=list(CRASHES))
def test_a_traceback_is_one_error_and_belongs_to_the_record_before_it(text: str, records: int, others: int) -> None:
    made, counts = line_filter()
    kept = made.filter(text.encode().splitlines())
    assert all(one.bare for one in kept)
    assert len(kept) == records
    dropped = counts.as_dict()["dropped"]
    assert dropped.get("not a template", 0) == others
    assert set(dropped) <= {"not a template", "continuation"}


def test_what_lost_something_is_counted_as_stripped() -> None:
    made, _ = line_filter()
    lines = (
        b"server started",
        b'{"codec": "h264"}',
        b'{"codec": "h264", "a": 1}',
        b'{"codec": "h264", "a": %d}' % 2**64,
    )
    assert [kept.stripped for kept in made.filter(lines)] == [False, False, True, True]


def test_one_line_does_not_spoil_the_next() -> None:
    assert filtered(b"\xff", b"{", b"server started", b"Ada", b'{"codec": "h264"}') == [
        b"server started\n",
        b'{"codec":"h264"}\n',
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"mail to ada@acme.example failed", "not a template"),
        (b'{"msg": "mail to ada@acme.example failed", "ip": "10.0.0.1"}', "nothing left"),
    ],
)
def test_a_log_holds_no_free_text_even_where_other_items_may(line: bytes, reason: str) -> None:
    assert dropped(line, destination=FREE_TEXT_STORE) == [reason]


@pytest.mark.parametrize("line", [b'{"full_name": "Ada Byron"', b' {"full_name": "Ada Byron",}', b"{Ada Byron}"])
def test_broken_json_is_no_free_text(line: bytes) -> None:
    assert dropped(line) == ["malformed"]


def test_outside_the_eu_there_is_no_log() -> None:
    with pytest.raises(BadPolicy, match="logs stay in France or Ireland; us-vendor is in US"):
        line_filter("us-vendor")


SHAPES: Final = [
    lambda value: {"msg": value},
    lambda value: {value: 1} if isinstance(value, str) else {"x": value},
    lambda value: {"codec": value},
    lambda value: {"codec": [value, [value], {"codec": value}]},
    lambda value: {"kannelle": {"video": {"codec": value, str(value): "h264", "duration_s": value}}},
    lambda value: {"kannelle": {str(value): {"codec": "h264"}}},
    lambda value: dict.fromkeys((*BODIES, *LEVELS, *TIMES, *IDS, *LISTED), value),
    lambda value: {"kannelle.video": {"codec": {"codec": value}}},
    lambda value: {
        "log": {"level": value},
        "record": {"level": {"name": value}, "time": {"repr": value}, "extra": {"trace_id": value}},
    },
    lambda value: {
        "instant": {"epochSecond": value, "nanoOfSecond": value},
        "Scopes": [value, {"TraceId": value, "SpanId": value}],
    },
    lambda value: {"log": str(value), "stream": "stdout", "time": value},
    lambda value: {"log": json.dumps({"level": value, "msg": value}), "stream": value, "time": value},
    lambda value: {"level": f"INFO {value}", "time": f"2026-11-30T01:02:03Z {value}", "msg": f"{value} server started"},
]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize("value", [*VALUES, *NUMBERS])
def test_a_planted_value_comes_out_nowhere(shape: Any, value: Any) -> None:
    made = shape(value)
    out = one(**made, message="server started") if "message" not in made else one(**made)
    assert all(text in ALLOWED for text in strings(out or {}))
    assert str(value) not in json.dumps(out, ensure_ascii=False)


NAMES: Final = st.one_of(
    st.sampled_from(sorted(ALLOWED)), st.text(max_size=8), st.text(string.ascii_letters + ".", max_size=12)
)
LEAVES: Final = st.one_of(
    NAMES,
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.sampled_from(VALUES),
)
JSON: Final = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, JSON, max_size=8))
def test_no_string_comes_out_that_is_not_allowed(fields: dict[str, Any]) -> None:
    for out in filtered(json.dumps(fields).encode()):
        left = json.loads(out)
        assert set(strings(left)) <= ALLOWED


def words_of(out: bytes) -> set[str]:
    """What a line says, as far as it is no known text and no time."""
    text = out.decode().removesuffix("\n")
    return {text} if text in TEMPLATES else set(text.split(" "))


@given(st.binary(max_size=200))
def test_no_bytes_come_out_but_a_listed_text(line: bytes) -> None:
    assert all(words <= ALLOWED for words in map(words_of, filtered(line)))


@given(st.text(max_size=300))
def test_any_text_comes_out_as_one_line(text: str) -> None:
    line = text.replace("\n", " ").encode(errors="replace")
    for out in filtered(line, destination=FREE_TEXT_STORE):
        assert out.count(b"\n") == 1
