"""The dearest of the worst shapes, of each kind, against a loop of plain Python over as many characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from tests.bench.instructions import Counter
from tests.bench.measure import InProcess, Size, in_turn
from tests.bench.table import Case, Layout, Measured
from tests.bench.values import FRESH, NONE
from tests.support.worst_shapes import CHARS, Judge, cases, look, seconds
from tests.support.worst_shapes import size as size_of

LOOP: Final = "a loop of plain Python over the characters"
KINDS: Final[Mapping[str, str]] = {
    "text": "the dearest text",
    "values": "the dearest values of 64 characters",
    "keys": "the dearest keys",
    "addresses": "the dearest e-mail addresses",
}

LAYOUT: Final = Layout(
    "shapes",
    "what detectors cost at most, in process, without a server",
    "a byte",
    (Case(LOOP), *(Case(name, FRESH, LOOP) for name in KINDS.values())),
    counted=False,
)

LAYOUTS: Final = (LAYOUT,)
LEAST_CHARS: Final = 2_000


def run(size: Size, counter: Counter | None) -> Iterator[tuple[Layout, Measured]]:
    """Find the dearest of each kind, and measure those in turn.

    Detectors remember nothing, so that no value is a seen one.
    """
    chars = size.of(CHARS, LEAST_CHARS)
    works = {(LOOP, NONE): _work(look, ["0123456789abcdef" * (chars // 16)])}
    for kind, (shape, judge, texts) in _dearest(chars).items():
        print(f"{KINDS[kind]}: {shape}")
        works[KINDS[kind], FRESH] = _work(judge, texts)
    print()
    yield LAYOUT, Measured(in_turn(works, size.rounds))


def _dearest(chars: int) -> Mapping[str, tuple[str, Judge, Sequence[str]]]:
    """Of each kind the shape that costs most a byte, and what is judged."""
    costs = {
        name: (seconds(judge, texts) / size_of(texts), judge, texts) for name, (judge, texts) in cases(chars).items()
    }
    found: dict[str, tuple[str, Judge, Sequence[str]]] = {}
    for name in sorted(costs, key=lambda name: costs[name][0]):
        kind, _, shape = name.partition(": ")
        found[kind] = (shape, *costs[name][1:])
    return {kind: found[kind] for kind in KINDS}


def _work(judge: Judge, texts: Sequence[str]) -> InProcess:
    return InProcess(lambda: partial(_judge, judge, texts), size_of(texts))


def _judge(judge: Judge, texts: Sequence[str]) -> None:
    for text in texts:
        judge(text)
