"""Probes: invented names, numbers, dates of birth and addresses, tried against rules that let texts pass.

A probe is tried as written, and with its words joined by `.`, `_`, `-` or nothing; by itself, behind the pattern's
literal beginning and before its literal end; a name also between what varies there, at its shortest:

    x_[A-Za-z]{1,30}   tried: Ada Byron, Ada.Byron, …, AdaByron; x_Ada Byron, x_Ada.Byron, …, x_AdaByron, which passes

It passes when the whole rule keeps it: pattern, length and detectors. The probes are data, `person_probes.json`.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final, NamedTuple

import msgspec

from gateway.detectors.by_category import detectors_for
from gateway.detectors.detect import find
from gateway.model import Category
from gateway.patterns import TOKEN, compile_pattern
from gateway.plan import Text, UserId
from gateway.policy.pattern_pieces import PatternPiece, pattern_branches

NAME: Final = "name"
"""The kind of the probes that are tried in more surroundings: between digits and letters at random, words are names."""

JOINTS: Final = (".", "_", "-", "")
"""What a probe's words are joined by."""

MAX_OUTLINES: Final = 32
"""How many of the ways through a pattern's alternatives are looked at."""

MAX_FRAMES: Final = 32
"""How many surroundings a probe is tried in, of either sort."""

MAX_NOTED_FRAMES: Final = 4
"""The same where nothing is refused for it."""

MIN_LETTERS: Final = 10
"""How many letters there are at least to choose from where a word could stand: hexadecimal digits spell none."""

MAX_REMEMBERED_RULES: Final = 16_384
"""How many rules are remembered with what passes them: a policy asks for each again wherever it leads."""

TOKEN_RULE: Final = Text(TOKEN, detect=detectors_for(Category.OPERATIONAL).detectors)
"""What an OPERATIONAL text is held to that has no pattern of its own."""

_ENDS: Final = re.compile(r"\\[Az]|\(\?[a-zA-Z]*-")
"""What in a pattern means the ends of a text and no line's, or may."""

_WORD: Final = re.compile(r"[^\W_]+")


class ProbeData(msgspec.Struct, frozen=True):
    """The file of probes: the day on which it was last changed, and the probes of each kind, as they are written."""

    version: str
    probes: Mapping[str, tuple[str, ...]]


class PassingProbe(NamedTuple):
    """A probe that a rule keeps: of what kind it is, and the text that passes."""

    kind: str
    text: str


class ProbeCount(msgspec.Struct, frozen=True):
    """How many probes of a kind a rule keeps, of how many, and the text of one."""

    kind: str
    passing: int
    total: int
    example: str


class _Stretch(NamedTuple):
    """A part of what a pattern matches, at its shortest; whether it may be another, and whether a word fits in it."""

    shortest: str
    varies: bool
    wordy: bool = False


Frame = tuple[str, str]
"""What stands before a probe, and what behind it."""


class Frames(NamedTuple):
    """What stands before and behind a probe: literally there, for all of them, or at its shortest, for names."""

    literal: tuple[Frame, ...]
    shortest: tuple[Frame, ...]


_Outline = tuple[_Stretch, ...]


@cache
def probe_data() -> ProbeData:
    """The probes that come with the gateway."""
    raw = importlib.resources.files("gateway.policy").joinpath("person_probes.json").read_bytes()
    return msgspec.json.decode(raw, type=ProbeData)


def forms(written: str) -> tuple[str, ...]:
    """A probe as written, and its words joined: `Ada Byron`, `Ada.Byron`, `Ada_Byron`, `Ada-Byron`, `AdaByron`."""
    words = _WORD.findall(written)
    return tuple(dict.fromkeys((written, *(joint.join(words) for joint in JOINTS))))


@lru_cache(maxsize=MAX_REMEMBERED_RULES)
def first_passing(rule: Text | UserId) -> PassingProbe | None:
    """The first probe that a rule keeps, if it keeps any."""
    return next(_passing(rule), None)


@lru_cache(maxsize=1024)
def first_beyond_tokens(rule: Text) -> PassingProbe | None:
    """The first probe that a pattern lets pass and a token's doesn't, if all is looked for in it that is in a token.

    What is exempt from a detector is told of as an exemption.
    """
    searched = msgspec.structs.replace(rule, detect=TOKEN_RULE.detect)
    for kind, beyond in _beyond_tokens().items():
        for text in _kept(searched, beyond, frames(rule.pattern).literal[:MAX_NOTED_FRAMES]):
            if not _keeps(TOKEN_RULE, text):
                return PassingProbe(kind, text)
    return None


@cache
def _beyond_tokens() -> Mapping[str, tuple[str, ...]]:
    """The forms of probes that are no tokens, by kind."""
    return {
        kind: tuple(form for form in _forms_of(probes) if not _keeps(TOKEN_RULE, form))
        for kind, probes in probe_data().probes.items()
    }


def probe_counts(rule: Text | UserId) -> tuple[ProbeCount, ...]:
    """How many probes of each kind a rule keeps, in one form or another."""
    counts = []
    for kind, probes in probe_data().probes.items():
        kept = [text for written in probes if (text := next(_kept_forms(rule, kind, (written,)), ""))]
        counts.append(ProbeCount(kind, len(kept), len(probes), kept[0] if kept else ""))
    return tuple(counts)


@lru_cache(maxsize=1024)
def frames(pattern: str) -> Frames:
    """What stands around a probe: nothing, what a pattern has there literally, and what it has there at its shortest.

    x_[A-Za-z]{1,30}           →   ("", ""), ("x_", "")
    [0-9]{2}-[a-z]{1,30}!      →   ("", ""), ("", "!"), and for names ("00-", "!"), ("00-", "")
    """
    literal: dict[Frame, None] = {("", ""): None}
    shortest: dict[Frame, None] = {}
    for outline in _outlines(pattern_branches(pattern)) if pattern else ():
        varying = [at for at, stretch in enumerate(outline) if stretch.varies]
        if varying:
            literal |= _sides(outline[: varying[0]], outline[varying[-1] + 1 :])
        for at in varying:
            if outline[at].wordy:
                shortest |= _sides(outline[:at], outline[at + 1 :])
    return Frames(tuple(literal)[:MAX_FRAMES], tuple(one for one in shortest if one not in literal)[:MAX_FRAMES])


def _sides(before: _Outline, behind: _Outline) -> dict[Frame, None]:
    first, last = ("".join(stretch.shortest for stretch in side) for side in (before, behind))
    return dict.fromkeys(((first, last), (first, ""), ("", last)))


def _passing(rule: Text | UserId) -> Iterator[PassingProbe]:
    """Yield the probes that a rule keeps, and how."""
    for kind, probes in probe_data().probes.items():
        yield from (PassingProbe(kind, text) for text in _kept_forms(rule, kind, probes))


def _kept_forms(rule: Text | UserId, kind: str, probes: tuple[str, ...]) -> Iterator[str]:
    """Yield what a rule keeps of probes of a kind."""
    around = frames(_pattern_of(rule))
    return _kept(rule, _forms_of(probes), (*around.literal, *(around.shortest if kind == NAME else ())))


def _kept(rule: Text | UserId, texts: tuple[str, ...], surroundings: tuple[Frame, ...]) -> Iterator[str]:
    """Yield what a rule keeps of texts in their surroundings. The pattern is asked first: it costs the least."""
    pattern = _pattern_of(rule)
    matches = compile_pattern(pattern).fullmatch if pattern else bool
    for before, behind in surroundings:
        if not _any_may_match(pattern, texts, before, behind):
            continue
        for text in texts:
            framed = f"{before}{text}{behind}"
            if matches(framed) and _keeps(rule, framed):
                yield framed


def _any_may_match(pattern: str, texts: tuple[str, ...], before: str, behind: str) -> bool:
    """Whether a pattern may match one of the texts, each on a line of its own: one search instead of hundreds."""
    if not pattern or _ENDS.search(pattern):
        return True
    try:
        line = compile_pattern(f"(?m)^(?:{pattern})$")
    except ValueError:  # with what stands around it, it may be too large
        return True
    return line.search(before + f"{behind}\n{before}".join(texts) + behind) is not None


@lru_cache(maxsize=1024)
def _forms_of(probes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(form for written in probes for form in forms(written)))


def _pattern_of(rule: Text | UserId) -> str:
    return "" if isinstance(rule, Text) and rule.one_of else rule.pattern


def _keeps(rule: Text | UserId, text: str) -> bool:
    """Whether a rule keeps a text, as every engine must."""
    if isinstance(rule, UserId):
        own = rule.text
        return _keeps(Text(rule.pattern, detect=rule.detect), text) and (own is None or _keeps(own, text))
    if rule.one_of:
        return text in rule.one_of and not (rule.detect and find(text, rule.detect))
    if rule.max_length and len(text) > rule.max_length:
        return False
    if rule.pattern and not compile_pattern(rule.pattern).fullmatch(text):
        return False
    return not (rule.detect and find(text, rule.detect))


def _outlines(branches: list[list[PatternPiece]]) -> list[_Outline]:
    """The ways through alternatives."""
    found: list[_Outline] = []
    for branch in branches:
        ways: list[_Outline] = [()]
        for piece in branch:
            ways = [(*way, *more) for way in ways for more in _ways_through(piece)][:MAX_OUTLINES]
        found += ways
    return found[:MAX_OUTLINES]


def _ways_through(piece: PatternPiece) -> list[_Outline]:
    """The ways through a piece. What may be left out is left out and not; of a repeated group the first is opened."""
    if not piece.branches:
        once = len(piece.chars) == 1 and piece.low == piece.high
        wordy = sum(map(str.isalpha, piece.chars)) >= MIN_LETTERS
        return [(_Stretch(piece.chars[:1] * piece.low, not once, wordy),)] if piece.chars else [()]
    inside = _outlines(piece.branches)
    if piece.high == 1:
        return inside if piece.low else [(), *inside]
    shortest = "".join(stretch.shortest for stretch in inside[0])
    wordy = any(stretch.wordy for way in inside for stretch in way)
    rest = _Stretch(shortest * max(0, piece.low - 1), varies=True)
    return [(_Stretch(shortest * piece.low, varies=True, wordy=wordy),), *((*way, rest) for way in inside)]
