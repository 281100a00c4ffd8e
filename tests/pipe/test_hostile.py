"""Values on each way that a line's fields have into a record.

What isn't of the field's own form comes out nowhere, nor does it hold up.
"""

from __future__ import annotations

import json
import re
import time
from functools import cache
from typing import Any, Final

import pytest

from gateway.pipe.filter import LineFilter
from gateway.pipe.keys import KNOWN_KEYS, keys_of
from gateway.pipe.line_counts import LineCounts
from gateway.pipe.parse import MalformedLine, parse_line
from gateway.pipe.render import render_line as rendered
from gateway.policy.compile import Compiler
from tests.pipe.filtering import CLOSED_LOG, POLICY, compiler
from tests.pipe.logger_lines import AT
from tests.support.contracts import policy

MAPPED: Final = Compiler(
    compiler().contract,
    policy(
        f"{POLICY}pipe: {{keys: {{timestamp: [born], severity_text: [rank], body: [name], trace_id: [home], span_id: "
        f"[phone]}}}}"
    ),
)

VALUES: Final = (
    *("Ada Byron", "ada.byron@acme.example", "+33 6 12 34 56 78", "0612345678", "33612345678", "4111111111111111"),
    *("FR7630006000011234567890189", "1815-12-10T00:00:00Z", "1984-05-06", "48.8566,2.3522", "12 rue du Lac, Paris"),
    *("185057800608491", "hunter2", "203.0.113.7", "00000000000000004111111111111111"),
    *(text.hex() for text in (b"ada@acme.example", b"Ada Byron, Paris", b"Ada Byron\0\0\0\0\0\0\0", b"AdaByron")),
    *(
        "4111111111111111aaaaaaaaaaaaaaaa",
        "33612345678".ljust(32, "0"),
        "0612345678aaaaaa",
        "Ada Byr".encode("utf-16-be").hex().ljust(32, "0"),
    ),
    *("INFO Ada Byron", "Ada", "server started, Ada", "A\x1b[0mda B\x1b[1myron", "ada\x1b[0m@acme.example"),
    *("06\x1b[0m12345678", "info\x1b[0m Ada"),
    *(612345678, 33612345678, 4111111111111111, 185057800608491, 48.8566, 1984, -1, True),
    *({"seconds": 612345678, "nanos": 0}, ["Ada Byron"]),
)
"""What may be somebody's, and is of no field's form."""

FIELDS: Final = {
    "body": (*KNOWN_KEYS.body, "name"),
    "severity_text": (*KNOWN_KEYS.severity_text, "rank"),
    "timestamp": (*KNOWN_KEYS.timestamp, "born"),
    "trace_id": (*KNOWN_KEYS.trace_id, "home"),
    "span_id": (*KNOWN_KEYS.span_id, "phone"),
}

NAMED: Final = re.compile(r"[A-Za-z0-9]+")


@cache
def line_filter() -> LineFilter:
    return LineFilter(MAPPED, CLOSED_LOG, LineCounts(), clock=lambda: AT)


def out(*lines: bytes) -> str:
    return "".join(rendered(kept.record, kept.form).decode() for kept in line_filter().filter(lines))


def nested(path: str, value: Any) -> Any:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize("field", FIELDS)
def test_a_key_with_a_meaning_holds_nothing_but_that(field: str) -> None:
    for value in VALUES:
        for path in FIELDS[field]:
            shapes: list[Any] = [
                {path: value},
                nested(path, value),
                nested(path, [{path: value}]),
                {path: {path: value}},
            ]
            assert out(*(json.dumps(shape).encode() for shape in shapes)) == "", (path, value)


TEXTS: Final = [
    *(
        "{v}",
        "ERROR {v}",
        "ERROR: {v}: {v}",
        "ERROR [{v}] {v}: {v}",
        "{v}: server started",
        "ERROR {v} - server started",
    ),
    *(
        "2026-11-30T01:28:20Z {v} ERROR {v}",
        "[2026-11-30 01:28:20 {v}] {v}",
        "W1130 01:28:20.987174   18783 {v}:43] {v}",
    ),
    *(
        'ERROR server started {{"name": "{v}"}}',
        'ERROR server started name="{v}" phone={v}',
        'ERROR "{v}" server started',
    ),
    *("ERROR server started level={v} time={v} trace_id={v} home={v}", "ERROR {v}{{a={v}}}: server started"),
    *("2026-11-30T01:28:20.123456789Z stdout F {v}", '{{"log": "{v}\\n", "stream": "{v}", "time": "{v}"}}'),
    *(
        '{{"level": "info", "level": "{v}"}}',
        '{{"msg": "server started", "msg": "{v}", "trace_id": "{v}", "trace_id": "{v}"}}',
    ),
    *("Traceback (most recent call last):\n  {v}\nValueError: {v}", "\ufeff\ufeffERROR {v}"),
    *(
        "\x1b]8;;https://{v}/\x1b\\ERROR\x1b]8;;\x1b\\ {v}",
        '{{"msg": "server started", "x": NaN, "born": "{v}", "y": "{v}"}}',
    ),
    *('level="{v}" time="{v}" trace_id="{v}" msg="server started"', "level={v} time={v} trace_id={v} msg={v}"),
    'rank="{v}" born="{v}" home="{v}" phone="{v}" name="{v}"',
]
CLOSED_WORDS: Final = {
    *("ERROR", "WARN", "WARNING", "INFO", "info", "level", "msg", "name", "time", "log", "server", "started"),
    *("2026", "11", "30T01", "28", "20Z", "20", "987174Z"),
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_or_pairs_hold_nothing_but_level_time_and_what_is_listed(text: str) -> None:
    for value in VALUES:
        lines = text.format(v=str(value)).encode().split(b"\n")
        assert set(NAMED.findall(out(*lines))) <= CLOSED_WORDS, value


SLOW: Final = {
    "blanks": "\t" * 64_000,
    "blanks before a brace": "ERROR x " + "\t" * 64_000 + "{x",
    "blanks before a pair": "ERROR x " + " " * 64_000 + "=",
    "names": "ERROR " + "a:" * 32_000,
    "one name": "ERROR " + "a" * 64_000,
    "words": "ERROR " + "a " * 32_000,
    "pairs": "a=1 " * 16_000,
    "pairs and a quote": "ERROR x " + "a=1 " * 16_000 + '"',
    "an open quote": 'a="' + '\\"' * 32_000,
    "objects": 'ERROR x {"a":1} ' + '{"a":1} ' * 8_000,
    "lists": "ERROR x " + "[] " * 21_000 + "x",
    "escapes": "\x1b[" * 32_000,
    "open links": "\x1b]aaaaaaaa" * 6_000,
    "brackets": "[" * 64_000,
    "braces": "a{" * 32_000,
    "dashes": "ERROR " + "- " * 32_000,
    "scopes": '{"Scopes":[' + ",".join(['{"a":1}'] * 7_000) + "]}",
    "a deep object": '{"record":' * 6_000 + "1" + "}" * 6_000,
    "deep lists beside NaN": '{"a":NaN,"b":' + "[" * 30_000 + "]" * 30_000 + "}",
    "dots": '{"' + "log." * 16_000 + '": 1}',
}


@pytest.mark.parametrize("text", SLOW.values(), ids=list(SLOW))
def test_no_line_takes_long_to_read(text: str) -> None:
    started = time.process_time()
    for _ in range(3):
        try:
            parse_line(text.encode(), AT, keys_of(MAPPED.policy))
        except MalformedLine:
            continue
    assert time.process_time() - started < 3  # at most 200 ms; what is searched again from each character takes 30 s
