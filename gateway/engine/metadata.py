"""A call's metadata, minimised: the values of each key, and the entries of `baggage` and `tracestate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.engine.metadata_values import (
    BaggageValue,
    Pair,
    TextFilter,
    TracestateValue,
    Value,
    is_printable,
    key_filter,
    rule_filter,
)
from gateway.model import Facts
from gateway.plan import EnvelopePlan, Rule

GRPC_HEADERS: Final = frozenset({"accept-encoding", "content-type", "te", "user-agent"})
"""What gRPC adds on each hop: not relayed, and nothing lost."""

MAX_BAGGAGE_CHARS: Final = 8192
MAX_BAGGAGE_ENTRIES: Final = 64
"""What every implementation passes on: https://www.w3.org/TR/baggage/#limits."""

MAX_TRACESTATE_CHARS: Final = 512
MAX_TRACESTATE_ENTRIES: Final = 32
"""What every implementation passes on: https://www.w3.org/TR/trace-context/#tracestate-limits."""


class MetadataRules:
    """Minimises metadata for one recipient. Raises nothing, whatever it is given. Safe to share between threads."""

    def __init__(self, plan: EnvelopePlan) -> None:
        self._keys = {key: key_filter(key, rule).filter for key, rule in plan.keys.items()}
        self._lists = {
            "baggage": EntryList(plan.baggage, MAX_BAGGAGE_CHARS, MAX_BAGGAGE_ENTRIES, BaggageValue),
            "tracestate": EntryList(plan.tracestate, MAX_TRACESTATE_CHARS, MAX_TRACESTATE_ENTRIES, TracestateValue),
        }

    def minimise(self, pairs: Iterable[Pair], facts: Facts) -> tuple[tuple[Pair, ...], int]:
        """Return what is kept, and how many keys, or entries of `baggage` and `tracestate`, were dropped."""
        kept: list[Pair] = []
        lists: dict[str, list[Value]] = {}
        dropped = 0
        for key, value in pairs:
            filter_value = self._keys.get(key)
            if filter_value is not None and (passed := filter_value(value, facts)) is not None:
                kept.append((key, passed))
            elif key in self._lists:
                lists.setdefault(key, []).append(value)
            elif key not in GRPC_HEADERS and not key.startswith("grpc-"):
                dropped += 1
        for key, values in lists.items():
            text, dropped_entries = self._lists[key].minimise(values, facts)
            kept += [(key, text)] if text else []
            dropped += dropped_entries
        return tuple(kept), dropped


class EntryList:
    """Minimises the values of a key that is a list of `key=value`, of so many characters and entries at most.

    `tracestate: acme=1,mail=ada@gmail.com`, with a rule for `acme` alone, becomes `acme=1`, and one entry was dropped.
    """

    def __init__(
        self,
        rules: Mapping[str, Rule | None],
        max_chars: int,
        max_entries: int,
        value_filter: Callable[[TextFilter], TextFilter],
    ) -> None:
        """`value_filter` makes of what filters a value what filters it as it is written."""
        self._entries = {name: value_filter(rule_filter(rule)).filter for name, rule in rules.items()}
        self._max_chars = max_chars
        self._max_entries = max_entries

    def minimise(self, values: Sequence[Value], facts: Facts) -> tuple[str, int]:
        """Return what is kept, empty if nothing is, and how many entries were dropped.

        A list beyond the bounds counts as one for each value.
        """
        if not self._entries or not all(map(is_printable, values)):
            return "", len(values)
        whole = ",".join(map(str, values))
        entries = [entry.strip() for entry in whole.split(",", self._max_entries)]
        if len(whole) > self._max_chars or len(entries) > self._max_entries:
            return "", len(values)
        kept: dict[str, str] = {}
        for entry in entries:
            name, _, value = entry.partition("=")
            name = name.rstrip()
            entry_filter = None if name in kept else self._entries.get(name)
            if entry_filter is not None and (passed := entry_filter(value.strip(), facts)) is not None:
                kept[name] = passed
        text = ",".join(f"{name}={value}" for name, value in kept.items())
        dropped = sum(map(bool, entries)) - len(kept)
        return (text, dropped) if len(text) <= self._max_chars else ("", dropped + len(kept))
