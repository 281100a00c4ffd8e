"""Runs of base64, base32, hexadecimal and decimal codes inside text, and the readable text that hides in them.

A run may start anywhere inside a longer one, so each is decoded at every alignment: what is readable counts, the rest
is noise. `a@b.fr` in base64 is `YUBiLmZy`, and it is found in `idYUBiLmZy` too:

    from character 0   idYU BiLm Zy..  ->  89 d6 14 06 22 e6 67      no text
    from character 1   dYUB iLmZ y...  ->  75 85 01 88 b9 99         no text
    from character 2   YUBi LmZy       ->  61 40 62 2e 66 72         a@b.fr
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from gateway.detectors.compact import LINE_END
from gateway.detectors.hints import Hint
from gateway.detectors.spans import Span

DecodedRun = tuple[str, int, int]
"""A readable text, and from where to where in the text around it the run stands that hides it."""

# The shortest address, a@b.fr, is 6 bytes: 8 characters of base64, 10 of base32, 12 of hexadecimal. Long runs of base64
# go on in the next line, as in MIME. Quantifiers that could run far are possessive: linear.
_BASE64: Final = re.compile(rf"[A-Za-z0-9+/_-]{{8,}}+(?>(?:(?<=[A-Za-z0-9+/_-]{{8}}){LINE_END}[A-Za-z0-9+/_-]++)*)")
_NO_BASE64: Final = str.maketrans("", "", "\r\n\t >")
_BASE32: Final = re.compile(r"[A-Z2-7]{10,}+|[a-z2-7]{10,}+")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2,}+(?>(?:[ \t:,;._/-]{0,2}(?:0x)?[0-9A-Fa-f]{2,}+)*)")
_HEX_HINT: Final = Hint(r"(?:[0-9A-Fa-f][ \t:,;._/-]{0,2}(?:0x)?){12}")
_BASE32_HINT: Final = Hint(r"[A-Z2-7]{10}|[a-z2-7]{10}")
_MIN_HEX_CHARS: Final = 12
# Codes of printable ASCII; only rows with that of the at sign are text rather than measurements.
_CODE: Final = r"(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6])(?![0-9])"
_CODES: Final = re.compile(rf"{_CODE}(?>(?:[ \t,;:/_.-]{{1,2}}{_CODE}){{5,}})")
_CODES_HINT: Final = Hint(r"(?:[0-9]{2,3}[ \t,;:/_.-]{1,2}){5}[0-9]{2}")
_AT_CODE: Final = "64"
_NUMBER: Final = re.compile("[0-9]+")
_MIN_TEXT_CHARS: Final = 6

_URL_SAFE: Final = str.maketrans("-_", "+/")
_NOT_HEX: Final = re.compile(r"0[xX]|[^0-9A-Fa-f]")
TO_DIGITS: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567",
    "0123456789ABCDEFGHIJKLMNOP0123456789ABCDEFGHIJKLMNOPQRSTUV",
)

# Of bytes decoded as UTF-8, with U+FFFD for what isn't. NUL counts as readable: every second byte of UTF-16 is one.
_READABLE: Final = re.compile("[^\x01-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]{6,}+")

_MIN_LONG_CHARS: Final = 8
# The shortest address that is escaped once more, and the shortest run that encodes one, have as many characters.
_FINDING_HINT: Final = re.compile(r"[@:=]|(?:[0-9][^0-9]*+){4}")


def may_hold_finding(text: str) -> bool:
    """Whether anything can be found in what was decoded.

    Most noise is too short for it, without at sign, colon, equals sign or digits.
    """
    return len(text) >= _MIN_LONG_CHARS or not text.isascii() or _FINDING_HINT.search(text) is not None


# Bytes as letters: p readable, L the first and c a further byte of a UTF-8 character, x no text.
_KINDS: Final = (
    b"p" + b"x" * 8 + b"pp" + b"xx" + b"p" + b"x" * 18 + b"p" * 95 + b"x" + b"c" * 64 + b"xx" + b"L" * 51 + b"x" * 11
)
_READABLE_KINDS: Final = re.compile(rb"(?>(?:p|Lc{1,3}){6,})")


def is_text(decoded: bytes) -> bool:
    """Whether bytes hold a readable text in which something may be found."""
    found = _READABLE_KINDS.finditer(decoded.translate(_KINDS))
    return any(may_hold_finding(decoded[slice(*match.span())].decode("latin-1")) for match in found)


class _Runs:
    """All runs of one kind in a text.

    From where to where each stands and its characters, and `joined`, all together with `gap` between them.
    """

    __slots__ = ("_gap", "_runs", "_starts", "joined")

    def __init__(self, runs: list[tuple[int, int, str]], gap: str) -> None:
        self.joined = gap.join([chars for _, _, chars in runs])
        self._runs = runs
        self._gap = gap
        self._starts: list[int] = []

    def span(self, index: int) -> Span:
        """Return where in the text the run stands that a character of `joined` is of."""
        if not self._starts:
            self._starts = list(accumulate((len(chars) + len(self._gap) for _, _, chars in self._runs), initial=0))
        start, end, _ = self._runs[bisect_right(self._starts, index) - 1]
        return start, end


class _Decoded(NamedTuple):
    """The bytes of runs at one alignment, and which of the runs' characters a byte ends in.

    A character of base64 has 6 bits. From character 1 on, `xYUBi` is `a@b`, whose byte 0 is the bits 6 to 13 of all: it
    ends in character 13 // 6 = 2. So `unit_bits` is 6, `offset_bits` 13, and byte `i` ends in character
    (8 * i + 13) // 6.
    """

    data: bytes
    runs: _Runs
    offset_bits: int
    unit_bits: int

    def span(self, index: int) -> Span:
        """Return where in the text the run stands in which a byte ends."""
        return self.runs.span((8 * index + self.offset_bits) // self.unit_bits)


def decoded_runs(text: str) -> Iterator[DecodedRun]:
    """The readable texts in the runs of folded text, in no particular order."""
    if _AT_CODE in text and _CODES_HINT(text):
        yield from _decimal(text)
    decoded = _base64(text)
    if decoded:  # a run of base32 is one of base64 too
        decoded += _base32(text)
    decoded += _hex(text)
    data = b"\xff".join([each.data for each in decoded])
    if is_text(data):
        yield from _located(decoded, data, data.decode("utf-8", "replace"))


def _decimal(text: str) -> Iterator[DecodedRun]:
    for run in _CODES.finditer(text):
        codes = _NUMBER.findall(run[0])
        if _AT_CODE in codes:
            yield "".join([chr(int(code)) for code in codes]), *run.span()


def _located(decoded: list[_Decoded], data: bytes, plain: str) -> Iterator[DecodedRun]:
    starts = list(accumulate((len(each.data) + 1 for each in decoded), initial=0))
    at = 0
    for match in _READABLE.finditer(plain):
        found = match[0].encode()
        at = data.index(found, at) + len(found)
        visible = match[0].replace("\0", "")
        if len(visible) >= _MIN_TEXT_CHARS and may_hold_finding(visible):
            index = bisect_right(starts, at - 1) - 1
            yield _decoded_text(match), *decoded[index].span(at - 1 - starts[index])


def _decoded_text(match: re.Match[str]) -> str:
    """What was found; a broken character before it is the rest of a letter of another character set."""
    start = match.start()
    return match.string[max(0, start - 1) : match.end()].replace("\0", "")


def _base64(text: str) -> list[_Decoded]:
    found = [(*run.span(), run[0]) for run in _BASE64.finditer(text)]
    if not found:
        return []
    if "\n" in text:
        found = [(start, end, run.translate(_NO_BASE64)) for start, end, run in found]
    runs = _Runs(found, "///")
    size, padded = len(runs.joined), runs.joined.translate(_URL_SAFE) + "AAA"
    return [
        _Decoded(a2b_base64(padded[skip : skip + (size - skip + 3) // 4 * 4]), runs, 6 * skip + 7, 6)
        for skip in range(4)
    ]


def _base32(text: str) -> list[_Decoded]:
    if not _BASE32_HINT(text):
        return []
    runs = _Runs([(*run.span(), run[0]) for run in _BASE32.finditer(text)], "7777")
    number, bits = int(runs.joined.translate(TO_DIGITS), 32), 5 * len(runs.joined)
    sizes = [(bits - skip + 7) // 8 for skip in range(8)]
    return [
        _Decoded((number >> skip).to_bytes(size), runs, bits - skip - 8 * size + 7, 5)
        for skip, size in enumerate(sizes)
    ]


def _hex(text: str) -> list[_Decoded]:
    if not _HEX_HINT(text):
        return []
    long = (run for run in _HEX.finditer(text) if run.end() - run.start() >= _MIN_HEX_CHARS)
    found = [(*run.span(), digits) for run in long if len(digits := _NOT_HEX.sub("", run[0])) >= _MIN_HEX_CHARS]
    runs = _Runs(found, "fff")
    size = len(runs.joined)
    return [
        _Decoded(bytes.fromhex(runs.joined[skip : size - (size - skip) % 2]), runs, 4 * skip + 7, 4)
        for skip in range(2)
    ]
