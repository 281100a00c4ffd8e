"""What SDKs report is lost to nobody's name: at most one open value in a thousand, and no name of a thing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from math import gcd
from typing import Any, Final

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from gateway.detectors.person_words import PersonWords, person_words
from gateway.detectors.said_words import MIN_WORD_CHARS
from gateway.policy.person_probes import NAME, probe_data
from tests.bench.records import KINDS
from tests.bench.values import SEEN
from tests.reported.delivered_items import COMPILER, SLOTS, arrived, everything, listed, outcome
from tests.reported.recordings import requests
from tests.reported.test_reported import SOURCES

ITEMS: Final = 20_000
MAX_LOST: Final = ITEMS // 1000
NAMES: Final = [name for name in probe_data().probes[NAME] if sum(map(str.isalpha, name)) >= MIN_WORD_CHARS]


def words(name: str) -> PersonWords:
    found = person_words([(name,)], [])
    assert found is not None
    return found


def open_values() -> Iterator[str]:
    """Yield the texts that arrive under keys whose values aren't listed, of each SDK and of the bench."""
    every = {(one.key, one.value) for source in SOURCES for one in outcome(source).arrived}
    for key, value in sorted(every | set(bench_values())):
        by = None if key in SLOTS.values() else listed(key)
        if by is not None and not COMPILER.policy.otlp.privacy(by).one_of:
            yield from filter(lambda text: isinstance(text, str), _flat(json.loads(value)))


def bench_values() -> Iterator[tuple[str, str]]:
    """Yield what arrives of the bench's records, by key."""
    for kind in KINDS:
        for one in everything(arrived(kind.signal, kind.request.FromString(kind.batch(SEEN)))):
            yield one.key, one.value


def _flat(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def test_at_most_one_value_in_a_thousand_is_lost_to_a_name() -> None:
    values = [*open_values()]
    assert 200 < len(values) < ITEMS
    # Names and values have no divisor in common, so that each value meets many names.
    padded = [
        *values,
        *([""] * next(count for count in range(len(NAMES)) if gcd(len(values) + count, len(NAMES)) == 1)),
    ]
    pairs = zip(range(ITEMS), cycle(NAMES), cycle(padded), strict=False)
    known = {name: words(name) for name in NAMES}
    lost = Counter((name, value) for _, name, value in pairs if known[name].repeated_in(value))
    assert lost.total() <= MAX_LOST, lost.most_common(20)


NAMING: Final = frozenset(SLOTS.values()) - {"scope version", "span name"}


@pytest.mark.parametrize("source", SOURCES)
def test_no_key_and_no_name_of_a_thing_is_lost_though_it_is_somebody_s(source: str) -> None:
    """The person is called like every scope, metric, unit and event, and like every key."""
    for signal, request in requests(source):
        before = [one for one in everything(arrived(signal, request)) if one.key in NAMING]
        names = sorted({one.value for one in before})
        told = KeyValue(key="user.full_name", value=AnyValue(string_value=" ".join(names)[:100]))
        for group in getattr(request, signal.groups):
            group.resource.attributes.append(told)
        after = [one for one in everything(arrived(signal, request)) if one.key in NAMING]
        assert after == before
