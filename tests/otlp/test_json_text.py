"""JSON read token by token.

It takes what Python's own decoder takes, but no key twice, and no value that nothing could hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ItemReason, Refused
from gateway.otlp.hints import UnexpectedJson
from gateway.otlp.json_text import MAX_NESTING, JsonText, number


def taken(raw: bytes, read: Callable[[JsonText], Any] = JsonText.skip) -> Any:
    """What is read of a whole text. Raises ValueError for what is malformed."""
    try:
        text = JsonText(raw)
        found = read(text)
        text.end()
    except IndexError:
        raise ValueError from None
    return found


def is_taken(raw: bytes) -> bool:
    try:
        taken(raw)
    except ValueError:
        return False
    return True


def is_sound(raw: bytes) -> bool:
    """What Python's decoder says of it, with what it lets pass."""
    try:
        held = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
        json.dumps(held, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    held = dict(pairs)
    if len(held) < len(pairs):
        raise ValueError
    return held


def _finite(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError
    return float(text)


def _refused(text: str) -> Any:
    raise ValueError


SCALARS: Final = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)
PIECES: Final = [
    "",
    *'{}[],:"\\ \n\t\x0b\x0c\x1f\x7f0123456789eE.+-tfnu/',
    "\ufeff",
    "\xa0",
    "\\ud83d",
    "\\ude00",
    "é",
    '"a":1,',
    '{"a":1,"a":2}',
    "1e400",
]


@st.composite
def texts(draw: Callable[..., Any]) -> str:
    """JSON, or nearly."""
    indent = draw(st.sampled_from([None, 0, 1, "\t"]))
    text: str = json.dumps(draw(VALUES), ensure_ascii=draw(st.booleans()), indent=indent)
    for _ in range(draw(st.integers(0, 2))):
        at, gone = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + gone :]
    return text


@given(texts().map(str.encode) | st.text(max_size=6).map(str.encode) | st.binary(max_size=6))
def test_it_takes_what_pythons_decoder_takes(raw: bytes) -> None:
    assert is_taken(raw) == is_sound(raw)


@given(st.lists(SCALARS, max_size=4), st.booleans(), st.sampled_from([None, 1]))
def test_scalars_are_read_as_pythons_decoder_reads_them(held: list[Any], ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(held, ensure_ascii=ascii_only, indent=indent).encode()
    found = taken(raw, lambda text: [text.scalar() for _ in text.elements()])
    assert [(type(one), one) for one in found] == [(type(one), one) for one in held]


@pytest.mark.parametrize(
    "raw",
    [
        '{"a": 1, "a": 1}',
        '{"a": 1, "b": 2, "a": 3}',
        '{"": 1, "": null}',
        '{"a": 1, "\\u0061": 1}',
        '{"\\u00e9": 1, "é": 1}',
        '{"x": [{"y": {"a": [], "a": []}}]}',
    ],
)
def test_a_key_that_comes_twice_is_malformed(raw: str) -> None:
    assert not is_taken(raw.encode())


@pytest.mark.parametrize(
    "raw", ['{"a": 1, "A": 1}', '{"a": {"a": {"a": 1}}}', '[{"a": 1}, {"a": 1}]', '{"é": 1, "e\\u0301": 1}']
)
def test_keys_that_differ_or_stand_elsewhere_are_fine(raw: str) -> None:
    assert is_taken(raw.encode())


def test_a_name_that_two_keys_stand_for_comes_once() -> None:
    def read(text: JsonText) -> list[tuple[str, object]]:
        return [(name, text.scalar()) for name in text.members({"aB": "a_b"})]

    assert taken(b'{"aB": 1, "c": 2}', read) == [("a_b", 1), ("c", 2)]
    for raw in (b'{"aB": 1, "a_b": 2}', b'{"a_b": 1, "c": 2, "aB": 3}'):
        with pytest.raises(UnexpectedJson, match=r"^DUPLICATE_KEY$"):
            taken(raw, read)


@pytest.mark.parametrize("start", [b"[", b'{"a":', b'[{"a":'])
def test_values_nest_as_deep_as_they_may(start: bytes) -> None:
    end = start.replace(b'"a":', b"").translate(bytes.maketrans(b"[{", b"]}"))[::-1]
    times = (MAX_NESTING - 1) // len(end)
    assert is_taken(start * times + b"0" + end * times)
    with pytest.raises(Refused) as caught:
        taken(start * MAX_NESTING)
    assert caught.value.reason is ItemReason.TOO_DEEP


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1E-2", 0.01),
        ("12345678901234567890", 12345678901234567890),
    ],
)
def test_a_number_is_read(text: str, expected: float) -> None:
    assert number(text) == expected
    assert type(number(text)) is type(expected)


@pytest.mark.parametrize("text", ["", " 1", "1 ", "01", "1.", ".5", "+1", "1_0", "0x1", "NaN", "１", "1e"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize("text", ["1e400", "-1e400", "9" * 5000])
def test_a_number_that_is_too_large_is_malformed(text: str) -> None:
    assert not is_taken(text.encode())
