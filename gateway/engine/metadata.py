"""A call's metadata, minimised: the values of each key, and the entries of `baggage` and `tracestate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from gateway.engine.metadata_values import (
    BaggageValue,
    FactsRule,
    Pair,
    TextFilter,
    TracestateValue,
    Value,
    is_printable,
    key_filter,
    rule_filter,
)
from gateway.engine.rules import VerdictCache
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

MAX_KNOWN_LISTS: Final = 256
MAX_KNOWN_LIST_CHARS: Final = 512
"""How many lists are remembered with what is left of them, and the longest: a caller sends the same again and again."""

Minimised = tuple[str, int]
"""What is kept of a list, empty if nothing is, and how many entries were dropped."""

_NO_FACTS: Final = Facts(0)


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
        lists: dict[str, list[Value]] | None = None
        dropped = 0
        for key, value in pairs:
            filter_value = self._keys.get(key)
            if filter_value is not None and (passed := filter_value(value, facts)) is not None:
                kept.append((key, passed))
            elif key in GRPC_HEADERS:
                continue
            elif key in self._lists:
                lists = {} if lists is None else lists
                lists.setdefault(key, []).append(value)
            elif not key.startswith("grpc-"):
                dropped += 1
        if lists is not None:
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
        filters = {name: rule_filter(rule) for name, rule in rules.items()}
        self._entries = {name: value_filter(inner).filter for name, inner in filters.items()}
        self._max_chars = max_chars
        self._max_entries = max_entries
        # What depends on facts is decided on each time.
        self._known: VerdictCache[str, Minimised | None] | None = (
            None
            if any(isinstance(inner, FactsRule) for inner in filters.values())
            else VerdictCache(self._minimise_without_facts, MAX_KNOWN_LISTS, MAX_KNOWN_LIST_CHARS)
        )

    def minimise(self, values: Sequence[Value], facts: Facts) -> Minimised:
        """Return what is kept, and how many entries were dropped.

        A list beyond the bounds counts as one for each value.
        """
        if not self._entries or not all(map(is_printable, values)):
            return "", len(values)
        whole = ",".join(map(str, values))
        found = self._minimise_text(whole, facts) if self._known is None else self._known[whole]
        return ("", len(values)) if found is None else found

    def _minimise_without_facts(self, whole: str) -> Minimised | None:
        return self._minimise_text(whole, _NO_FACTS)

    def _minimise_text(self, whole: str, facts: Facts) -> Minimised | None:
        """Return the same of all values, joined; None for a list beyond the bounds."""
        if len(whole) > self._max_chars:
            return None
        entries = [entry.strip() for entry in whole.split(",", self._max_entries)]
        if len(entries) > self._max_entries:
            return None
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
