"""What is no random ID is none, however it is padded; hardly any that is random is refused."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from gateway.pipe.ids import span_id, trace_id

NO_TRACES: Final = {
    "a card and zeros": "41111111111111110000000000000000",
    "a card and letters": "4111111111111111aaaaaaaaaaaaaaaa",
    "letters and a card": "ffffffffffffffff5555555555554444",
    "a card between letters": "aaaaaaaa5555555555554444bbbbbbbb",
    "a card and what is random": "5555555555554444b3c1da7be29f0acd",
    "a phone and zeros": "33612345678000000000000000000000",
    "a phone between zeros": "00000000000000000612345678000000",
    "a phone between letters": "bbbbbbbbbb0612345678bbbbbbbbbbbb",
    "a phone in half an ID": "0000000000000000612345678aaaaaaa",
    "a card in half an ID": "00000000000000004111111111111111",
    "a card behind a time": "692bcf80000000004111111111111111",
    "a phone before zeros": "61234567000000000000000000000000",
    "a name and ones": b"Ada Byr\0".hex() + "f" * 16,
    "a name and zeros": b"Ada Byr".hex().ljust(32, "0"),
    "zeros and a name": b"Ada Byr".hex().rjust(32, "0"),
    "a name and what is random": b"Ada Byr".hex() + "98038103d269b6338f",
    "a name, as UTF-16": "Ada Byr".encode("utf-16-be").hex().ljust(32, "0"),
    "a name, as UTF-16 of little ends": "Ada Byro".encode("utf-16-le").hex(),
    "an e-mail address": b"ada@acme.example".hex(),
    "a name in half an ID": b"Ada B".hex().ljust(16, "f").rjust(32, "0"),
    "an IPv4 address and zeros": "cb007107".ljust(32, "0"),
    "an IPv4 address behind zeros": "cb007107".rjust(32, "0"),
    "an IPv6 address": "20010db8000000000000000000000007",
    "digits alone": "18505780060849118505780060849137",
    "zeros": "0" * 32,
}

NO_SPANS: Final = {
    "a phone and zeros": "0612345678000000",
    "a phone and letters": "0612345678aaaaaa",
    "a phone between zeros": "0033612345678000",
    "letters and a phone": "ffffff0612345678",
    "a card": "4111111111111111",
    "a short card and letters": "4222222222222abc",
    "a name": b"AdaByron".hex(),
    "a name and zeros": b"Ada".hex().ljust(16, "0"),
    "a name and ones": b"Ada B".hex().ljust(16, "f"),
    "a name and what is random": b"Ada B".hex() + "98b1c3",
    "a name, as UTF-16": "Ada ".encode("utf-16-be").hex(),
    "an IPv4 address and zeros": "cb007107".ljust(16, "0"),
    "zeros": "0" * 16,
}

TRACES: Final = {
    "random": "5b8efff798038103d269b633813fc60c",
    "of 64 bits": "0000000000000000eee19b7ec3c1b174",
    "Datadog's": "692bcf8000000000eee19b7ec3c1b174",
    "X-Ray's": "1-692bcf80-98038103d269b633813fc60c",
    "Google's": "projects/kannelle/traces/5b8efff798038103d269b633813fc60c",
}


@pytest.mark.parametrize("text", NO_TRACES.values(), ids=list(NO_TRACES))
def test_what_is_padded_a_number_or_a_text_is_no_trace(text: str) -> None:
    assert (len(text), trace_id(text), trace_id(text.upper())) == (32, b"", b"")


@pytest.mark.parametrize("text", NO_SPANS.values(), ids=list(NO_SPANS))
def test_what_is_padded_a_number_or_a_text_is_no_span(text: str) -> None:
    assert (len(text), span_id(text), span_id(text.upper())) == (16, b"", b"")


@pytest.mark.parametrize("text", TRACES.values(), ids=list(TRACES))
def test_what_tracers_make_is_a_trace(text: str) -> None:
    assert trace_id(text).hex() == text.rpartition("/")[2].removeprefix("1-").replace("-", "")


@pytest.mark.parametrize(
    ("read", "size", "share"),
    [(trace_id, 16, 0.001), (span_id, 8, 0.005)],
    ids=["of traces, one in a thousand", "of spans, five"],
)
def test_hardly_any_random_id_is_refused(read: Callable[[str], bytes], size: int, share: float) -> None:
    made, count = Random(20261130), 60_000
    assert sum(not read(made.randbytes(size).hex()) for _ in range(count)) < count * share
