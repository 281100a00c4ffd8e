"""What a change of policy or contracts releases that was withheld, and the reverse.

Compared is what the two compile to: the plans of all flows and routes, field by field and rule by rule.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from gateway.errors import BadPolicy
from gateway.plan import (
    Attributes,
    Body,
    EnvelopePlan,
    FieldPlan,
    Form,
    Mask,
    Nested,
    Plan,
    Properties,
    Rule,
    SpanName,
    Text,
    UserId,
    Value,
    WorkEmail,
)
from gateway.policy import named_patterns
from gateway.policy.compile import Compiler
from gateway.policy.document import Route
from gateway.policy.envelope import envelope_plan
from gateway.policy.flow_targets import contract_types, flow_targets
from gateway.policy.narrower import is_narrower
from gateway.policy.review.changes import Change, Difference, Effect
from gateway.policy.review.setting_changes import setting_changes
from gateway.policy.rules import SCALAR_KINDS, RecipientTerms
from gateway.policy.wording import PatternNames, list_change, printable, rule_wording, value_wording

ChangeText = tuple[Effect, str, str]
"""What changed: which way, of which field or key, in words."""

EventRules = Mapping[str, Mapping[str, Value]]
"""The rule of each event's properties."""

NO_VALUE_RULES: Final = Value()
NO_ATTRIBUTES: Final = Attributes({}, {})
NO_BODY: Final = Body((), free_text=False, attributes=NO_ATTRIBUTES)
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


def diff(old: Compiler, new: Compiler) -> Difference:
    """Compare. Raises BadPolicy or BadContract if either doesn't compile."""
    was, now = _slots(old), _slots(new)
    named = BothNames(*named_patterns.names_before_and_after(old.full_policy.patterns, new.full_policy.patterns))
    fields = (
        Change(*said, destination, item)
        for item, destination in sorted({*was, *now}, key=lambda pair: pair[::-1])
        for said in _fields(was.get((item, destination), {}), now.get((item, destination), {}), named)
    )
    changes = tuple(dict.fromkeys((*setting_changes(old, new), *fields)))
    order = list(Effect)
    return Difference(tuple(sorted(changes, key=lambda change: order.index(change.effect))))


def _plans(compiler: Compiler) -> Mapping[tuple[str, str], Plan]:
    """The plans of all flows and routes.

    A route may carry any type that was brought, there and back, as far as it compiles.
    """
    plans = {pair: compiler.plan(*pair) for pair in flow_targets(compiler)}
    for name, terms in _terms_of_routes(compiler).items():
        for item in contract_types(compiler.contract):
            try:
                plans[item, name] = compiler.plan_for(item, terms)
            except BadPolicy:
                continue
    return plans


def _terms_of_routes(compiler: Compiler) -> Mapping[str, RecipientTerms]:
    """The destinations of routes and their callers.

    A caller of several routes of one authority gets what any of them lets it have.
    """
    ends = {route.destination: compiler.terms(route.destination) for route in compiler.policy.routes}
    for route in compiler.policy.routes:
        for caller, given in route.callers.items():
            terms, name = compiler.caller_terms(caller, given), _answers_name(route, caller)
            ends[name] = msgspec.structs.replace(terms, allow=terms.allow | ends[name].allow) if name in ends else terms
    return ends


def _answers_name(route: Route, caller: str) -> str:
    return f"routes.{route.authority} → {caller}"


def _slots(compiler: Compiler) -> Mapping[tuple[str, str], Mapping[str, FieldSlot]]:
    """What the plans let through, and under no type what goes with a route's calls beside their messages."""
    slots = {pair: dict(_all_slots(plan)) for pair, plan in _plans(compiler).items()}
    for route in compiler.policy.routes:
        to = compiler.policy.destinations[route.destination]
        slots["", route.destination] = dict(_metadata(envelope_plan(to.metadata, compiler.terms(route.destination))))
        for caller, given in route.callers.items():
            plan, pair = (
                envelope_plan(given.metadata, compiler.caller_terms(caller, given)),
                ("", _answers_name(route, caller)),
            )
            text = {} if plan.message is None else {"status message": FieldSlot("string", plan.message)}
            slots[pair] = {**slots.get(pair, {}), **dict(_metadata(plan)), **text}
    return slots


def _metadata(plan: EnvelopePlan) -> Iterator[tuple[str, FieldSlot]]:
    for section in ("keys", "baggage", "tracestate"):
        yield from (
            (f"metadata.{section}.{key}", FieldSlot("string", rule)) for key, rule in getattr(plan, section).items()
        )


def _all_slots(plan: Plan) -> Iterator[tuple[str, FieldSlot]]:
    """What a plan lets through, by the field's full name. A map's keys and values are two."""
    for message in plan.messages:
        if message.form is Form.MESSAGE and message.name not in SCALAR_KINDS:
            for field in message.fields:
                yield from _slots_of(field, f"{message.name}.", plan)
    for name in plan.anys:
        yield f"google.protobuf.Any({name})", FieldSlot(name)


def _slots_of(field: FieldPlan, owner: str, plan: Plan) -> Iterator[tuple[str, FieldSlot]]:
    name = field.name[1:-1] if field.name.startswith("[") else owner + field.name
    entry = None if field.message is None else plan.messages[field.message]
    if entry is None or entry.form is not Form.MAP_ENTRY:
        yield name, _slot(field, plan)
    else:
        yield from ((f"{name}[{part.name}]", _slot(part, plan)) for part in entry.fields)


def _slot(field: FieldPlan, plan: Plan) -> FieldSlot:
    rule = None if field.rule is None else plan.rules[field.rule]
    index = rule.message if isinstance(rule, Nested) else field.message
    kind = field.kind if index is None else plan.messages[index].name
    return FieldSlot(kind, None if isinstance(rule, Nested) else rule, frozenset(field.enum or ()))


def _fields(was: Mapping[str, FieldSlot], now: Mapping[str, FieldSlot], named: BothNames) -> Iterator[ChangeText]:
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
    yield from _free_text("otlp.log_templates", old.free_text, new.free_text)


def _span_name(old: SpanName, new: SpanName) -> Iterator[ChangeText]:
    yield from _texts("otlp.span_names", old.listed, new.listed)
    yield from _free_text("otlp.span_names", old.free_text, new.free_text)


def _texts(key: str, old: Collection[str], new: Collection[str]) -> Iterator[ChangeText]:
    for text in dict.fromkeys((*old, *new)):
        was, now = (printable(text) if text in texts else None for texts in (old, new))
        yield from _added_or_removed(key, was, now)


def _free_text(key: str, old: bool, new: bool) -> Iterator[ChangeText]:
    if old != new:
        yield Effect.RELEASED if new else Effect.WITHHELD, key, "free text" if new else "was: free text"


def _comparable(rule: Rule | None) -> Rule | None:
    """A rule without what is the whole policy's, the pattern of user IDs and mail domains, and what a mask may name.

    Told of elsewhere.
    """
    if isinstance(rule, Mask):
        return Mask(rule.of)
    if isinstance(rule, WorkEmail):
        return WorkEmail(rule.outside, rule.vendor, rule.text)
    return UserId("", rule.text, rule.detect) if isinstance(rule, UserId) else rule
