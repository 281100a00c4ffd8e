"""What changed of the fields that plans let through, by the rules of their values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from gateway.plan import Attributes, Body, Mask, Properties, Rule, SpanName, Text, UserId, Value, WorkEmail
from gateway.policy.narrower import is_narrower
from gateway.policy.review.changes import Effect
from gateway.policy.wording import PatternNames, list_change, printable, rule_wording, value_wording

ChangeText = tuple[Effect, str, str]
"""What changed: which way, of which field or key, in words."""

EventRules = Mapping[str, Mapping[str, Value]]
"""The rule of each event's properties."""

NO_VALUE_RULES: Final = Value()
NO_ATTRIBUTES: Final = Attributes({}, {})
NO_BODY: Final = Body((), NO_ATTRIBUTES)
NO_SPAN_NAMES: Final = SpanName((), ())
"""The rule of a value that is stripped, whatever its kind."""


class BothNames(NamedTuple):
    """What is told of the patterns that have a name, on either side."""

    old: PatternNames
    new: PatternNames


class FieldSlot(msgspec.Struct, frozen=True):
    """A field of a plan. `kind` is its type on the wire, or the message type it holds."""

    kind: str
    rule: Rule | None = None
    enum: frozenset[int] = frozenset()


def slot_changes(was: Mapping[str, FieldSlot], now: Mapping[str, FieldSlot], named: BothNames) -> Iterator[ChangeText]:
    """Yield what changed between the fields that a plan let through and those that it lets through now.

    was `Event.name: a token`, now nothing                   withheld: was: a token
    was nothing, now `Event.name: a token`                   released: a token
    was `a token`, now `a token of at most 8 characters`     withheld: was: …; now: …
    was `one of a, b`, now `one of b, c`                     released: what the list gained and lost
    """
    for name in dict.fromkeys((*was, *now)):
        old, new = was.get(name), now.get(name)
        yield from _field(name, old, new, named)
        yield from _keyed_changes(old, new, named)


def _field(name: str, old: FieldSlot | None, new: FieldSlot | None, named: BothNames) -> Iterator[ChangeText]:
    if old is None or new is None:
        yield from _added_or_removed(
            name,
            None if old is None else _slot_wording(old, named.old),
            None if new is None else _slot_wording(new, named.new),
        )
    elif isinstance(old.rule, (Attributes, Properties, Body, SpanName)) and type(old.rule) is type(new.rule):
        return
    elif _comparable(old.rule) != _comparable(new.rule) or (old.kind, old.enum) != (new.kind, new.enum):
        narrow = old.kind == new.kind and old.enum >= new.enum and is_narrower(old.rule, new.rule)
        yield Effect.WITHHELD if narrow else Effect.RELEASED, name, _change(old, new, named)


def _added_or_removed(name: str, old: str | None, new: str | None) -> Iterator[ChangeText]:
    """Of what is there on one side only."""
    if new is not None and old is None:
        yield Effect.RELEASED, name, new
    elif old is not None and new is None:
        yield Effect.WITHHELD, name, f"was: {old}"


def _change(old: FieldSlot, new: FieldSlot, named: BothNames) -> str:
    if old.kind != new.kind:
        return f"was of type {old.kind}; now: {new.kind}"
    if old.enum != new.enum:
        return _list_change(sorted(old.enum), sorted(new.enum), "number ")
    if isinstance(old.rule, Text) and isinstance(new.rule, Text) and old.rule.one_of and new.rule.one_of:
        return _list_change(old.rule.one_of, new.rule.one_of)
    return f"was: {rule_wording(old.rule, named.old)}; now: {rule_wording(new.rule, named.new)}"


def _slot_wording(slot: FieldSlot, named: PatternNames) -> str:
    if slot.rule is None and "." in slot.kind:
        return "what is in it"
    return "a value that its enum lists" if slot.enum else rule_wording(slot.rule, named)


def _list_change(old: Collection[object], new: Collection[object], what: str = "") -> str:
    had, has = frozenset(old), frozenset(new)
    gained, lost = ([f"{what}{one}" for one in many if one not in others] for many, others in ((new, had), (old, has)))
    return list_change(gained, lost)


def _keyed_changes(old: FieldSlot | None, new: FieldSlot | None, named: BothNames) -> Iterator[ChangeText]:
    """What a rule says key by key: attributes, log texts, events and their properties."""
    was, now = (None if slot is None else slot.rule for slot in (old, new))
    if isinstance(was, Attributes) or isinstance(now, Attributes):
        yield from _attributes(
            was if isinstance(was, Attributes) else NO_ATTRIBUTES,
            now if isinstance(now, Attributes) else NO_ATTRIBUTES,
            named,
        )
    if isinstance(was, Properties) or isinstance(now, Properties):
        yield from _events(
            was.events if isinstance(was, Properties) else {}, now.events if isinstance(now, Properties) else {}, named
        )
    if isinstance(was, Body) or isinstance(now, Body):
        yield from _body(was if isinstance(was, Body) else NO_BODY, now if isinstance(now, Body) else NO_BODY, named)
    if isinstance(was, SpanName) or isinstance(now, SpanName):
        yield from _span_name(
            was if isinstance(was, SpanName) else NO_SPAN_NAMES, now if isinstance(now, SpanName) else NO_SPAN_NAMES
        )


def _attributes(old: Attributes, new: Attributes, named: BothNames) -> Iterator[ChangeText]:
    wild = (f"{prefix}*" for rule in (old, new) for prefix in rule.prefixes)
    for key in dict.fromkeys((*old.exact, *new.exact, *wild)):
        yield from _value(f"otlp.attributes.{key}", _ruled(old, key), _ruled(new, key), named)


def _ruled(rule: Attributes, key: str) -> Value:
    """The rule of a key, its own or that of the longest prefix above it."""
    if key in rule.exact:
        return rule.exact[key]
    above = [prefix for prefix in rule.prefixes if key.removesuffix("*").startswith(prefix)]
    return rule.prefixes[max(above, key=len)] if above else NO_VALUE_RULES


def _events(old: EventRules, new: EventRules, named: BothNames) -> Iterator[ChangeText]:
    for event in dict.fromkeys((*old, *new)):
        was, now = old.get(event), new.get(event)
        yield from _added_or_removed(
            f"tracking_plan.{event}", None if was is None else "an event", None if now is None else "an event"
        )
        for name in dict.fromkeys((*(was or {}), *(now or {}))):
            old_value, new_value = ((one or {}).get(name, NO_VALUE_RULES) for one in (was, now))
            yield from _value(f"tracking_plan.{event}.properties.{name}", old_value, new_value, named)


def _value(key: str, old: Value, new: Value, named: BothNames) -> Iterator[ChangeText]:
    """A value whose kind shows late: a kind without a rule is stripped."""
    if NO_VALUE_RULES in (old, new):
        yield from _added_or_removed(key, value_wording(old, named.old) or None, value_wording(new, named.new) or None)
        return
    both = [(getattr(old, kind), getattr(new, kind)) for kind in Value.__struct_fields__]
    changed = [(was, now) for was, now in both if _comparable(was) != _comparable(now)]
    if changed:
        narrow = all(now is None or (was is not None and is_narrower(was, now)) for was, now in changed)
        yield (
            Effect.WITHHELD if narrow else Effect.RELEASED,
            key,
            f"was: {value_wording(old, named.old)}; now: {value_wording(new, named.new)}",
        )


def _body(old: Body, new: Body, named: BothNames) -> Iterator[ChangeText]:
    yield from _texts("otlp.log_templates", old.templates, new.templates)
    yield from _attributes(old.attributes, new.attributes, named)


def _span_name(old: SpanName, new: SpanName) -> Iterator[ChangeText]:
    yield from _texts("otlp.span_names", old.listed, new.listed)


def _texts(key: str, old: Collection[str], new: Collection[str]) -> Iterator[ChangeText]:
    for text in dict.fromkeys((*old, *new)):
        was, now = (printable(text) if text in texts else None for texts in (old, new))
        yield from _added_or_removed(key, was, now)


def _comparable(rule: Rule | None) -> Rule | None:
    """A rule without what is the whole policy's, the pattern of user IDs and mail domains, and what a mask may name.

    Told of elsewhere.
    """
    if isinstance(rule, Mask):
        return Mask(rule.of)
    if isinstance(rule, WorkEmail):
        return WorkEmail(rule.outside, rule.vendor, rule.text)
    return UserId("", rule.text, rule.detect, rule.echo and "") if isinstance(rule, UserId) else rule
